"""What the C library does with memory that is freed.

glibc learns from what a program frees: once a block of 16 MB (an answer of `face_aging`, read and put) has been freed,
blocks up to that size are cut from heaps, of which each thread may have its own, and a heap shrinks only from its end.
A server that moved sixty photos held 560 MB for good, 230 MB with blocks of a megabyte and more mapped, which are given
back when they are freed (docs/performance.md).
"""

import ctypes
import sys

MAPPED_BYTES = 1024 * 1024
"""Blocks from here on are mapped, each by itself. Python asks the C library for all that is over 512 bytes."""

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_HEAPS = 2
"""As many as the threads that are not waiting, mostly; eight times the processors by default."""


def give_back_what_is_large() -> bool:
    """Maps large blocks, and keeps few heaps, from now on; False where the C library has no such switch."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES) and mallopt(_M_ARENA_MAX, _HEAPS))
