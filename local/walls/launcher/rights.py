"""What a program may do, besides what it can see: no capabilities, no new privileges, Landlock where the kernel has it.

Landlock is the wall of machines that give no namespaces (a private root needs one), and closes two doors that
namespaces leave open on others: abstract sockets, and signals to other processes where the process namespace is shared.
"""

import os
from collections.abc import Sequence
from contextlib import suppress

from local.walls.launcher import kernel

# linux/landlock.h: execute, write_file, read_file, read_dir, remove_dir, remove_file, make_char, make_dir, make_reg,
# make_sock, make_fifo, make_block, make_sym; then refer (version 2) and truncate (version 3).
_READ = 0b1101
_WRITE_FILE, _REFER, _TRUNCATE = 1 << 1, 1 << 13, 1 << 14
_FIRST = (1 << 13) - 1
_OF_FILES = 0b111 | _TRUNCATE
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2
_SCOPES_SINCE = 6


def give_up() -> None:
    """Drops every capability and every way to get one back: a set-user-ID program is any other program.

    Raises OSError.
    """
    kernel.drop_capabilities()
    kernel.control(kernel.PR_SET_NO_NEW_PRIVS, 1)


def confine(read: Sequence[str], write: Sequence[str]) -> None:
    """Lets this process read and write what is named and what is below it; of files nothing is confined where both are
    empty. Does nothing where the kernel has no Landlock. Raises OSError.
    """
    version = kernel.landlock_version()
    files = _handled(version) if read or write else 0
    scopes = _ABSTRACT_SOCKETS | _SIGNALS if version >= _SCOPES_SINCE else 0
    if not version or not (files or scopes):
        return
    ruleset = kernel.landlock_ruleset(files, scopes)
    for paths, rights in ((read, _READ), (write, files)):
        for path in paths:
            _allow(ruleset, path, rights & files)
    kernel.landlock_restrict(ruleset)
    os.close(ruleset)


def _handled(version: int) -> int:
    return _FIRST | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    with suppress(FileNotFoundError):
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rights_of_path = rights if os.path.isdir(path) else rights & _OF_FILES  # noqa: PTH112 - no pathlib here
        kernel.landlock_allow(ruleset, folder, rights_of_path)
        os.close(folder)
