"""Pictures of text as numbers: the lines of a page, a line as the network takes it, and its answer as text."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import decoding
import numpy as np
from PIL import Image

HEIGHT = 32
WIDEST = 640
# Rows or columns of paper that part two lines, as a share of the line's height.
_GAP = 0.12
_LOWEST = 5


class Line(NamedTuple):
    """A line of text on a page; the box is left, top, right, bottom in pixels."""

    image: Image.Image
    box: tuple[int, int, int, int]


def picture(content: bytes) -> Image.Image:
    """Raises ValueError for what is no image."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return decoding.upright(image).convert("L")
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError("The request is no PNG or JPEG image that can be read.") from error


def find(page: Image.Image) -> list[Line]:
    """The lines of text on plain paper, from top to bottom: rows that hold ink, parted by rows that hold none."""
    ink = _ink(np.asarray(page, dtype="float32"))
    found = []
    for top, bottom in _runs(ink.any(axis=1), 1):
        columns = np.flatnonzero(ink[top:bottom].any(axis=0))
        if bottom - top < _LOWEST or not len(columns):
            continue
        margin = max(2, round((bottom - top) * _GAP))
        box = (
            max(0, int(columns[0]) - margin),
            max(0, top - margin),
            min(page.width, int(columns[-1]) + 1 + margin),
            min(page.height, bottom + margin),
        )
        found.append(Line(page.crop(box), box))
    return found


def normal(image: Image.Image) -> np.ndarray:
    """3 x HEIGHT x width from -1 to 1, as PaddleOCR gives an image to a recognizer."""
    width = min(WIDEST, max(8, round(image.width * HEIGHT / image.height)))
    gray = np.asarray(image.resize((width, HEIGHT), Image.BILINEAR), dtype="float32")
    return np.repeat((gray / 127.5 - 1.0)[None], 3, axis=0)


def batch(images: Sequence[np.ndarray], spare: int = 0) -> np.ndarray:
    """Images of several widths as one array, each filled up with zeros on its right."""
    width = -(-max(image.shape[2] for image in images) // 16) * 16 + spare
    whole = np.zeros((len(images), 3, HEIGHT, width), dtype="float32")
    for number, image in enumerate(images):
        whole[number, :, :, : image.shape[2]] = image
    return whole


def decode(probabilities: np.ndarray, alphabet: str) -> tuple[str, float]:
    """Steps x (1 + letters), where class 0 is the blank -> the text and the mean probability of its letters."""
    best = probabilities.argmax(axis=1)
    kept = (best != 0) & np.concatenate([[True], best[1:] != best[:-1]])
    text = "".join(alphabet[letter - 1] for letter in best[kept])
    sure = float(probabilities.max(axis=1)[kept].mean()) if kept.any() else 0.0
    return text.strip(), min(1.0, max(0.0, sure))


def _ink(gray: np.ndarray) -> np.ndarray:
    """Where the page differs from its paper, which is the brightness that most of its pixels have."""
    histogram = np.bincount(gray.astype("uint8").ravel(), minlength=256)
    paper = float(np.convolve(histogram, np.ones(9), "same").argmax())
    contrast = np.abs(gray - paper)
    return contrast > max(24.0, float(contrast.max()) * 0.4)


def _runs(marks: np.ndarray, gap: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each run of marks; runs that `gap` places or fewer part are one."""
    places = np.flatnonzero(marks)
    if not len(places):
        return
    breaks = np.flatnonzero(np.diff(places) > gap + 1)
    begins = np.concatenate([[places[0]], places[breaks + 1]])
    ends = np.concatenate([places[breaks], [places[-1]]])
    for begin, end in zip(begins.tolist(), ends.tolist()):
        yield begin, end + 1
