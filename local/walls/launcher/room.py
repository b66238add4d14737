"""The files that a program sees: a root made from nothing, with what is named in it and no more.

The system's own programs and settings are there, read-only; so are the folders that the program needs, the folders that
it may write to, devices that hold nothing, and its own /proc, /tmp, /dev/shm and /opt/ml. Of the user's home, of other
folders of the machine and of the sockets in /run there is nothing, whatever rights the user has.
"""

import contextlib
import os
from typing import TypedDict

from local.walls.launcher import kernel

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc", "opt", "sys", "nix", "gnu")
"""What a machine's programs are made of, in its root; /nix and /gnu are where NixOS and Guix keep them."""

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_CARDS = ("nvidia", "kfd", "dri")
"""What the names of graphics cards begin with."""

# They are the whole machine's, whatever namespace looks at them; root may write to some without any capability.
_OF_THE_MACHINE = ("sys", "sysrq-trigger", "irq", "bus", "fs")
# Any folder that is always there: what is mounted here is the root a moment later.
_NEW = "/tmp"


class Room(TypedDict):
    """What the room is built from. All paths are absolute."""

    ml: str | None
    """The folder that is /opt/ml."""
    files: dict[str, str]
    """Files that lie over those of the machine: place -> file."""
    covers: dict[str, str]
    """Folders in the place of those of the machine: /tmp -> a folder of its own, to write to."""
    keep: list[str]
    """Folders and files that are seen at their own places, read-only."""
    writable: list[str]
    """Folders at their own places, to write to."""
    hidden: list[str]
    """What is below the system's folders and is shown empty."""
    processes: bool
    network: bool
    readonly: bool


def enter(room: Room) -> None:
    """Builds the room and makes it this process's root. Raises OSError."""
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | (0 if room["network"] else kernel.CLONE_NEWNET))
    if not room["network"]:
        _raise_loopback()
    kernel.mount(None, "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    sources = _Sources(room)
    kernel.mount("tmpfs", _NEW, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    for name in SYSTEM:
        _place_system(name, sources, with_ml=room["ml"] is not None)
    _place_devices(sources)
    _place_processes(own=room["processes"])
    own = _place_folders(room, sources)
    for path in room["hidden"]:
        _hide(path, sources)
    for place, file in room["files"].items():
        sources.bind(file, place)
    if room["readonly"]:
        kernel.set_attributes(_NEW, add=kernel.ATTRIBUTE_RDONLY | kernel.ATTRIBUTE_NOSUID, recursive=True)
        for place in own:
            kernel.set_attributes(_NEW + place, clear=kernel.ATTRIBUTE_RDONLY)
        _close_processes()
    sources.close()
    kernel.enter_root(_NEW)


class _Sources:
    """Descriptors of what is laid into the room, opened before anything covers it."""

    def __init__(self, room: Room) -> None:
        named = [room["ml"], *room["files"].values(), *room["covers"].values(), *room["keep"], *room["writable"]]
        self._opened: dict[str, int] = {}
        for path in [*(f"/dev/{name}" for name in _devices()), *_of_the_root(), *filter(None, named)]:
            if path not in self._opened:
                with contextlib.suppress(FileNotFoundError):
                    self._opened[path] = os.open(path, os.O_PATH | os.O_CLOEXEC)

    def has(self, path: str) -> bool:
        return path in self._opened

    def bind(self, path: str, place: str) -> None:
        """Lays a file or folder over a place of the room, which is made where it is missing. Raises OSError."""
        descriptor = f"/proc/self/fd/{self._opened[path]}"
        target = _NEW + place
        folder = os.path.isdir(descriptor)  # noqa: PTH112 - a launcher starts faster without pathlib
        if folder:
            os.makedirs(target, exist_ok=True)  # noqa: PTH103
        elif not os.path.exists(target):  # noqa: PTH110
            os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        kernel.mount(descriptor, target, flags=kernel.MS_BIND | (kernel.MS_REC if folder else 0))

    def seen(self, path: str) -> bool:
        """Tells whether the room shows at this path what the machine has there."""
        try:
            there = os.stat(_NEW + path)  # noqa: PTH116
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(self._opened[path]))

    def close(self) -> None:
        for descriptor in self._opened.values():
            os.close(descriptor)


def _of_the_root() -> list[str]:
    opt = [f"/opt/{name}" for name in os.listdir("/opt")] if os.path.isdir("/opt") else []  # noqa: PTH112, PTH208
    names = [f"/{name}" for name in SYSTEM if not os.path.islink(f"/{name}")]  # noqa: PTH114
    return [*names, *(path for path in opt if not os.path.islink(path)), *resolver()]  # noqa: PTH114


def resolver() -> list[str]:
    """Lists the folder of /etc/resolv.conf where that is a link out of /etc, as systemd-resolved has it."""
    folder = os.path.dirname(os.path.realpath("/etc/resolv.conf"))  # noqa: PTH120
    return [] if folder == "/etc" or not os.path.isdir(folder) else [folder]  # noqa: PTH112


def _place_system(name: str, sources: _Sources, *, with_ml: bool) -> None:
    path = f"/{name}"
    if os.path.islink(path):  # noqa: PTH114
        os.symlink(os.readlink(path), _NEW + path)  # noqa: PTH115, PTH211
    elif name == "opt" and with_ml:
        _place_opt(sources)
    elif sources.has(path):
        sources.bind(path, path)
    if name == "etc":
        for folder in resolver():
            if not sources.seen(folder):
                sources.bind(folder, folder)


def _place_opt(sources: _Sources) -> None:
    """Places each entry of /opt for itself, so that `ml` finds its place between them."""
    os.mkdir(f"{_NEW}/opt")  # noqa: PTH102
    with contextlib.suppress(FileNotFoundError), os.scandir("/opt") as entries:
        for entry in entries:
            if entry.name == "ml":
                continue
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), _NEW + entry.path)  # noqa: PTH115, PTH211
            else:
                sources.bind(entry.path, entry.path)


def _devices() -> list[str]:
    return [name for name in os.listdir("/dev") if name in DEVICES or name.startswith(_CARDS)]  # noqa: PTH208


def _place_devices(sources: _Sources) -> None:
    for name in _devices():
        sources.bind(f"/dev/{name}", f"/dev/{name}")
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{target}", f"{_NEW}/dev/{name}")  # noqa: PTH211
    for name, kind, options in (("shm", "tmpfs", None), ("pts", "devpts", "newinstance,ptmxmode=0666,mode=0620")):
        os.mkdir(f"{_NEW}/dev/{name}")  # noqa: PTH102
        kernel.mount(kind, f"{_NEW}/dev/{name}", kind, kernel.MS_NOSUID | kernel.MS_NOEXEC, options)
    os.symlink("pts/ptmx", f"{_NEW}/dev/ptmx")  # noqa: PTH211


def _place_processes(*, own: bool) -> None:
    os.mkdir(f"{_NEW}/proc")  # noqa: PTH102
    if own:
        kernel.mount("proc", f"{_NEW}/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    else:
        kernel.mount("/proc", f"{_NEW}/proc", flags=kernel.MS_BIND | kernel.MS_REC)


def _close_processes() -> None:
    """Leaves of /proc to write to what is a process's own."""
    kernel.set_attributes(f"{_NEW}/proc", clear=kernel.ATTRIBUTE_RDONLY)
    for name in _OF_THE_MACHINE:
        place = f"{_NEW}/proc/{name}"
        if os.path.exists(place):  # noqa: PTH110
            kernel.mount(place, place, flags=kernel.MS_BIND | kernel.MS_REC)
            kernel.set_attributes(place, add=kernel.ATTRIBUTE_RDONLY, recursive=True)


def _place_folders(room: Room, sources: _Sources) -> list[str]:
    """Places what is the program's own, the outer folders first; returns where it may write."""
    own = {**room["covers"], **{path: path for path in room["writable"]}}
    if room["ml"] is not None:
        own["/opt/ml"] = room["ml"]
    places = {**{path: path for path in room["keep"]}, **own}
    for place in sorted(filter(lambda place: sources.has(places[place]), places), key=lambda place: place.count("/")):
        if place in own or not sources.seen(place):
            sources.bind(places[place], place)
    return ["/dev/shm", *(place for place, folder in own.items() if sources.has(folder))]


def _hide(path: str, sources: _Sources) -> None:
    place = _NEW + path
    if os.path.isdir(place):  # noqa: PTH112
        kernel.mount("tmpfs", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=700")
    elif os.path.exists(place):  # noqa: PTH110
        sources.bind("/dev/null", path)


def _raise_loopback() -> None:
    """Raises the loopback interface, which is down in a new network namespace."""
    import fcntl
    import socket
    import struct

    get_flags, set_flags, up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(opened, get_flags, request))[1]
        fcntl.ioctl(opened, set_flags, struct.pack("16sH22x", b"lo", flags | up))
