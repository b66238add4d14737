"""Decoding an uploaded image upright, and encoding it and its crops so that an endpoint takes them."""

from __future__ import annotations

import math
import struct
import warnings
from io import BytesIO

import pi_heif
from PIL import Image

from functions.images import decoding
from functions.images.tiles import MAX_SIZE, JpegEncoder
from functions.jobs.errors import ImageRejected

MAX_PIXELS = 50_000_000
"""What a Lambda decodes and copies within its memory: 150 MB an RGB copy."""

pi_heif.register_heif_opener()

_DAMAGED = (OSError, RuntimeError, ValueError, SyntaxError, EOFError, TypeError, IndexError, KeyError, struct.error)
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
            image = Image.open(BytesIO(body), formats=("JPEG", "PNG", "AVIF", "HEIF"))
            _check_pixels(name, image.width * image.height)
            plain = decoding.upright(image)
    except Image.DecompressionBombError as error:
        raise ImageRejected(f"the image '{name}' has far more than {MAX_PIXELS / 1e6:.0f} megapixels") from error
    except _DAMAGED as error:
        raise ImageRejected(f"the image '{name}' is damaged: it cannot be decoded") from error
    return plain, decoding.orientation(
        image
    ) == 1 and image.mode == "RGB" and "transparency" not in image.info and image.format in {"JPEG", "PNG"}


def _check_pixels(name: str, pixels: int) -> None:
    if pixels > MAX_PIXELS:
        raise ImageRejected(
            f"the image '{name}' has {pixels / 1e6:.1f} megapixels; at most {MAX_PIXELS / 1e6:.0f} are accepted"
        )


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
