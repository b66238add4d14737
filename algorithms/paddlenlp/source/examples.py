"""Examples of extraction: a text, a prompt that says what to look for, and the spans of the text that answer it.

One JSON object a line: {"content": "...", "prompt": "city", "result_list": [{"text": "Oslo", "start": 8, "end": 12}]}.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from job import Problem


class Example(NamedTuple):
    """`spans` are (begin, end) in `content`, the end not included."""

    content: str
    prompt: str
    spans: tuple[Any, ...]


def read(file: Path) -> list[Example]:
    """Problem: names the line that cannot be used."""
    if not file.is_file():
        raise Problem(f"There is no {file.name} in the dataset.")
    lines = file.read_text("utf-8-sig").splitlines()
    found = [_example(file.name, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise Problem(f"{file.name} holds no example.")
    return found


def score(found: Sequence[set[Any]], wanted: Sequence[set[Any]]) -> dict[str, float]:
    """Precision, recall and F1 of spans, each counted where begin and end are both right."""
    hits = sum(len(left & right) for left, right in zip(found, wanted))
    precision = hits / max(1, sum(map(len, found)))
    recall = hits / max(1, sum(map(len, wanted)))
    both = precision + recall
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / both if both else 0.0}


def spans(starts: Sequence[float], ends: Sequence[float], offsets: Sequence[Any], sure: float = 0.5) -> list[Any]:
    """(begin, end, probability) of each start that has an end at or after it and before the next start.

    The lists run over the tokens of the text; `offsets` says which letters each token covers.
    """
    begins = [place for place, value in enumerate(starts) if value > sure]
    found = []
    for number, begin in enumerate(begins):
        limit = begins[number + 1] if number + 1 < len(begins) else len(ends)
        end = next((place for place in range(begin, limit) if ends[place] > sure), None)
        if end is not None:
            found.append((int(offsets[begin][0]), int(offsets[end][1]), float(starts[begin] * ends[end])))
    return found


def _example(source: str, number: int, line: str) -> Example:
    try:
        given = json.loads(line)
        content, prompt = given["content"], given["prompt"]
        spans_ = tuple((one["start"], one["end"]) for one in given["result_list"])
    except (ValueError, KeyError, TypeError) as error:
        raise Problem(f"{source}, line {number}: no object with content, prompt and result_list ({error}).") from error
    for begin, end in spans_:
        if not 0 <= begin < end <= len(content):
            raise Problem(f"{source}, line {number}: the span {begin} to {end} is not in the content.")
    return Example(content, prompt, spans_)
