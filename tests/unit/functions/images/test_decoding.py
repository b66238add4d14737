"""Every way to store one picture is decoded to that picture: kinds of pixels, depths, transparency, EXIF, profiles."""

from __future__ import annotations

import io
import struct
from itertools import product

import numpy as np
import pytest
from PIL import Image, ImageCms

from functions.images import decoding

SHADES = np.array([[5_000, 20_000, 40_000], [60_000, 10_240, 30_000]], np.uint16)
MODES = ["I;16", "I;16B", "I", "L", "LA", "P", "RGB", "RGBA", "CMYK", "1"]
ORIENTATIONS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""By number, how a camera of that orientation has stored the picture."""
PROFILES = [None, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"no profile"]


def stored(mode: str) -> Image.Image:
    """SHADES as a picture of that mode."""
    deep = Image.fromarray(SHADES)
    if mode in {"I;16", "I;16B", "I"}:
        return deep if mode == "I;16" else deep.convert("I").convert(mode)
    shallow = Image.fromarray((SHADES >> 8).astype(np.uint8))
    if mode == "P":
        return shallow.convert("RGB").quantize(256)
    # By three colours: some modes are made of no other.
    return shallow.convert("RGB").convert(mode, dither=Image.Dither.NONE)


def decoded(image: Image.Image, kind: str, **options: object) -> np.ndarray:
    file = io.BytesIO()
    image.save(file, kind, **options)
    with Image.open(io.BytesIO(file.getvalue())) as opened:
        picture = decoding.upright(opened)
    assert picture.mode == "RGB"
    return np.asarray(picture)


def expected(mode: str) -> np.ndarray:
    levels = SHADES >> 8
    if mode == "1":
        levels = np.where(levels > 127, 255, 0)
    return np.repeat(levels[:, :, np.newaxis], 3, axis=2)


@pytest.mark.parametrize("mode", MODES)
def test_however_it_is_stored_the_picture_is_the_same(mode: str) -> None:
    kind = "TIFF" if mode in {"I;16B", "I", "CMYK"} else "PNG"
    for number, profile in product(ORIENTATIONS, PROFILES):
        exif = Image.Exif()
        exif[0x0112] = number
        turn = ORIENTATIONS[number]
        image = stored(mode) if turn is None else stored(mode).transpose(turn)
        options = {"exif": exif} | ({"icc_profile": profile} if profile else {})
        difference = np.abs(decoded(image, kind, **options).astype(int) - expected(mode))
        assert difference.max() <= 1, (number, profile)


@pytest.mark.parametrize(
    ("mode", "transparent"),
    [("I;16", 10_240), ("L", 40), ("RGB", (40, 40, 40)), ("1", 0), ("I;16", 10_241), ("L", 41), ("RGB", (41, 41, 41))],
)
def test_only_the_value_that_is_named_transparent_becomes_white(mode: str, transparent: object) -> None:
    for number in ORIENTATIONS:
        exif = Image.Exif()
        exif[0x0112] = number
        turn = ORIENTATIONS[number]
        image = stored(mode) if turn is None else stored(mode).transpose(turn)
        levels = expected(mode)
        if transparent in {10_240, 40, (40, 40, 40)}:
            levels[1, 1] = 255
        elif mode == "1":
            levels[levels == 0] = 255
        assert np.array_equal(decoded(image, "PNG", exif=exif, transparency=transparent), levels), number


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_what_is_transparent_is_white_and_what_is_half_is_half(mode: str) -> None:
    image = stored("RGBA")
    image.putalpha(Image.fromarray(np.array([[255, 255, 255], [255, 0, 128]], np.uint8)))
    pixels = decoded(image.convert(mode), "PNG")
    assert tuple(pixels[1, 1]) == (255, 255, 255)
    if mode != "P":
        assert abs(int(pixels[1, 2, 0]) - (117 * 128 + 255 * 127) // 255) <= 1


def test_every_shade_of_sixteen_bits_keeps_its_upper_byte() -> None:
    every = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    assert np.array_equal(decoded(Image.fromarray(every), "PNG")[:, :, 0], every >> 8)


def test_broken_exif_data_says_nothing_about_the_picture() -> None:
    image = stored("RGB")
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        pixels = decoded(image, "PNG", exif=b"Exif\0\0" + struct.pack("<2sHI", b"II", 42, 10**9))
    assert np.array_equal(pixels, expected("RGB"))
