"""Decoding an uploaded image upright, and encoding it and its crops so that an endpoint takes them."""

from __future__ import annotations

import math
import struct
import warnings
from io import BytesIO

from PIL import Image, ImageMath, ImageOps

from functions.images.tiles import MAX_SIZE, JpegEncoder
from functions.jobs.errors import ImageRejected

MAX_PIXELS = 50_000_000
"""What a Lambda decodes and copies within its memory: 150 MB an RGB copy."""

_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError, KeyError, struct.error)
"""What Pillow's decoders raise on bytes that are not what they begin as."""


def upright(name: str, body: bytes) -> tuple[Image.Image, bool]:
    """Returns the image in RGB as a person sees it, and whether its stored pixels are those already.

    A photo may be stored on its side with a note in its EXIF data, which some models heed and some do not: turned
    here, boxes mean one thing. What is transparent becomes white.

    Raises:
        ImageRejected: it cannot be decoded, or has more than MAX_PIXELS.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(BytesIO(body), formats=("JPEG", "PNG"))
            _check_pixels(name, image.width * image.height)
            turned = ImageOps.exif_transpose(image)
            plain = _plain(turned)
    except Image.DecompressionBombError as error:
        raise ImageRejected(f"the image '{name}' has far more than {MAX_PIXELS / 1e6:.0f} megapixels") from error
    except _DAMAGED as error:
        raise ImageRejected(f"the image '{name}' is damaged: it cannot be decoded") from error
    return plain, image.getexif().get(0x0112, 1) == 1 and image.mode == "RGB"


def _check_pixels(name: str, pixels: int) -> None:
    if pixels > MAX_PIXELS:
        raise ImageRejected(
            f"the image '{name}' has {pixels / 1e6:.1f} megapixels; at most {MAX_PIXELS / 1e6:.0f} are accepted"
        )


def _plain(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # Before any look at transparency: Pillow's own conversion cuts every grey off at 255, which is white.
        return _eight_bits(image)
    return _on_white(image) if image.has_transparency_data else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scales grey of 16 bits; the one value that a PNG may call transparent becomes white."""
    deep = image.convert("I")
    grey = deep.point(lambda value: value * (1 / 256)).convert("L")
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        # As whole numbers: 1 where the pixel has that value, and 0 elsewhere.
        mask = ImageMath.lambda_eval(lambda names: (names["deep"] == transparent) * 255, deep=deep)
        grey.paste(255, mask=mask.convert("L"))
    return grey.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    layer = image.convert("RGBA")
    white = Image.new("RGB", layer.size, "white")
    white.paste(layer, mask=layer.getchannel("A"))
    return white


def encode(encoder: JpegEncoder, image: Image.Image, limit: int) -> bytes:
    """Returns the image as a JPEG of at most `limit` bytes: smaller in pixels where it must be."""
    image = _scaled(image, MAX_SIZE / max(*image.size, MAX_SIZE))
    body = encoder.encode(image)
    while len(body) > limit:
        # Bytes grow about as pixels do; a tenth less each way makes sure that it ends.
        image = _scaled(image, 0.9 * math.sqrt(limit / len(body)))
        body = encoder.encode(image)
    return body


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    if factor >= 1:
        return image
    size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
