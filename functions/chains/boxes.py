"""What a detector answers, and which of its boxes become crops. Coordinates are pixels from the upper left corner."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.jobs.errors import AnswerInvalid

LEAST = 1.0
"""Pixels of width and of height that a box must have within the image to be one."""


@dataclass(frozen=True, slots=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """Between top and bottom."""
        return (self.top + self.bottom) / 2

    def as_list(self) -> list[float]:
        return [round(side, 2) for side in (self.left, self.top, self.right, self.bottom)]


@dataclass(frozen=True, slots=True)
class Detection:
    label: str
    confidence: float
    box: Box


@dataclass(frozen=True, slots=True)
class Answer:
    """A detector's answer; its boxes are in an image of `width` x `height`, which it may have scaled."""

    width: float
    height: float
    detections: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The detections to crop, in reading order, and how many of the others were left out for which reason."""

    chosen: tuple[Detection, ...]
    unsure: int
    """Below the least confidence."""
    outside: int
    """Of no area within the image."""
    left_out: int
    """More than the chain takes; the chosen are the most confident."""


def parse(document: Any, algorithm: str) -> Answer:
    """Reads a detector's parsed JSON: `{"width", "height", "boxes": [{"label", "confidence", "box": [x1, y1, x2,
    y2]}]}`.

    Raises:
        AnswerInvalid: it is something else; the text names the first field that is wrong.
    """
    if not isinstance(document, Mapping):
        raise _invalid(algorithm, "the answer", "an object", document)
    width, height = (_number(document.get(side), algorithm, side, least=LEAST) for side in ("width", "height"))
    boxes = document.get("boxes")
    if not isinstance(boxes, list):
        raise _invalid(algorithm, "boxes", "a list", boxes)
    return Answer(width, height, tuple(_detection(box, algorithm, f"boxes[{at}]") for at, box in enumerate(boxes)))


def _detection(told: Any, algorithm: str, where: str) -> Detection:
    if not isinstance(told, Mapping):
        raise _invalid(algorithm, where, "an object", told)
    label, sides = told.get("label"), told.get("box")
    if not isinstance(label, str):
        raise _invalid(algorithm, f"{where}.label", "text", label)
    if not isinstance(sides, list) or len(sides) != 4:
        raise _invalid(algorithm, f"{where}.box", "[x1, y1, x2, y2]", sides)
    box = Box(*(_number(side, algorithm, f"{where}.box[{at}]") for at, side in enumerate(sides)))
    if box.width < 0 or box.height < 0:
        raise _invalid(algorithm, f"{where}.box", "x1 <= x2 and y1 <= y2", sides)
    return Detection(label, confidence(told.get("confidence"), algorithm, f"{where}.confidence"), box)


def confidence(value: Any, algorithm: str, where: str) -> float:
    """Returns a number from 0 to 1. Raises AnswerInvalid."""
    return _number(value, algorithm, where, least=0, most=1)


def _number(value: Any, algorithm: str, where: str, *, least: float = -math.inf, most: float = math.inf) -> float:
    # bool is an int in Python, and json.loads reads NaN and Infinity.
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and least <= value <= most
    ):
        return float(value)
    bounds = [f"{sign} {bound:g}" for sign, bound in ((">=", least), ("<=", most)) if math.isfinite(bound)]
    raise _invalid(algorithm, where, " ".join(["a number", " and ".join(bounds)]).strip(), value)


def _invalid(algorithm: str, where: str, expected: str, value: Any) -> AnswerInvalid:
    return AnswerInvalid(f"{algorithm} answered {where}: expected {expected}, found {repr(value)[:100]}")


def choose(detected: Answer, size: tuple[int, int], *, min_confidence: float, max_crops: int) -> Choice:
    """Returns the detections worth a crop, in pixels of an image of `size` (width, height) and clamped to it."""
    sure = [detection for detection in detected.detections if detection.confidence >= min_confidence]
    placed = [_placed(detection, detected, size) for detection in sure]
    inside = [detection for detection in placed if detection is not None]
    chosen = sorted(inside, key=lambda detection: -detection.confidence)[:max_crops]
    return Choice(
        tuple(_in_reading_order(chosen)),
        unsure=len(detected.detections) - len(sure),
        outside=len(sure) - len(inside),
        left_out=len(inside) - len(chosen),
    )


def _placed(detection: Detection, detected: Answer, size: tuple[int, int]) -> Detection | None:
    across, down = size[0] / detected.width, size[1] / detected.height
    box = Box(
        max(0.0, detection.box.left * across),
        max(0.0, detection.box.top * down),
        min(float(size[0]), detection.box.right * across),
        min(float(size[1]), detection.box.bottom * down),
    )
    return Detection(detection.label, detection.confidence, box) if box.width >= LEAST and box.height >= LEAST else None


def _in_reading_order(detections: Iterable[Detection]) -> list[Detection]:
    """Row by row, each from the left. Two boxes share a row when the middle of each lies within the other's height."""
    rows: list[list[Detection]] = []
    for detection in sorted(detections, key=lambda detection: (detection.box.top, detection.box.left)):
        row = next((row for row in rows if _beside(row[0].box, detection.box)), None)
        if row is None:
            rows.append([detection])
        else:
            row.append(detection)
    return [detection for row in rows for detection in sorted(row, key=lambda detection: detection.box.left)]


def _beside(box: Box, other: Box) -> bool:
    return box.top <= other.middle <= box.bottom and other.top <= box.middle <= other.bottom


def with_margin(box: Box, margin: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Returns the whole pixels of a crop: the box and `margin` of its sides around it, within the image."""
    across, down = box.width * margin, box.height * margin
    return (
        max(0, math.floor(box.left - across)),
        max(0, math.floor(box.top - down)),
        min(size[0], math.ceil(box.right + across)),
        min(size[1], math.ceil(box.bottom + down)),
    )
