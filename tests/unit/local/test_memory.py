"""Large blocks are mapped by themselves, whatever was freed before: a process gives back what it had no use for."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

# How many blocks are mapped once one of 16 MB was freed, before and after one of 2 MB is asked for.
PROGRAM = """
import ctypes
from local.memory import give_back_what_is_large

class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Mallinfo
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
if {switched}:
    assert give_back_what_is_large()
libc.free(libc.malloc(16 << 20))
before = libc.mallinfo2().hblks
kept = libc.malloc(2 << 20)
print(libc.mallinfo2().hblks - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C library is not glibc 2.33 or newer")
@pytest.mark.parametrize(("switched", "mapped"), [(False, 0), (True, 1)])
def test_a_large_block_is_mapped_although_a_larger_one_was_freed(switched: bool, mapped: int) -> None:
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", PROGRAM.format(switched=switched)]
    said = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    assert int(said.stdout) == mapped
