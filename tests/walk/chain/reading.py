"""A reader of digits in one font of 3 x 5 squares, dark on a bright plate."""

import io
import json
from typing import Any

from PIL import Image

FONT = ("75557", "62227", "71747", "71717", "55711", "74717", "74757", "71111", "75757", "75717")
"""Of each digit its five rows of three bits."""


class Unreadable(Exception):
    status_code = 400


def model_fn(_folder: str) -> None: ...


def input_fn(body: bytes, _content_type: str) -> Image.Image:
    return Image.open(io.BytesIO(body)).convert("L")


def predict_fn(image: Image.Image, _model: None) -> dict[str, Any]:
    plate = _within(image, 255, 0)
    writing = _within(plate, 0, 255)
    square = writing.height / 5
    text = ""
    for digit in range(round((writing.width / square + 1) / 4)):
        rows = [[_is_dark(writing, 4 * digit + column, row, square) for column in range(3)] for row in range(5)]
        code = "".join(str(4 * one + 2 * two + three) for one, two, three in rows)
        if code not in FONT:
            raise Unreadable(f"no digit looks like {code}")
        text += str(FONT.index(code))
    return {"lines": [{"text": text, "confidence": 1.0, "box": [0, 0, image.width, image.height]}]}


def _is_dark(writing: Image.Image, column: int, row: int, square: float) -> bool:
    across, down = int((column + 0.5) * square), int((row + 0.5) * square)
    return writing.tobytes()[down * writing.width + across] <= 128


def _within(image: Image.Image, bright: int, dark: int) -> Image.Image:
    """The part of an image that holds all of what is bright, or all of what is dark."""
    box = image.point(lambda value: bright if value > 128 else dark).getbbox()
    if box is None:
        raise Unreadable("there is nothing on it")
    return image.crop(box)


def output_fn(answer: dict[str, Any], _accept: str) -> tuple[bytes, str]:
    return json.dumps(answer).encode(), "application/json"
