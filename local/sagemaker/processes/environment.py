"""The environment variables and paths a container process starts with.

Built from nothing: no variable of the machine reaches a container but those named here, so none of its secrets does.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from local.sagemaker.context import Context
from local.sagemaker.environments import Environment
from local.sagemaker.errors import WorkFailed
from local.sagemaker.processes.process import Command

_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "TZ")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ROOT = "/opt/ml"


def command(
    context: Context,
    environment: Environment,
    folder: Path,
    argv: Iterable[str],
    variables: Mapping[str, str],
) -> Command:
    """`argv` in `environment`, knowing `folder`/ml as /opt/ml.

    Where there is no private /opt/ml, words and values that start with /opt/ml are led to the folder instead.
    Raises WorkFailed for a variable that no process can have.
    """
    ml, home = folder / "ml", folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    (folder / "hosts").write_text("127.0.0.1 localhost algo-1\n::1 localhost\n")
    settings = context.settings
    given = {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PATH": ":".join([*environment.path, _SYSTEM_PATH]),
        "HOME": str(home),
        "VIRTUAL_ENV": str(environment.folder),
        "PYTHONUNBUFFERED": "1",
        "AWS_ENDPOINT_URL": str(context.cloud.client("s3").meta.endpoint_url),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        **variables,
    }
    for name, value in variables.items():
        if not _possible(name, value):
            raise WorkFailed(f"the environment variable {name!r} cannot be given to a process: {value[:100]!r}")
    words = tuple(argv)
    if not context.boundary.namespace:
        given = {name: _moved(value, ml) for name, value in given.items()}
        given["SAGEMAKER_BASE_DIR"] = str(ml)
        words = tuple(_moved(word, ml) for word in words)
    return Command(words, given, ml, {"/etc/hosts": str(folder / "hosts")})


def _possible(name: str, value: str) -> bool:
    try:
        return b"\0" not in os.fsencode(name + value) and "=" not in name
    except UnicodeEncodeError:
        return False


def _moved(word: str, ml: Path) -> str:
    return str(ml) + word[len(_ROOT) :] if word == _ROOT or word.startswith(_ROOT + "/") else word


def seen(context: Context, folder: Path) -> str:
    """How the container itself calls its base folder."""
    return _ROOT if context.boundary.namespace else str(folder / "ml")
