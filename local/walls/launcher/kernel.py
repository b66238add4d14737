"""The system calls that Python has no name for. Linux only."""

import ctypes
import os
import sys
from collections.abc import Callable

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = (
    0x20000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
ATTRIBUTE_RDONLY, ATTRIBUTE_NOSUID = 0x1, 0x2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL, _CAPABILITY_VERSION_3 = 4, 0x20080522
_MNT_DETACH = 2
# Their numbers are the same on every architecture.
_SYS_MOUNT_SETATTR, _SYS_LANDLOCK_CREATE, _SYS_LANDLOCK_ADD, _SYS_LANDLOCK_RESTRICT = 442, 444, 445, 446
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_LANDLOCK_VERSION, _LANDLOCK_PATH_BENEATH = 1, 1

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Raises OSError."""
    _call(_libc.unshare, flags, what="unshare")


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, options: str | None = None) -> None:
    """Raises OSError."""
    words = [None if text is None else text.encode() for text in (source, target, kind, options)]
    _call(_libc.mount, *words[:3], ctypes.c_ulong(flags), words[3], what=f"mount {target}")


def set_attributes(place: str, *, add: int = 0, clear: int = 0, recursive: bool = False) -> None:
    """Sets a mount's attributes by struct mount_attr {attr_set, attr_clr, propagation, userns_fd}. Raises OSError."""
    attributes = (ctypes.c_uint64 * 4)(add, clear, 0, 0)
    flags = ctypes.c_uint(_AT_RECURSIVE if recursive else 0)
    number, folder, size = ctypes.c_long(_SYS_MOUNT_SETATTR), ctypes.c_int(_AT_FDCWD), ctypes.c_size_t(32)
    _call(_libc.syscall, number, folder, place.encode(), flags, attributes, size, what=f"mount_setattr {place}")


def enter_root(folder: str) -> None:
    """Makes a mounted folder the root; what was the root before is gone. Raises OSError."""
    os.chdir(folder)
    # The old root is laid over the new one, at the same place, and taken off: pivot_root(2), "pivot_root(".", ".")".
    _call(_libc.pivot_root, b".", b".", what="pivot_root")
    _call(_libc.umount2, b".", _MNT_DETACH, what="umount /")
    os.chdir("/")


def control(option: int, argument: int = 0) -> bool:
    """Calls prctl(2); False where the kernel does not know the option or the argument."""
    unused = [ctypes.c_ulong(0)] * 3
    return int(_libc.prctl(option, ctypes.c_ulong(argument), *unused)) == 0


def drop_capabilities() -> None:
    """Gives up every capability of this process and of what it will start, root's too."""
    capability = 0
    while control(PR_CAPBSET_DROP, capability):
        capability += 1
    control(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    # struct __user_cap_header_struct {version, pid}, and twice {effective, permitted, inheritable}.
    header, none = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    _call(_libc.capset, header, none, what="capset")


def landlock_version() -> int:
    """Returns the version of Landlock that the kernel speaks; 0 where it has none."""
    return max(0, int(_libc.syscall(ctypes.c_long(_SYS_LANDLOCK_CREATE), None, ctypes.c_size_t(0), _LANDLOCK_VERSION)))


def landlock_ruleset(files: int, scopes: int) -> int:
    """Returns the descriptor of a ruleset by struct landlock_ruleset_attr {files, network, scopes}. Raises OSError."""
    attributes = (ctypes.c_uint64 * 3)(files, 0, scopes)
    # A kernel that does not know a member refuses the larger structure.
    size = ctypes.c_size_t(24 if scopes else 8)
    number = ctypes.c_long(_SYS_LANDLOCK_CREATE)
    return _call(_libc.syscall, number, attributes, size, 0, what="landlock_create_ruleset")


def landlock_allow(ruleset: int, folder: int, rights: int) -> None:
    """Adds struct landlock_path_beneath_attr {rights, folder}, packed. Raises OSError."""
    rule = rights.to_bytes(8, sys.byteorder) + folder.to_bytes(4, sys.byteorder)
    number = ctypes.c_long(_SYS_LANDLOCK_ADD)
    _call(_libc.syscall, number, ruleset, _LANDLOCK_PATH_BENEATH, rule, 0, what="landlock_add_rule")


def landlock_restrict(ruleset: int) -> None:
    """Puts this process, and what it will start, under a ruleset, for ever. Raises OSError."""
    _call(_libc.syscall, ctypes.c_long(_SYS_LANDLOCK_RESTRICT), ruleset, 0, what="landlock_restrict_self")


def _call(function: Callable[..., int], *arguments: object, what: str) -> int:
    outcome = function(*arguments)
    if outcome < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return outcome
