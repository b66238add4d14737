"""The environment variables, paths and folders a container process starts with.

Built from nothing: no variable of the machine reaches a container but those named here, so none of its secrets does.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.sagemaker.machine.environments import Environment
from local.sagemaker.machine.machine import Machine
from local.sagemaker.machine.processes.docker import Container
from local.sagemaker.machine.processes.program import Program
from local.sagemaker.wire.errors import WorkFailed
from local.walls import interpreter
from local.walls.command import Command

_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "TZ")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ROOT = "/opt/ml"
_SCRATCH = ("/tmp", "/var/tmp")
_TOOLKIT = Path(__file__).parents[2] / "toolkit"


def command(machine: Machine, environment: Environment, folder: Path, program: Program) -> Command:
    """Makes `program` a command in `environment` that knows `folder`/ml as /opt/ml.

    Where there is no private /opt/ml, words and values that start with /opt/ml are led to the folder instead.
    Raises WorkFailed for a variable that no process can have.
    """
    ml = folder / "ml"
    ml.mkdir(parents=True, exist_ok=True)
    variables = _of_cloud(machine) | dict(program.variables)
    for name, value in program.variables.items():
        if not _possible(name, value):
            raise WorkFailed(f"the environment variable {name!r} cannot be given to a process: {value[:100]!r}")
    if machine.boundary.docker:
        container = Container(environment.image.uri, ml, variables, program.network, program.hosts)
        return _in_docker(container, program.argv)
    layer, home, scratch = folder / "packages", folder / "home", folder / "tmp"
    for made in (home, scratch):
        made.mkdir(parents=True, exist_ok=True)
    environment = environment.layered(layer)
    variables = _of_process(environment, home, layer) | variables
    words = tuple(program.argv)
    if not machine.boundary.namespace:
        variables = {name: _moved(value, ml) for name, value in variables.items()}
        variables["SAGEMAKER_BASE_DIR"] = str(ml)
        variables.setdefault("TMPDIR", str(scratch))
        words = tuple(_moved(word, ml) for word in words)
    return Command(
        words,
        variables,
        ml,
        files={"/etc/hosts": _hosts(folder, program.hosts)},
        covers=dict.fromkeys(_SCRATCH, str(scratch)),
        keep=_needed(environment),
        writable=(str(home), str(layer)),
        network=program.network,
    )


def _of_process(environment: Environment, home: Path, layer: Path) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PATH": ":".join([*environment.path, _SYSTEM_PATH]),
        "HOME": str(home),
        "VIRTUAL_ENV": str(layer),
        "PYTHONUNBUFFERED": "1",
    }


def _of_cloud(machine: Machine) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": str(machine.cloud.client("s3").meta.endpoint_url),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": machine.settings.region,
        "AWS_DEFAULT_REGION": machine.settings.region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _hosts(folder: Path, hosts: Mapping[str, str]) -> str:
    file = folder / "hosts"
    lines = [f"{address} {name}\n" for name, address in hosts.items()]
    file.write_text("".join(["127.0.0.1 localhost\n::1 localhost\n", *lines]))
    return str(file)


def _needed(environment: Environment) -> tuple[str, ...]:
    """Returns the folders that an environment is made of, wherever they lie."""
    python = (environment.folder / "bin" / "python").resolve()
    own = [] if environment.image.folder is None else [environment.image.folder]
    folders = (environment.folder, _TOOLKIT, *own)
    return (*(str(folder) for folder in folders), *interpreter.folders_of(python.parent.parent))


def _in_docker(container: Container, argv: Sequence[str]) -> Command:
    own = {name: os.environ[name] for name in os.environ if name in ("PATH", "HOME") or name.startswith("DOCKER_")}
    variables = {**own, **container.environment}
    return Command(tuple(container.run(argv)), variables, container.ml, after=tuple(container.remove))


def _possible(name: str, value: str) -> bool:
    try:
        return b"\0" not in os.fsencode(name + value) and "=" not in name
    except UnicodeEncodeError:
        return False


def _moved(word: str, ml: Path) -> str:
    return str(ml) + word[len(_ROOT) :] if word == _ROOT or word.startswith(_ROOT + "/") else word


def seen(machine: Machine, folder: Path) -> str:
    """Returns what the container itself calls its base folder."""
    return _ROOT if machine.boundary.own_ml else str(folder / "ml")
