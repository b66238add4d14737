"""Cutting a model's answer into JPEG images, against np.load and Pillow tile by tile, with equal quality settings."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from bench.measure import Row, compare, milliseconds, pairs
from functions.images import npy, tiles

_PHOTO = Path(__file__).resolve().parent.parent / "algorithms" / "face_aging" / "samples" / "astronaut.jpg"
_ROUNDS = 15
_SIDE, _COUNT = 1024, 5


def strip_of(photo: Path) -> bytes:
    """A .npy of 1024 x 5120 x 3 uint8 made from a photo: each tile another crop, as a model's answer would be."""
    image = Image.open(photo).convert("RGB")
    crops = [image.crop((i * 8, i * 8, image.width - i * 8, image.height - i * 8)) for i in range(_COUNT)]
    array = np.concatenate([np.asarray(crop.resize((_SIDE, _SIDE))) for crop in crops], axis=1)
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def one_by_one(data: bytes) -> list[bytes]:
    """The obvious way."""
    array = np.load(io.BytesIO(data), allow_pickle=False)
    encoded = []
    for index in range(array.shape[1] // array.shape[0]):
        tile = array[:, index * array.shape[0] : (index + 1) * array.shape[0]]
        buffer = io.BytesIO()
        Image.fromarray(tile).save(buffer, "JPEG", quality=tiles.QUALITY)
        encoded.append(buffer.getvalue())
    return encoded


def run() -> Iterator[Row]:
    """Ours against the obvious way, and the encoder's own limit: the same images encoded on the same threads, uncut."""
    data = strip_of(_PHOTO)
    with tiles.JpegEncoder() as encoder:

        def ours() -> list[bytes]:
            strip = npy.read(data)
            return list(encoder.map(lambda index: encoder.encode(tiles.cut(data, strip, index)), range(strip.count)))

        strip = npy.read(data)
        ready = [tiles.cut(data, strip, index).copy() for index in range(strip.count)]

        def limit() -> list[bytes]:
            return list(encoder.map(lambda index: encoder.encode(ready[index]), range(len(ready))))

        assert ours() == one_by_one(data)
        mine, theirs = pairs(lambda: milliseconds(ours), lambda: milliseconds(lambda: one_by_one(data)), _ROUNDS)
        yield compare("split 1024 x 5120 x 3 against np.load + Pillow one by one", mine, theirs, "0.2x")
        mine, theirs = pairs(lambda: milliseconds(ours), lambda: milliseconds(limit), _ROUNDS)
        yield compare("split 1024 x 5120 x 3 against the encoder alone, same threads", mine, theirs, "1.0x")
