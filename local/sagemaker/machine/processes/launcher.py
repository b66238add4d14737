"""Runs one container command; the process between the local cloud and the container's own.

Started as `python -I launcher.py <JSON>`, standard library only. It gives the command its `/opt/ml` and its own process
namespace where asked, stays as its guardian, and leaves with its exit code (128 + signal when it was killed). Standard
input is the line to the local cloud: the byte `T` asks for SIGTERM, and its end (the cloud stopped, or was killed with
-9) kills the command and everything it started.

JSON: {"argv": [...], "cwd": str, "ml": folder for /opt/ml or null, "binds": {path: file to lay over it},
"covers": {path: folder that stands in its place}, "keep": [paths below those that stay visible], "writable": [folders],
"processes": true for a process namespace, "network": false for one without a network, "readonly": true when nothing
but /opt/ml, the covers and the writable folders may be written to, "after": a command to run once the command was
killed, or null, "input": a file that is the command's standard input, or not there}. Linux only where namespaces are
asked for.
"""

import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 0x2, 0x4, 0x8
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
# mount_setattr(2); its number is the same on every architecture.
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 0x1
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_OOM_SCORE = "500"
_SHARED_MEMORY = "/dev/shm"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    job = json.loads(sys.argv[1])
    # A stop that comes while the command is being started waits until its handler is in place.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        if job["ml"] is not None:
            _enter_namespaces(job["processes"], job["network"])
            _lay_out(job)
    except OSError as error:
        os.write(2, f"cannot prepare /opt/ml: {error}\n".encode())
        os._exit(125)
    if job["ml"] is not None and job["processes"]:
        child = os.fork()
        if child == 0:
            _be_first_process(job)
        _watch(child, child, _kill_namespace)
    else:
        if sys.platform == "linux":
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        child = _start(job)
        _watch(child, -child, lambda process: _kill_descendants(process, job["after"]))


def _enter_namespaces(processes: bool, network: bool) -> None:
    flags = _CLONE_NEWNS | (_CLONE_NEWPID if processes else 0) | (0 if network else _CLONE_NEWNET)
    # Root in a container often may not do this alone; a user namespace of its own may still allow it.
    if os.getuid() != 0 or _libc.unshare(flags) != 0:
        uid, gid = os.getuid(), os.getgid()
        _call(_libc.unshare, flags | _CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    if not network:
        _raise_loopback()


def _raise_loopback() -> None:
    """Raises the loopback interface, which is down in a new network namespace."""
    import fcntl
    import socket
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(opened, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(opened, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))


def _lay_out(job: dict[str, Any]) -> None:
    # Opened before anything is covered: the job's folder may itself be below /opt, and /tmp hold what it needs.
    covers = {place: folder for place, folder in job["covers"].items() if os.path.isdir(place)}  # noqa: PTH112
    own = [path for path in job["writable"] if os.path.isdir(path)]  # noqa: PTH112
    shared = [_SHARED_MEMORY] if job["readonly"] and os.path.isdir(_SHARED_MEMORY) else []  # noqa: PTH112
    covered = [*covers, *shared]
    kept = [path for path in job["keep"] if os.path.isdir(path) and _is_below(path, covered)]  # noqa: PTH112
    for place, file in job["binds"].items():
        _mount(file, place, None, _MS_BIND)
    opened = {path: os.open(path, os.O_PATH) for path in {job["ml"], *covers.values(), *own, *kept}}
    if not os.path.isdir("/opt/ml"):  # noqa: PTH112 - a launcher starts faster without pathlib
        _cover_opt()
    for place in shared:
        _mount("tmpfs", place, "tmpfs", _MS_NOSUID | _MS_NODEV)
    places = {"/opt/ml": job["ml"], **covers, **{path: path for path in (*own, *kept)}}
    for place, folder in places.items():
        os.makedirs(place, exist_ok=True)  # noqa: PTH103
        _mount(f"/proc/self/fd/{opened[folder]}", place, None, _MS_BIND | _MS_REC)
    for descriptor in opened.values():
        os.close(descriptor)
    if job["readonly"]:
        _set_readonly("/", recursive=True, to=True)
        for place in ("/opt/ml", *covered, *own):
            _set_readonly(place, recursive=False, to=False)


def _is_below(path: str, places: list[str]) -> bool:
    return any(path.startswith(f"{place}/") for place in places)


def _set_readonly(place: str, *, recursive: bool, to: bool) -> None:
    """Sets a mount's attributes by struct mount_attr {attr_set, attr_clr, propagation, userns_fd}."""
    attributes = (ctypes.c_uint64 * 4)(*((_MOUNT_ATTR_RDONLY, 0) if to else (0, _MOUNT_ATTR_RDONLY)), 0, 0)
    flags = ctypes.c_uint(_AT_RECURSIVE if recursive else 0)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    number, folder = ctypes.c_long(_SYS_MOUNT_SETATTR), ctypes.c_int(_AT_FDCWD)
    _call(_libc.syscall, number, folder, place.encode(), flags, attributes, size, what=f"mount_setattr {place}")


def _cover_opt() -> None:
    """Covers /opt by a fresh one that holds what the old one held, and `ml`."""
    held = []
    with os.scandir("/opt") as entries:
        for entry in entries:
            link = os.readlink(entry.path) if entry.is_symlink() else None  # noqa: PTH115
            held.append((entry.name, link, entry.is_dir(follow_symlinks=False), entry.path))
    opened = [None if link else os.open(path, os.O_PATH) for _, link, _, path in held]
    _mount("tmpfs", "/opt", "tmpfs", _MS_NOSUID | _MS_NODEV)
    for (name, link, is_folder, _), descriptor in zip(held, opened, strict=True):
        place = f"/opt/{name}"
        if descriptor is None:
            os.symlink(link or "", place)  # noqa: PTH211
            continue
        if is_folder:
            os.mkdir(place)  # noqa: PTH102
        else:
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY))
        _mount(f"/proc/self/fd/{descriptor}", place, None, _MS_BIND | _MS_REC)
        os.close(descriptor)
    os.mkdir("/opt/ml")  # noqa: PTH102


def _be_first_process(job: dict[str, Any]) -> NoReturn:
    """Becomes process 1 of the namespace: its end is the end of everything in it, by the kernel's rule."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    try:
        _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    except OSError as error:
        os.write(2, f"cannot prepare /proc: {error}\n".encode())
        os._exit(125)
    child = _start(job)
    signal.signal(signal.SIGTERM, lambda number, _frame: _signal(-child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(_code(status))


def _start(job: dict[str, Any]) -> int:
    """Answers the process id of the command, which leads a group of its own."""
    child = os.fork()
    if child:
        # Both sides do it, so that the group is there for a signal whoever comes first.
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(child, child)
        return child
    os.setpgid(0, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # When memory runs out it is the container that goes, not the local cloud.
        with contextlib.suppress(OSError):
            _write("/proc/self/oom_score_adj", _OOM_SCORE)
    os.dup2(os.open(job.get("input") or os.devnull, os.O_RDONLY), 0)
    argv = job["argv"]
    try:
        os.chdir(job["cwd"])
        os.execvpe(argv[0], argv, os.environ)
    except OSError as error:
        os.write(2, f"cannot run {argv[0]!r}: {error.strerror}\n".encode())
        os._exit(127 if error.errno == errno.ENOENT else 126)
    except ValueError as error:
        # A NUL, or half a surrogate pair: JSON has them, the kernel's strings do not.
        os.write(2, f"cannot run {argv[0]!r}: an argument cannot be given to a process: {error}\n".encode())
        os._exit(126)


def _watch(child: int, term: int, kill: Callable[[int], None]) -> NoReturn:
    """Waits until the command is gone. `term` is the process (negative: the group) that SIGTERM goes to."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        status = _collect(child)
        if status is not None:
            kill(child)
            os._exit(_code(status))
        for ready in select.select([0, reader], [], [])[0]:
            data = os.read(ready, 64)
            if ready == 0 and data:
                _signal(term, signal.SIGTERM)
            elif ready == 0:
                kill(child)
                os._exit(128 + signal.SIGKILL)


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


def _kill_descendants(child: int, after: list[str] | None) -> None:
    """Kills all that came from the command, also what left its session: this process adopts orphans."""
    _signal(-child, signal.SIGKILL)
    if after is not None:
        _run_after(after)
    while descendants := _descendants():
        for pid in descendants:
            _signal(pid, signal.SIGKILL)
        _wait_for(-1)


def _run_after(argv: list[str]) -> None:
    """Runs what ends the part of the container that is not below this process."""
    child = os.fork()
    if child == 0:
        silent = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(silent, descriptor)
        try:
            os.execvp(argv[0], argv)
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


def _code(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    encoded = [None if text is None else text.encode() for text in (source, target, kind)]
    _call(_libc.mount, *encoded, ctypes.c_ulong(flags), None, what=f"mount {target}")


def _call(function: Callable[..., int], *arguments: object, what: str = "unshare") -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123
        file.write(text)


if __name__ == "__main__":
    main()
