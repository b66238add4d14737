"""The header of a .npy file (NEP 1), read without NumPy and without trusting it: nothing is unpickled or evaluated.

https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from functions.jobs.errors import ResultInvalid

MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000
"""Bytes; NumPy's own limit. A header of ours has about 120."""

MAX_TILES = 32


@dataclass(frozen=True, slots=True)
class Strip:
    """`count` square RGB images of `size` pixels side by side: an array of shape (size, count * size, 3), uint8."""

    size: int
    count: int
    fortran_order: bool
    offset: int
    """Byte of the file where the pixels begin."""

    @property
    def nbytes(self) -> int:
        """Of the pixels."""
        return self.size * self.size * self.count * 3


def read(data: bytes | bytearray | memoryview) -> Strip:
    """Reads the strip of images that a whole .npy file holds.

    Raises:
        ResultInvalid: not such a file; the text says in what.
    """
    header, offset = _header(bytes(data[: MAX_HEADER + 16]))
    strip = _strip(header, offset)
    present = len(data) - offset
    if present < strip.nbytes:
        raise ResultInvalid(f"the result is cut short: its header promises {strip.nbytes} bytes, {present} are there")
    if present > strip.nbytes:
        raise ResultInvalid(f"the result has {present - strip.nbytes} bytes after its array")
    return strip


def _header(head: bytes) -> tuple[dict[str, object], int]:
    """Returns the header's dictionary, and where it ends."""
    if not head.startswith(MAGIC):
        raise ResultInvalid("the result is not a .npy file")
    if len(head) < 12:
        raise ResultInvalid("the result is cut short: it ends within its header")
    version = head[6]
    if version not in {1, 2, 3}:
        raise ResultInvalid(f"the result is a .npy file of version {version}, which is unknown")
    start = 10 if version == 1 else 12
    length = int.from_bytes(head[8:start], "little")
    if length > MAX_HEADER:
        raise ResultInvalid(f"the header of the result claims {length} bytes; at most {MAX_HEADER} are read")
    if len(head) < start + length:
        raise ResultInvalid("the result is cut short: it ends within its header")
    return _parse(head[start : start + length], "utf-8" if version == 3 else "latin-1"), start + length


def _parse(text: bytes, encoding: str) -> dict[str, object]:
    try:
        # Literals only, and of a bounded length: neither code nor a deep nesting gets anywhere.
        header = ast.literal_eval(text.decode(encoding).strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise ResultInvalid("the header of the result is not a dictionary of literals") from error
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise ResultInvalid("the header of the result does not have exactly descr, fortran_order and shape")
    return header


def _strip(header: dict[str, object], offset: int) -> Strip:
    descr, shape, fortran_order = header["descr"], header["shape"], header["fortran_order"]
    if not isinstance(descr, str):
        raise ResultInvalid("the result is a structured array; expected uint8")
    if descr.lstrip("|<>=").startswith("O"):
        raise ResultInvalid("the result holds pickled Python objects, which are never loaded; expected uint8")
    if descr.lstrip("|<>=") not in {"u1", "B"}:
        raise ResultInvalid(f"the result has the type {descr!r:.40}; expected uint8")
    if not isinstance(fortran_order, bool):
        raise ResultInvalid("fortran_order in the header of the result is neither True nor False")
    size, count = _dimensions(shape)
    return Strip(size, count, fortran_order, offset)


def _dimensions(shape: object) -> tuple[int, int]:
    """Tile size in pixels and number of tiles."""
    match shape:
        case (int(height), int(width), 3) if _is_strip(height, width):
            return height, width // height
        case _:
            raise ResultInvalid(
                f"the result has the shape {shape!r:.80}; expected (h, n * h, 3) with n from 1 to {MAX_TILES}"
            )


def _is_strip(height: int, width: int) -> bool:
    if isinstance(height, bool) or isinstance(width, bool) or height < 1:
        return False
    return width % height == 0 and 1 <= width // height <= MAX_TILES
