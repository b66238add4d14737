"""Time series: from JSON Lines files (one object with `start` and `target` a line) or a request, with their errors.

The scripts of this folder run on the Python 3.8 of AWS's MXNet image, too.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from job import Problem

LARGEST_INPUT_MB = float(os.environ.get("MAX_INPUT_MB", "512"))
MOST_IN_REQUEST = 1000
ENDINGS = (".jsonl", ".json")


class Series(NamedTuple):
    """`target` are values at equal distances in time, the first one at `start` (a date, as pandas reads them)."""

    item_id: str
    start: str
    target: list[float]

    def before(self, last: int) -> Series:
        """Without the last points."""
        return self._replace(target=self.target[:-last])

    def entry(self) -> dict[str, Any]:
        """As GluonTS takes it."""
        return {"item_id": self.item_id, "start": self.start, "target": self.target}


def read(folder: Path) -> list[Series]:
    """Every series of the JSON Lines files under `folder`. Problem: none, or a line that is not one."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    chosen = [path for path in files if path.suffix.lower() in ENDINGS]
    if not chosen:
        found = ", ".join(path.name for path in files[:20]) or "nothing"
        raise Problem(f"The dataset holds no JSON Lines file (a name that ends in .jsonl or .json): found {found}.")
    size = sum(path.stat().st_size for path in chosen) / 1e6
    if size > LARGEST_INPUT_MB:
        raise Problem(f"The dataset has {size:.1f} MB of JSON; the limit is {LARGEST_INPUT_MB:g} MB (MAX_INPUT_MB).")
    return [one for path in chosen for one in _file(path)]


def long_enough(every: list[Series], points: int) -> list[Series]:
    """The series themselves. Problem: one of them has too few points to hold as many back and still learn."""
    for one in every:
        if len(one.target) < 2 * points:
            raise Problem(
                f'The series "{one.item_id}" has {len(one.target)} points: at least {2 * points} are needed, twice the '
                "prediction length, as the last ones are held back."
            )
    return every


def write(every: Iterable[Series], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one.entry()) + "\n" for one in every), "utf-8")


def read_request(body: bytes | str) -> tuple[list[Series], dict[str, Any]]:
    """The `instances` of a request and its `configuration`, in the form of SageMaker's DeepAR."""
    try:
        given = json.loads(body)
    except ValueError as error:
        raise Problem(f"The request is not JSON: {error}.") from error
    instances = given.get("instances") if isinstance(given, dict) else None
    if not isinstance(instances, list) or not 1 <= len(instances) <= MOST_IN_REQUEST:
        raise Problem(
            f'The request needs "instances", a list of 1 to {MOST_IN_REQUEST} series: '
            '{"instances": [{"start": "2001-01", "target": [1.5, 2.5]}]}.'
        )
    configuration = given.get("configuration", {})
    if not isinstance(configuration, dict):
        raise Problem('"configuration" is not an object.')
    every = [_series(one, f"instances[{number}]", str(number)) for number, one in enumerate(instances)]
    return every, configuration


def _file(path: Path) -> list[Series]:
    every = []
    try:
        for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
            if line.strip():
                where = f"{path.name}, line {number}"
                every.append(_series(_object(line, where), where, f"{path.stem}-{number}"))
    except UnicodeDecodeError as error:
        raise Problem(f"{path.name} is not UTF-8 text.") from error
    if not every:
        raise Problem(f"{path.name} holds no series.")
    return every


def _object(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise Problem(f"{where} is not JSON: {error}.") from error


def _series(given: Any, where: str, name: str) -> Series:
    if not isinstance(given, dict):
        raise Problem(f'{where} is not an object with "start" and "target".')
    start, target = given.get("start"), given.get("target")
    if not isinstance(start, str) or not start:
        raise Problem(f'{where}: "start" must be a date as text, such as "2001-01-01".')
    if not isinstance(target, list) or not target:
        raise Problem(f'{where}: "target" must be a list of numbers.')
    for position, value in enumerate(target):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise Problem(f"{where}: target[{position}] is {value!r}, not a finite number.")
    return Series(str(given.get("item_id", name)), start, [float(value) for value in target])
