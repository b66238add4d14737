"""A strip of images, cut into tiles and encoded as JPEG; no NumPy, and the array is never copied as a whole.

Pillow lets go of the interpreter's lock while it encodes into a file descriptor (not into a BytesIO), so each thread
keeps one memory file, and all cores encode.
"""

from __future__ import annotations

import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from typing import TYPE_CHECKING, TypeVar, cast

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from functions.images.npy import Strip

T = TypeVar("T")

QUALITY = 92
MAX_SIZE = 65_500
"""Pixels on a side: what libjpeg encodes."""


def cut(data: bytes | bytearray | memoryview, strip: Strip, index: int) -> Image.Image:
    """Tile `index` (from 0, left to right) as an RGB image of strip.size x strip.size pixels."""
    # A view, not bytes: slicing bytes would copy the array. Pillow reads any buffer; its types know only bytes.
    pixels = memoryview(data)[strip.offset :]
    side = (strip.size, strip.size)
    if not strip.fortran_order:
        # A tile's rows lie a whole strip's row apart; Pillow's raw decoder takes that distance as its stride.
        row = strip.size * 3
        return Image.frombuffer("RGB", side, cast("bytes", pixels[index * row :]), "raw", "RGB", row * strip.count, 1)
    # Column by column and one plane a channel: a tile is three blocks, each on its side.
    plane = strip.size * strip.size
    blocks = (pixels[(channel * strip.count + index) * plane :][:plane] for channel in range(3))
    channels = [Image.frombuffer("L", side, cast("bytes", block), "raw", "L", 0, 1) for block in blocks]
    return Image.merge("RGB", [channel.transpose(Image.Transpose.TRANSPOSE) for channel in channels])


class JpegEncoder:
    """Encodes on as many threads as there are processors; close it, or use it in a `with`."""

    def __init__(self, threads: int | None = None) -> None:
        self._scratch = threading.local()
        self._files: list[FileIO] = []
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 2, thread_name_prefix="jpeg")

    def __enter__(self) -> JpegEncoder:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        for file in self._files:
            file.close()

    def encode(self, image: Image.Image) -> bytes:
        """Returns the image as JPEG of quality 92, Pillow's own subsampling."""
        file = self._file()
        file.seek(0)
        image.save(file, "JPEG", quality=QUALITY)
        return os.pread(file.fileno(), file.tell(), 0)

    def map(self, function: Callable[[int], T], indexes: Iterable[int]) -> Iterator[T]:
        """`function` of each index, on the encoder's threads; results in order."""
        return self._pool.map(function, indexes)

    def _file(self) -> FileIO:
        """Returns this thread's memory file. It is reused: its pages are paid for once."""
        file: FileIO | None = getattr(self._scratch, "file", None)
        if file is None:
            file = self._scratch.file = _memory_file()
            self._files.append(file)
        return file


def _memory_file() -> FileIO:
    if hasattr(os, "memfd_create"):
        return FileIO(os.memfd_create("tile"), "r+")
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)  # noqa: PTH108
    return FileIO(descriptor, "r+")
