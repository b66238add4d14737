"""Bounds of memory, processes and processors: a control group (cgroup v2) for each program, where that is allowed.

A systemd user session delegates its part of the tree to its user, and root has all of it; elsewhere, programs have the
bounds of their user. `headrace up` says which it is. The tree: `<beside our own group>/headrace-<pid>/<program>`.
"""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "headrace-"
_CONTROLLERS = ("memory", "pids", "cpu")
_MOUNTS, _OWN = Path("/proc/self/mountinfo"), Path("/proc/self/cgroup")
_CPU_PERIOD_US = 100_000
_CPU_WEIGHT = 50
"""Of 100 that every other process has: the cloud itself answers while jobs use all processors."""
_MEMORY_SHARE = 0.8
_PROCESSES = 4096


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one program may use; None for what the user chose nothing for."""

    memory_bytes: int | None = None
    processes: int | None = None
    processors: float | None = None

    @property
    def chosen(self) -> bool:
        return self != Bounds()

    def files(self) -> dict[str, str]:
        """Returns the files of a group with what stands in them."""
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        processors = self.processors
        return {
            "memory.max": str(self.memory_bytes or int(total * _MEMORY_SHARE)),
            # When memory runs out the program goes as a whole: half of it would hang.
            "memory.oom.group": "1",
            "pids.max": str(self.processes or _PROCESSES),
            "cpu.weight": str(_CPU_WEIGHT),
            **({} if processors is None else {"cpu.max": f"{int(processors * _CPU_PERIOD_US)} {_CPU_PERIOD_US}"}),
        }


UNCHOSEN = Bounds()


@dataclass(frozen=True, slots=True)
class Groups:
    """Where this cloud's programs have their groups; nowhere, unless `beside_own` made it."""

    folder: Path | None = None
    bounded: tuple[str, ...] = ()
    """The controllers that hold here."""
    reason: str = "not asked for"
    bounds: Bounds = UNCHOSEN

    @property
    def words(self) -> str:
        if self.folder is None:
            return f"memory, processes and processors not bounded ({self.reason})"
        return f"bounded by control groups: {', '.join(self.bounded)}"

    def make(self) -> str | None:
        """Makes the group of one program, which its launcher removes; None where there are none. Raises OSError."""
        if self.folder is None:
            return None
        group = self.folder / secrets.token_hex(8)
        group.mkdir()
        for name, content in self.bounds.files().items():
            if name.partition(".")[0] in self.bounded:
                (group / name).write_text(content)
        return str(group)

    def close(self) -> None:
        """Removes what is left, once the programs are gone."""
        if self.folder is not None:
            _remove(self.folder)


NOT_BOUNDED = Groups()


def beside_own(bounds: Bounds = UNCHOSEN) -> Groups:
    """Makes the folder of this process's groups, beside the group that it is in itself, where that is allowed."""
    own = own_group()
    if own is None:
        return Groups(reason="this machine has no cgroup v2")
    base = own.parent if (own.parent / "cgroup.procs").exists() else own
    _remove_stale(base)
    folder = base / f"{_PREFIX}{os.getpid()}"
    try:
        bounded = _delegated(base, folder)
    except OSError as error:
        return Groups(reason=f"{base}: {error.strerror}")
    if not bounded:
        _remove(folder)
        return Groups(reason=f"{base}: no controller of memory, pids and cpu")
    return Groups(folder, bounded, bounds=bounds)


def own_group() -> Path | None:
    """Returns the folder of the group that this process is in; None without cgroup v2."""
    try:
        mounts, groups = _MOUNTS.read_text(), _OWN.read_text()
    except OSError:
        return None
    point = next((line.split()[4] for line in mounts.splitlines() if " - cgroup2 " in line), None)
    path = next((line[3:] for line in groups.splitlines() if line.startswith("0::")), None)
    return None if point is None or path is None else Path(point, path.lstrip("/"))


def _delegated(base: Path, folder: Path) -> tuple[str, ...]:
    """Makes the folder and returns the controllers that its groups have. Raises OSError."""
    _enable(base)
    folder.mkdir(exist_ok=True)
    _enable(folder)
    return tuple(name for name in _CONTROLLERS if name in (folder / "cgroup.subtree_control").read_text().split())


def _enable(group: Path) -> None:
    for name in _CONTROLLERS:
        if name in (group / "cgroup.controllers").read_text().split():
            # One that is enabled already, or that we may not enable, is no reason to do without the others.
            with suppress(OSError):
                (group / "cgroup.subtree_control").write_text(f"+{name}")


def _remove_stale(base: Path) -> None:
    for folder in base.glob(f"{_PREFIX}*"):
        if not Path("/proc", folder.name.removeprefix(_PREFIX)).exists():
            _remove(folder)


def _remove(folder: Path) -> None:
    for group in [*folder.glob("*/"), folder]:
        with suppress(OSError):
            group.rmdir()
