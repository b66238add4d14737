"""The environment variables, paths and folders a container process starts with.

Built from nothing: no variable of the machine reaches a container but those named here, so none of its secrets does.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from local.sagemaker.machine.environments import Environment
from local.sagemaker.machine.machine import Context
from local.sagemaker.machine.processes.docker import Container
from local.sagemaker.machine.processes.process import Command
from local.sagemaker.wire.errors import WorkFailed

_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "TZ")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ROOT = "/opt/ml"
_SCRATCH = ("/tmp", "/var/tmp")
_TOOLKIT = Path(__file__).parents[2] / "toolkit"
_ALONE = {"algo-1": "127.0.0.1"}


def command(
    context: Context,
    environment: Environment,
    folder: Path,
    argv: Iterable[str],
    variables: Mapping[str, str],
    *,
    hosts: Mapping[str, str] | None = None,
    network: bool = True,
) -> Command:
    """`argv` in `environment`, knowing `folder`/ml as /opt/ml.

    Where there is no private /opt/ml, words and values that start with /opt/ml are led to the folder instead.
    `hosts` are the names that resolve, with their addresses. Raises WorkFailed for a variable that no process can have.
    """
    ml, words = folder / "ml", tuple(argv)
    ml.mkdir(parents=True, exist_ok=True)
    given = _of_cloud(context) | dict(variables)
    for name, value in variables.items():
        if not _possible(name, value):
            raise WorkFailed(f"the environment variable {name!r} cannot be given to a process: {value[:100]!r}")
    if context.boundary.docker:
        return _in_docker(Container(environment.image.uri, ml, given, network, hosts or _ALONE), words)
    home, scratch = folder / "home", folder / "tmp"
    for made in (home, scratch):
        made.mkdir(parents=True, exist_ok=True)
    environment = environment.layered(folder / "packages")
    layer = folder / "packages"
    given = {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PATH": ":".join([*environment.path, _SYSTEM_PATH]),
        "HOME": str(home),
        "VIRTUAL_ENV": str(layer),
        "PYTHONUNBUFFERED": "1",
        **given,
    }
    if not context.boundary.namespace:
        given = {name: _moved(value, ml) for name, value in given.items()}
        given["SAGEMAKER_BASE_DIR"] = str(ml)
        given.setdefault("TMPDIR", str(scratch))
        words = tuple(_moved(word, ml) for word in words)
    return Command(
        words,
        given,
        ml,
        {"/etc/hosts": _hosts(folder, hosts or _ALONE)},
        covers=dict.fromkeys(_SCRATCH, str(scratch)),
        keep=_needed(environment),
        writable=(str(home), str(layer)),
        network=network,
    )


def _of_cloud(context: Context) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": str(context.cloud.client("s3").meta.endpoint_url),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": context.settings.region,
        "AWS_DEFAULT_REGION": context.settings.region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _hosts(folder: Path, hosts: Mapping[str, str]) -> str:
    file = folder / "hosts"
    lines = [f"{address} {name}\n" for name, address in hosts.items()]
    file.write_text("".join(["127.0.0.1 localhost\n::1 localhost\n", *lines]))
    return str(file)


def _needed(environment: Environment) -> tuple[str, ...]:
    """What an environment is made of, wherever that lies."""
    interpreter = (environment.folder / "bin" / "python").resolve().parent.parent
    own = [] if environment.image.folder is None else [environment.image.folder]
    return tuple(str(folder) for folder in (environment.folder, interpreter, _TOOLKIT, *own))


def _in_docker(container: Container, words: tuple[str, ...]) -> Command:
    own = {name: os.environ[name] for name in os.environ if name in ("PATH", "HOME") or name.startswith("DOCKER_")}
    return Command(
        tuple(container.run(words)), {**own, **container.environment}, container.ml, {}, after=tuple(container.remove)
    )


def _possible(name: str, value: str) -> bool:
    try:
        return b"\0" not in os.fsencode(name + value) and "=" not in name
    except UnicodeEncodeError:
        return False


def _moved(word: str, ml: Path) -> str:
    return str(ml) + word[len(_ROOT) :] if word == _ROOT or word.startswith(_ROOT + "/") else word


def seen(context: Context, folder: Path) -> str:
    """How the container itself calls its base folder."""
    return _ROOT if context.boundary.own_ml else str(folder / "ml")
