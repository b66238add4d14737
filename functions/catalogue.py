"""The published algorithms: what each is called, what starts it, and what values its hyperparameters may have."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions import items

if TYPE_CHECKING:
    from functions.services import Services


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    type: str
    """integer, float or string."""
    minimum: float | None
    maximum: float | None
    choices: tuple[Any, ...] | None


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One published algorithm; `spec` is the whole published JSON."""

    name: str
    spec: Mapping[str, Any]

    @property
    def trainable(self) -> bool:
        return bool(self.spec.get("trainable"))

    @property
    def inferable(self) -> bool:
        return bool(self.spec.get("inferable"))

    @property
    def starts_on_upload(self) -> bool:
        return str(self.spec.get("trigger", {}).get("on", "upload")) == "upload"

    @property
    def pattern(self) -> str:
        """Of the file names that start a training; `_SUCCESS` when a dataset is a folder."""
        return str(self.spec.get("trigger", {}).get("pattern") or "_SUCCESS")

    @property
    def pipeline(self) -> str:
        return str(self.spec["pipeline"])

    @property
    def endpoint(self) -> str | None:
        endpoint = self.spec.get("endpoint")
        return str(endpoint) if endpoint else None

    @property
    def steps(self) -> list[str]:
        return [str(step) for step in self.spec.get("steps", [])]

    @property
    def labels(self) -> list[str]:
        return [str(label) for label in self.spec.get("labels") or []]

    @property
    def retrain(self) -> Mapping[str, Any] | None:
        retrain: Mapping[str, Any] | None = self.spec.get("retrain")
        return retrain

    @property
    def hyperparameters(self) -> dict[str, Hyperparameter]:
        return {
            name: Hyperparameter(
                type=str(spec.get("type", "string")),
                minimum=spec.get("minimum"),
                maximum=spec.get("maximum"),
                choices=tuple(spec["choices"]) if spec.get("choices") else None,
            )
            for name, spec in self.spec.get("hyperparameters", {}).items()
        }


def from_item(item: Mapping[str, Any]) -> Algorithm:
    values = items.from_item(item)
    return Algorithm(name=values["name"], spec=json.loads(values["spec"]))


def get(services: Services, name: str) -> Algorithm | None:
    answer = services.dynamodb.get_item(
        TableName=services.settings.algorithms_table, Key={"name": {"S": name}}, ConsistentRead=True
    )
    item = answer.get("Item")
    return from_item(item) if item else None


def everything(services: Services) -> Iterator[Algorithm]:
    """All published algorithms, in no order. The catalogue is small: a scan is one or two requests."""
    pages = services.dynamodb.get_paginator("scan").paginate(TableName=services.settings.algorithms_table)
    for page in pages:
        yield from (from_item(item) for item in page["Items"])


def check(algorithm: Algorithm, given: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with hyperparameters, by name: `{"max_depth": "expected an integer >= 1, found 0"}`."""
    known = algorithm.hyperparameters
    problems = {}
    for name, value in given.items():
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            problems[name] = f"{algorithm.name} has no such hyperparameter; it has: {names}"
        elif not _fits(known[name], value):
            problems[name] = (
                f"expected {_expectation(known[name])}, found {json.dumps(value, ensure_ascii=False)[:100]}"
            )
    return problems


def _fits(spec: Hyperparameter, value: Any) -> bool:
    converted = _convert(spec.type, value)
    if converted is None:
        return False
    if spec.choices is not None and converted not in spec.choices:
        return False
    if isinstance(converted, str):
        return True
    above = spec.minimum is None or converted >= spec.minimum
    return above and (spec.maximum is None or converted <= spec.maximum)


def _convert(kind: str, value: Any) -> str | float | None:
    """The value as its type, or None. A number may come as text: that is how a pipeline parameter carries it."""
    if isinstance(value, bool):
        return None
    if kind not in {"integer", "float"}:
        return value if isinstance(value, str) and len(value) <= 1024 else None
    if not isinstance(value, int | float | str):
        return None
    try:
        number = int(str(value)) if kind == "integer" else float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _expectation(spec: Hyperparameter) -> str:
    if spec.choices is not None:
        return "one of " + ", ".join(str(choice) for choice in spec.choices)
    words = {"integer": "an integer", "float": "a number"}.get(spec.type, "text of at most 1024 characters")
    bounds = [f"{sign} {bound}" for sign, bound in ((">=", spec.minimum), ("<=", spec.maximum)) if bound is not None]
    return " ".join([words, " and ".join(bounds)]).strip()
