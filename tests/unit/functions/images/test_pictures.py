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
