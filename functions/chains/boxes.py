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


def parse(answer: Any, algorithm: str) -> Answer:
    """A detector's parsed JSON: `{"width", "height", "boxes": [{"label", "confidence", "box": [x1, y1, x2, y2]}]}`.

    Raises:
        AnswerInvalid: it is something else; the text names the first field that is wrong.
    """
    if not isinstance(answer, Mapping):
        raise _invalid(algorithm, "the answer", "an object", answer)
    width, height = (_number(answer.get(side), algorithm, side, least=LEAST) for side in ("width", "height"))
    boxes = answer.get("boxes")
    if not isinstance(boxes, list):
        raise _invalid(algorithm, "boxes", "a list", boxes)
    return Answer(width, height, tuple(_detection(one, algorithm, f"boxes[{at}]") for at, one in enumerate(boxes)))


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
    """A number from 0 to 1, or AnswerInvalid."""
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


def _invalid(algorithm: str, where: str, expected: str, found: Any) -> AnswerInvalid:
    return AnswerInvalid(f"{algorithm} answered {where}: expected {expected}, found {repr(found)[:100]}")


def choose(answer: Answer, size: tuple[int, int], *, min_confidence: float, max_crops: int) -> Choice:
    """The detections worth a crop, in pixels of an image of `size` (width, height) and clamped to it."""
    sure = [one for one in answer.detections if one.confidence >= min_confidence]
    inside = [one for one in (_placed(one, answer, size) for one in sure) if one is not None]
    chosen = sorted(inside, key=lambda one: -one.confidence)[:max_crops]
    return Choice(
        tuple(_in_reading_order(chosen)),
        unsure=len(answer.detections) - len(sure),
        outside=len(sure) - len(inside),
        left_out=len(inside) - len(chosen),
    )


def _placed(found: Detection, answer: Answer, size: tuple[int, int]) -> Detection | None:
    across, down = size[0] / answer.width, size[1] / answer.height
    box = Box(
        max(0.0, found.box.left * across),
        max(0.0, found.box.top * down),
        min(float(size[0]), found.box.right * across),
        min(float(size[1]), found.box.bottom * down),
    )
    return Detection(found.label, found.confidence, box) if box.width >= LEAST and box.height >= LEAST else None


def _in_reading_order(detections: Iterable[Detection]) -> list[Detection]:
    """Row by row, each from the left. Two boxes share a row when the middle of each lies within the other's height."""
    rows: list[list[Detection]] = []
    for one in sorted(detections, key=lambda one: (one.box.top, one.box.left)):
        row = next((row for row in rows if _beside(row[0].box, one.box)), None)
        if row is None:
            rows.append([one])
        else:
            row.append(one)
    return [one for row in rows for one in sorted(row, key=lambda one: one.box.left)]


def _beside(one: Box, other: Box) -> bool:
    return one.top <= other.middle <= one.bottom and other.top <= one.middle <= other.bottom


def with_margin(box: Box, margin: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The whole pixels of a crop: the box and `margin` of its width and height on each side, within the image."""
    across, down = box.width * margin, box.height * margin
    return (
        max(0, math.floor(box.left - across)),
        max(0, math.floor(box.top - down)),
        min(size[0], math.ceil(box.right + across)),
        min(size[1], math.ceil(box.bottom + down)),
    )
