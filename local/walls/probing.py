"""Which walls this machine can build, found out once by trying them."""

import os
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from local.walls.boundary import NO_WALLS, Boundary
from local.walls.command import Command
from local.walls.launcher import kernel
from local.walls.running import Running

_PROBE_SECONDS = 20
_BASE_DIR = Boundary(namespace=False, processes=False)
_STRONGEST_FIRST = (
    Boundary(namespace=True, processes=True, readonly=True, network=True),
    Boundary(namespace=True, processes=True, readonly=True),
    Boundary(namespace=True, processes=True),
    Boundary(namespace=True, processes=False, readonly=True),
    Boundary(namespace=True, processes=False),
)


@cache
def strongest() -> Boundary:
    """Returns the strongest boundary that works on this machine."""
    reason = ""
    for boundary in _STRONGEST_FIRST if sys.platform == "linux" else ():
        failure = attempt(boundary)
        if failure is None:
            return _equipped(replace(boundary, reason=reason))
        reason = failure
    return weakest(reason or "not Linux")


def weakest(reason: str) -> Boundary:
    """Returns the boundary of a machine without namespaces."""
    if sys.platform != "linux":
        return replace(NO_WALLS, reason=reason)
    return _equipped(replace(_BASE_DIR, reason=reason))


def attempt(boundary: Boundary) -> str | None:
    """Returns why this boundary does not work; None when it does."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "seen").touch()
        test = Command(("/bin/sh", "-c", "test -f /opt/ml/seen"), {}, Path(folder), network=not boundary.network)
        with Running(test, boundary, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            try:
                code = process.wait(_PROBE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                return f"no answer in {_PROBE_SECONDS} s"
            said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
    return None if code == 0 else said or f"exit code {code}"


def _equipped(boundary: Boundary) -> Boundary:
    return replace(boundary, landlock=kernel.landlock_version(), hidden=_private_to_root())


@cache
def _private_to_root() -> tuple[str, ...]:
    """Lists what in /etc is for root's eyes only, if that is who runs this: without capabilities root still owns it."""
    if os.getuid() != 0:
        return ()
    private: list[str] = []
    for folder, folders, files in os.walk("/etc"):
        for names, needed in ((folders, 0o5), (files, 0o4)):
            hidden = [name for name in names if _is_private(f"{folder}/{name}", needed)]
            private.extend(f"{folder}/{name}" for name in hidden)
        folders[:] = [name for name in folders if f"{folder}/{name}" not in private]
    return tuple(private)


def _is_private(path: str, needed: int) -> bool:
    mode = os.lstat(path).st_mode
    return mode & needed != needed and (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
