"""What a Python interpreter needs of the machine's files to run."""

import sys
from pathlib import Path

_PARTS = ("bin", "lib", "lib64", "include", "share")


def folders_of(prefix: Path) -> tuple[str, ...]:
    """Returns the folders of an installation: all of it, unless it was put right into somebody's home, or the root."""
    if prefix in (Path("/"), Path.home()):
        return tuple(str(prefix / part) for part in _PARTS if (prefix / part).is_dir())
    return (str(prefix),)


def own() -> tuple[str, ...]:
    """Returns the folders of the interpreter that runs this, and of the environment that it is in."""
    # A version manager's executables may be links to yet another place.
    real = Path(sys.executable).resolve().parent.parent
    return tuple({folder for prefix in (sys.prefix, sys.base_prefix, real) for folder in folders_of(Path(prefix))})
