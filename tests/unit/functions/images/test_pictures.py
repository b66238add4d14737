"""Images as an endpoint gets them: upright, of three colours, no larger than it takes."""

from __future__ import annotations

import io
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from functions.images import pictures
from functions.images.tiles import JpegEncoder
from functions.jobs.errors import ImageRejected


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def halves(size: tuple[int, int] = (8, 4)) -> Image.Image:
    """Red above, blue below."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (0, size[1] // 2, *size))
    return image


def test_an_image_that_lies_on_its_side_is_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = halves().transpose(Image.Transpose.ROTATE_90)
    image, as_stored = pictures.upright("a.png", saved(stored, exif=exif))
    assert (image.size, as_stored) == ((8, 4), False)
    assert image.getpixel((0, 0)) == (255, 0, 0)


def test_a_plain_image_is_taken_as_it_is_stored() -> None:
    image, as_stored = pictures.upright("a.png", saved(halves()))
    assert (image.mode, image.size, as_stored) == ("RGB", (8, 4), True)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "I;16", "CMYK"])
def test_every_kind_of_pixel_becomes_three_colours(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    source = Image.new(mode, (4, 4)) if mode == "I;16" else halves((4, 4)).convert(mode)
    image, as_stored = pictures.upright("a", saved(source, kind))
    assert (image.mode, image.size, as_stored) == ("RGB", (4, 4), False)


def test_sixteen_bits_of_grey_become_eight() -> None:
    grey = Image.fromarray(np.full((2, 2), 40_000, np.uint16))
    image, _ = pictures.upright("a.png", saved(grey))
    assert image.getpixel((0, 0)) == (156, 156, 156)


def test_sixteen_bits_of_grey_keep_their_shades_where_one_of_them_is_transparent() -> None:
    grey = Image.fromarray(np.array([[0, 10_000], [40_000, 65_535]], np.uint16))
    image, _ = pictures.upright("a.png", saved(grey, transparency=10_000))
    shades = [image.getpixel((x, y)) for y in range(2) for x in range(2)]
    assert shades == [(value,) * 3 for value in (0, 255, 156, 255)]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "LA", "RGBA", "I;16"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("transparent", [False, True])
def test_a_dark_picture_stays_dark_in_every_form(mode: str, orientation: int, transparent: bool) -> None:
    """Nearly black, and transparent in no pixel though the file may name a transparent value."""
    # Of one bit, grey would be dithered.
    grey = Image.new("L", (8, 4), 0 if mode == "1" else 20)
    dark = Image.fromarray(np.full((4, 8), 5_000, np.uint16)) if mode == "I;16" else grey
    source = dark if mode == "I;16" else dark.convert("RGB").convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    named = {"1": 255, "L": 255, "P": 255, "RGB": (255, 255, 255), "I;16": 65_535}
    options: dict[str, object] = {"transparency": named[mode]} if transparent and mode in named else {}
    image, _ = pictures.upright("a.png", saved(source, "PNG", exif=exif, **options))
    assert image.size == ((4, 8) if orientation == 6 else (8, 4))
    # A palette has no darker grey than 51.
    assert np.asarray(image).max() <= 51


def test_what_is_transparent_is_white() -> None:
    image, _ = pictures.upright("a.png", saved(Image.new("RGBA", (2, 2), (0, 0, 0, 0))))
    assert image.getpixel((0, 0)) == (255, 255, 255)


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 31)
    with pytest.raises(ImageRejected, match=r"'a\.png' has 0\.0 megapixels"):
        pictures.upright("a.png", saved(halves()))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3)
    with pytest.raises(ImageRejected, match="far more than"):
        pictures.upright("a.png", saved(halves()))


@given(st.binary(max_size=200), st.sampled_from(["PNG", "JPEG"]), st.integers(0, 200))
def test_damaged_bytes_are_decoded_or_refused(noise: bytes, kind: str, at: int) -> None:
    body = saved(halves((16, 16)), kind)
    for damaged in (body[:at], noise, body[:at] + noise + body[at + len(noise) :]):
        with suppress(ImageRejected):
            pictures.upright("a", damaged)


def test_an_image_is_shrunk_until_it_fits() -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (200, 400, 3), dtype=np.uint8))
    with JpegEncoder() as encoder:
        whole, less = pictures.encode(encoder, noise, 10**6), pictures.encode(encoder, noise, 20_000)
    assert Image.open(io.BytesIO(whole)).size == (400, 200)
    assert len(less) <= 20_000
    width, height = Image.open(io.BytesIO(less)).size
    assert 100 < width < 400
    assert width / height == pytest.approx(2, rel=0.05)


def test_an_image_longer_than_jpeg_can_be_is_shrunk() -> None:
    with JpegEncoder() as encoder:
        body = pictures.encode(encoder, Image.new("RGB", (70_000, 4)), 10**6)
    assert Image.open(io.BytesIO(body)).size[0] <= 65_500
