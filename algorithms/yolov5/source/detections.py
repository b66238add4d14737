"""From a picture to what a YOLOv5 network is given, and from what it answers to boxes in the picture's own pixels."""

import io
from typing import NamedTuple

import decoding
import numpy as np
from PIL import Image, UnidentifiedImageError

STRIDE = 32
MOST_BYTES = 20_000_000
MOST_PIXELS = 40_000_000
LARGEST_SIZE = 1536
MOST_BOXES = 300
GREY = 114


class Problem(ValueError):
    """Something the caller can correct. Its text is one sentence or two."""

    status_code = 400


class Settings(NamedTuple):
    """The endpoint's variables: which weights, the network's side in pixels, and which boxes are kept."""

    model_name: str = "custom"
    size: int = 640
    confidence: float = 0.25
    overlap: float = 0.45


class Picture(NamedTuple):
    """A network's input, 1 x 3 x size x size from 0 to 1, and where in it the picture lies."""

    pixels: np.ndarray
    width: int
    height: int
    scale: float
    left: int
    top: int


def settings(environment) -> Settings:
    """Of the endpoint's variables. A size between two strides is taken up to the next. Raises Problem."""
    try:
        size = int(environment.get("size", "640"))
        confidence = float(environment.get("confidence", "0.25"))
        overlap = float(environment.get("overlap", "0.45"))
    except ValueError as error:
        raise Problem(f"A variable of the endpoint is not a number: {error}.") from error
    if not (STRIDE <= size <= LARGEST_SIZE and 0 < confidence < 1 and 0 < overlap < 1):
        raise Problem(f"Expected size from {STRIDE} to {LARGEST_SIZE}, confidence and overlap between 0 and 1.")
    return Settings(environment.get("model_name", "custom"), -(-size // STRIDE) * STRIDE, confidence, overlap)


def read(body: bytes, content_type, size: int) -> Picture:
    """The picture in a request. Raises Problem for what is none, or too large to be one."""
    sent = (content_type or "").split(";")[0].strip().lower()
    if sent not in ("image/jpeg", "image/jpg", "image/png"):
        raise Problem(f"The content type {sent or 'none'} is not read: send image/jpeg or image/png.")
    if len(body) > MOST_BYTES:
        raise Problem(f"The picture has {len(body)} bytes; the limit is {MOST_BYTES}.")
    try:
        with Image.open(io.BytesIO(body), formats=["JPEG", "PNG"]) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Problem(f"The picture has {image.width} x {image.height} pixels; the limit is {MOST_PIXELS}.")
            return framed(decoding.upright(image), size)
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise Problem(f"The body is no JPEG or PNG picture that can be read: {error}.") from error


def framed(image: Image.Image, size: int) -> Picture:
    """The picture as large as it fits into a grey square of `size`, in the middle."""
    scale = min(size / image.width, size / image.height)
    width, height = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    left, top = (size - width) // 2, (size - height) // 2
    square = Image.new("RGB", (size, size), (GREY, GREY, GREY))
    square.paste(image.resize((width, height), Image.BILINEAR), (left, top))
    pixels = np.asarray(square, dtype=np.float32).transpose(2, 0, 1)[np.newaxis] / 255
    return Picture(np.ascontiguousarray(pixels), image.width, image.height, scale, left, top)


def answer(raw: np.ndarray, picture: Picture, names: dict, how: Settings) -> dict:
    """What the endpoint says: the picture's size and its boxes, the surest first.

    `raw` is the network's answer, a row a candidate: middle x and y, width, height, how sure that there is something,
    and how sure of each class.
    """
    boxes, sure, classes = candidates(raw, picture, how.confidence)
    kept = apart(boxes, sure, classes, how.overlap)[:MOST_BOXES]
    found = [
        {
            "label": str(names.get(int(classes[index]), int(classes[index]))),
            "confidence": round(float(sure[index]), 4),
            "box": [round(float(side), 2) for side in boxes[index]],
        }
        for index in kept
    ]
    return {"width": picture.width, "height": picture.height, "boxes": found}


def candidates(raw: np.ndarray, picture: Picture, confidence: float) -> tuple:
    """(boxes in the picture, confidence, class) of the candidates that are sure enough and have an area."""
    rows = np.asarray(raw, dtype=np.float64).reshape(-1, raw.shape[-1])
    rows = rows[np.isfinite(rows).all(axis=1)]
    of_class = rows[:, 5:] * rows[:, 4:5]
    classes = of_class.argmax(axis=1)
    sure = of_class[np.arange(len(rows)), classes].clip(0, 1)
    half = rows[:, 2:4] / 2
    corners = np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)
    boxes = (corners - [picture.left, picture.top] * 2) / picture.scale
    boxes = boxes.clip(0, [picture.width, picture.height] * 2)
    good = (sure >= confidence) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return boxes[good], sure[good], classes[good]


def apart(boxes: np.ndarray, sure: np.ndarray, classes: np.ndarray, overlap: float) -> list:
    """Indices, surest first: of boxes of one class that share more than `overlap` of their union, the surest."""
    order = np.argsort(-sure, kind="stable")
    kept = []
    while len(order) and len(kept) < MOST_BOXES:
        best, order = order[0], order[1:]
        kept.append(int(best))
        rivals = (classes[order] == classes[best]) & (shared(boxes[best], boxes[order]) > overlap)
        order = order[~rivals]
    return kept


def shared(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The common part of a box and each of the others as a share of their union."""
    sides = (np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2])).clip(0)
    common = sides.prod(axis=1)
    return common / ((one[2:] - one[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - common)
