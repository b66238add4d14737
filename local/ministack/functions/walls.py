"""What a function sees of the machine: its code, its layers, what runs it, and a /tmp of its own. On AWS it is no more.

The walls are those of jobs (local/walls). Functions that MiniStack starts itself (Node.js, `provided.*`) get them by
the name `subprocess` in its two modules, as they get their variables by the name `os`.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.walls import interpreter
from local.walls.boundary import NO_WALLS, Boundary
from local.walls.command import Command
from local.walls.running import Running

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_TEMPORARY = ("/tmp", "/var/tmp")


class Standing:
    """Which walls stand around the functions of this cloud; one for all that MiniStack makes."""

    boundary: Boundary = NO_WALLS


class Walled(Running):
    """A function's process; it has a folder for temporary files that goes with it.

    `folder` is where it begins, `reads` what else it needs to see. Raises OSError.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        reads: Sequence[str],
        **more: Any,
    ) -> None:
        boundary = Standing.boundary
        self._scratch = tempfile.mkdtemp(prefix="scratch-")
        command = Command(
            tuple(argv),
            {**environment, "TMPDIR": _TEMPORARY[0] if boundary.namespace else self._scratch},
            folder,
            mounted=False,
            covers=dict.fromkeys(_TEMPORARY, self._scratch),
            keep=(str(folder), *reads, *_certificates(environment)),
        )
        try:
            super().__init__(command, boundary, signals=True, **more)
        except BaseException:
            self._remove()
            raise

    def over(self) -> None:
        super().over()
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)


class Subprocess:
    """The module `subprocess` as MiniStack's Lambda knows it; what it starts is behind walls."""

    def Popen(  # noqa: N802 - the name that is replaced
        self, args: Sequence[str], cwd: str, env: Mapping[str, str], **more: Any
    ) -> Walled:
        program = shutil.which(args[0], path=env.get("PATH"))
        if program is None:
            # As Popen itself says it, which a launcher could not.
            raise FileNotFoundError(2, os.strerror(2), args[0])
        # MiniStack unpacks code, layers and its own scripts into temporary folders.
        reads = (tempfile.gettempdir(), *interpreter.folders_of(Path(program).resolve().parent.parent))
        return Walled(args, env, Path(cwd), reads, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)


def _certificates(environment: Mapping[str, str]) -> list[str]:
    return [environment[name] for name in _CERTIFICATES if name in environment]
