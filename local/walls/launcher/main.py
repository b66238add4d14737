"""Runs one command for the local cloud; the process between the cloud and the command's own.

It gives the command the walls that are asked for, stays as its guardian, and leaves with its exit code (128 + signal
when it was killed). Its first argument is the descriptor of its line to the local cloud. There it reads what to do, a
frame of four bytes of length and that many of JSON; then the byte `T` asks for SIGTERM, and the end of the line (the
cloud stopped, or was killed with -9) kills the command and everything it started. The command's own streams are the
launcher's.

The command's variables come over the line too, and never are the launcher's own: outside the walls, a variable like
LD_PRELOAD would be the command's code.
"""

import contextlib
import errno
import json
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import NoReturn, TypedDict

from local.walls.launcher import kernel, rights, room
from local.walls.launcher.room import Room

_OOM_SCORE = "500"


class Job(TypedDict):
    """What the launcher is told."""

    argv: list[str]
    environment: dict[str, str]
    cwd: str
    room: Room | None
    """The files that the command sees; None for those of the machine."""
    confined: bool
    """No capability, no new privileges, and Landlock's bounds, by the two that follow."""
    read: list[str]
    write: list[str]
    group: str | None
    """A control group that the command enters, and that is removed after it."""
    streams: list[int]
    """Descriptors besides 0, 1 and 2 that are the command's."""
    signals: bool
    """A killed command's launcher leaves by the same signal, instead of with 128 and its number."""
    after: list[str] | None
    """A command to run once the command was killed."""


def main() -> None:
    line = int(sys.argv[1])
    job = _receive(line)
    # A stop that comes while the command is being started waits until its handler is in place.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    group = _Group(job["group"])
    inside = job["room"]
    try:
        if inside is not None:
            _enter_namespaces(processes=inside["processes"])
    except OSError as error:
        _refuse(error)
    if inside is None or not inside["processes"]:
        _adopt_orphans()
        child = _start(job, line)
        _watch(_Watched(child, -child, lambda process: _kill_descendants(process, job)), line, job, group)
    status, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(status)
        _be_first_process(job, line, writer)
    for held in (writer, *job["streams"]):
        os.close(held)
    _watch(_Watched(child, child, _kill_namespace, status), line, job, group)


def _receive(line: int) -> Job:
    length = int.from_bytes(_read(line, 4), "big")
    job: Job = json.loads(_read(line, length))
    return job


def _read(line: int, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(line, count - len(parts))
        if not part:
            os._exit(128 + signal.SIGKILL)
        parts += part
    return bytes(parts)


def _refuse(error: OSError) -> NoReturn:
    os.write(2, f"cannot prepare the walls: {error}\n".encode())
    os._exit(125)


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        kernel.control(kernel.PR_SET_CHILD_SUBREAPER, 1)


def _enter_namespaces(*, processes: bool) -> None:
    """Enters what only a process that starts others can enter for them. Raises OSError."""
    flags = kernel.CLONE_NEWPID if processes else 0
    # Root in a container often may not do this alone; a user namespace of its own may still allow it.
    if os.getuid() == 0:
        with contextlib.suppress(OSError):
            kernel.unshare(flags | kernel.CLONE_NEWNS)
            return
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(flags | kernel.CLONE_NEWUSER)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {uid} 1")
    _write("/proc/self/gid_map", f"0 {gid} 1")


class _Group:
    """The control group of the command, as it is seen from outside the room."""

    def __init__(self, path: str | None) -> None:
        self._path = path

    def remove(self) -> None:
        """Kills what is still in it, and removes it."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                _write(f"{self._path}/cgroup.kill", "1")
            # Busy as long as one of the killed is not gone: the local cloud removes what is left at its start and end.
            with contextlib.suppress(OSError):
                os.rmdir(self._path)  # noqa: PTH106 - a launcher starts faster without pathlib


def _be_first_process(job: Job, line: int, status: int) -> NoReturn:
    """Becomes process 1 of the namespace: its end is the end of everything in it, by the kernel's rule."""
    kernel.control(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    child = _start(job, line)
    signal.signal(signal.SIGTERM, lambda number, _frame: _signal(-child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    while True:
        pid, ended = os.wait()
        if pid == child:
            # In full: an exit code cannot tell 137 from SIGKILL.
            os.write(status, ended.to_bytes(4, "big"))
            os._exit(0)


def _start(job: Job, line: int) -> int:
    """Returns the process id of the command, which leads a group of its own."""
    inside = job["room"]
    first = inside is not None and inside["processes"]
    if first:
        # By process 1, which none of its children can then outdo: it has no more rights than they.
        _build(job)
    child = os.fork()
    if child == 0:
        os.close(line)
        _begin()
        if not first:
            _build(job)
        _become(job)
    # Both sides do it, so that the group is there for a signal whoever comes first.
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpgid(child, child)
    # Whoever reads them waits for the last that holds them.
    for stream in job["streams"]:
        os.close(stream)
    return child


def _begin() -> None:
    os.setpgid(0, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    if sys.platform == "linux":
        kernel.control(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        # When memory runs out it is the container that goes, not the local cloud.
        with contextlib.suppress(OSError):
            _write("/proc/self/oom_score_adj", _OOM_SCORE)


def _build(job: Job) -> None:
    """Enters the group and the room, and gives up what would lead out again."""
    try:
        if job["group"] is not None:
            _write(f"{job['group']}/cgroup.procs", "0")
        if job["room"] is not None:
            room.enter(job["room"])
        if job["confined"]:
            rights.give_up()
    except OSError as error:
        _refuse(error)


def _become(job: Job) -> NoReturn:
    argv = job["argv"]
    try:
        if job["confined"]:
            rights.confine(job["read"], job["write"])
    except OSError as error:
        _refuse(error)
    try:
        os.chdir(job["cwd"])
        os.execvpe(argv[0], argv, job["environment"])
    except OSError as error:
        os.write(2, f"cannot run {argv[0]!r}: {error.strerror}\n".encode())
        os._exit(127 if error.errno == errno.ENOENT else 126)
    except ValueError as error:
        # A NUL, or half a surrogate pair: JSON has them, the kernel's strings do not.
        os.write(2, f"cannot run {argv[0]!r}: an argument cannot be given to a process: {error}\n".encode())
        os._exit(126)


class _Watched:
    """The launcher's child: the command, or process 1 of its namespace."""

    def __init__(self, pid: int, term: int, kill: Callable[[int], None], status: int | None = None) -> None:
        self.pid = pid
        self.term = term
        """The process (negative: the group) that SIGTERM goes to."""
        self._kill = kill
        self._status = status
        """Where process 1 writes the command's own status."""

    def kill(self) -> None:
        self._kill(self.pid)

    def own(self, status: int) -> int:
        """Returns the command's status, where process 1 lived to tell it."""
        told = os.read(self._status, 4) if self._status is not None else b""
        return int.from_bytes(told, "big") if told else status


def _watch(watched: _Watched, line: int, job: Job, group: _Group) -> NoReturn:
    """Waits until the command is gone, and leaves as it did."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        status = _collect(watched.pid)
        if status is not None:
            watched.kill()
            group.remove()
            _leave(watched.own(status), job)
        for ready in select.select([line, reader], [], [])[0]:
            data = os.read(ready, 64)
            if ready == line and data:
                _signal(watched.term, signal.SIGTERM)
            elif ready == line:
                watched.kill()
                group.remove()
                _leave(signal.SIGKILL, job)


def _leave(status: int, job: Job) -> NoReturn:
    if os.WIFSIGNALED(status) and job["signals"]:
        number = os.WTERMSIG(status)
        # The command's core, if there is one, is enough.
        kernel.control(kernel.PR_SET_DUMPABLE, 0)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def _collect(child: int) -> int | None:
    """Reaps whatever has ended; returns the command's status when it is among them."""
    status_of_child = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status_of_child
        if pid == 0:
            return status_of_child
        if pid == child:
            status_of_child = status


def _kill_namespace(first: int) -> None:
    _signal(first, signal.SIGKILL)
    _wait_for(first)


def _kill_descendants(child: int, job: Job) -> None:
    """Kills all that came from the command, also what left its session: this process adopts orphans."""
    _signal(-child, signal.SIGKILL)
    if job["after"] is not None:
        _run_after(job["after"], job["environment"])
    while descendants := _descendants():
        for pid in descendants:
            _signal(pid, signal.SIGKILL)
        _wait_for(-1)


def _run_after(argv: list[str], environment: dict[str, str]) -> None:
    """Runs what ends the part of the container that is not below this process."""
    child = os.fork()
    if child == 0:
        silent = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(silent, descriptor)
        try:
            os.execvpe(argv[0], argv, environment)
        except OSError:
            os._exit(127)
    _wait_for(child)


def _wait_for(pid: int) -> None:
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return


def _descendants() -> list[int]:
    """Lists what is below this process, from /proc; nothing where there is no /proc (the group is killed already)."""
    parents = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:  # noqa: PTH112, PTH208
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:  # noqa: PTH123
                    parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
    descendants, fresh = [], [os.getpid()]
    while fresh:
        fresh = [pid for pid, parent in parents.items() if parent in fresh]
        descendants.extend(fresh)
    return descendants


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123
        file.write(text)
