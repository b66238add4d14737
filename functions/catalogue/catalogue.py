"""The published algorithms: what each is called, what starts it, and what values its hyperparameters may have."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.aws import items

if TYPE_CHECKING:
    from functions.aws.services import Services

MAX_NAME = 64
"""Characters; no published name is longer."""

MAX_ARGUMENT = 256
"""Characters of an argument of a processing job, which a hyperparameter may become as `--<name>=<value>`.

botocore's model of `sagemaker`, ContainerArgument. A pipeline parameter would hold 1024.
"""

_PIPELINE_SECONDS = 86400

_NUMBERS = {
    "integer": re.compile(r"[+-]?[0-9]+"),
    "float": re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"),
}
"""A number as text. Python reads more (`1_000`, ` 4 `, other scripts' digits), but what comes after Python does not."""


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
    def transforms_uploads(self) -> bool:
        """Whether its pipeline is a batch transform of an upload, with nothing to train before."""
        return bool(self.spec.get("batch")) and not self.trainable and self.chain is None and self.endpoint is None

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
    def pipeline_seconds(self) -> int:
        """As long as a run of its pipeline may take; a row of an older headrace does not say."""
        return int(self.spec.get("pipeline_seconds") or _PIPELINE_SECONDS)

    @property
    def endpoint(self) -> str | None:
        endpoint = self.spec.get("endpoint")
        return str(endpoint) if endpoint else None

    @property
    def group(self) -> str | None:
        """The whole name of the model package group that its models are registered in."""
        group = (self.spec.get("registration") or {}).get("group")
        return str(group) if group else None

    @property
    def deploys_itself(self) -> bool:
        """Whether its pipeline puts a good model behind the endpoint, without anybody's approval."""
        return "Deploy" in self.steps

    @property
    def serving(self) -> dict[str, Any]:
        """The section `deploy`, and what an endpoint shares with the jobs: what a pipeline tells its last step."""
        shared = {name: self.spec.get(name) for name in ("network", "encryption", "tags")}
        return {**(self.spec.get("deploy") or {}), **{name: value for name, value in shared.items() if value}}

    @property
    def deploy_mode(self) -> str | None:
        """realtime, serverless, async or none; None where the row does not say."""
        mode = (self.spec.get("deploy") or {}).get("mode")
        return str(mode) if mode else None

    @property
    def chain(self) -> Mapping[str, Any] | None:
        """Of an algorithm that is two others, one after the other; it has neither pipeline nor endpoint."""
        chain: Mapping[str, Any] | None = self.spec.get("chain")
        return chain

    @property
    def cached(self) -> bool:
        """Whether a step of its pipeline that ran with equal arguments is not run again."""
        return bool(self.spec.get("cache"))

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
    response = services.dynamodb.get_item(
        TableName=services.settings.algorithms_table, Key={"name": {"S": name}}, ConsistentRead=True
    )
    item = response.get("Item")
    return from_item(item) if item else None


def everything(services: Services) -> Iterator[Algorithm]:
    """Yields all published algorithms, in no order. The catalogue is small: a scan is one or two requests."""
    pages = services.dynamodb.get_paginator("scan").paginate(TableName=services.settings.algorithms_table)
    for page in pages:
        yield from (from_item(item) for item in page["Items"])


def of_endpoint(services: Services, endpoint: str) -> Algorithm | None:
    """Returns the algorithm that an endpoint, by its own name or its algorithm's, belongs to."""
    return next(
        (each for each in everything(services) if each.endpoint and endpoint in {each.endpoint, each.name}), None
    )


def of_group(services: Services, group: str) -> list[Algorithm]:
    """Returns the algorithms that register their models into a model package group."""
    return sorted((each for each in everything(services) if each.group == group), key=lambda each: each.name)


def check(algorithm: Algorithm, hyperparameters: Mapping[str, Any]) -> dict[str, str]:
    """Returns what is wrong with hyperparameters, by name: `{"max_depth": "expected an integer >= 1, found 0"}`."""
    known = algorithm.hyperparameters
    problems = {}
    for name, value in hyperparameters.items():
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            problems[name] = f"{algorithm.name} has no such hyperparameter; it has: {names}"
        elif not _fits(name, known[name], value):
            shown = json.dumps(value, ensure_ascii=False)[:100]
            problems[name] = f"expected {_expectation(name, known[name])}, found {shown}"
    return problems


def _fits(name: str, spec: Hyperparameter, value: Any) -> bool:
    converted = _convert(name, spec.type, value)
    if converted is None:
        return False
    if spec.choices is not None and converted not in spec.choices:
        return False
    if isinstance(converted, str):
        return True
    above = spec.minimum is None or converted >= spec.minimum
    return above and (spec.maximum is None or converted <= spec.maximum)


def _convert(name: str, kind: str, value: Any) -> str | float | None:
    """Returns the value as its type, or None. A number may come as text, as a pipeline parameter carries it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if kind not in _NUMBERS:
        return value if isinstance(value, str) and _is_argument(name, value) else None
    text = _as_text(value)
    if text is None or not _is_argument(name, text) or not _NUMBERS[kind].fullmatch(text):
        return None
    if kind == "integer":
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else None


def _as_text(value: float | str) -> str | None:
    try:
        return str(value)
    except ValueError:
        # An integer of more digits than Python writes.
        return None


def _is_argument(name: str, text: str) -> bool:
    """Tells whether every place that a value passes through takes it, the narrowest being a container's arguments."""
    characters = (unicodedata.category(character) not in {"Cc", "Cs"} for character in text)
    return len(text) <= _room(name) and all(characters)


def _room(name: str) -> int:
    return MAX_ARGUMENT - len(f"--{name}=")


def _expectation(name: str, spec: Hyperparameter) -> str:
    if spec.choices is not None:
        return "one of " + ", ".join(str(choice) for choice in spec.choices)
    text = f"text of at most {_room(name)} characters without control characters"
    words = {"integer": "an integer", "float": "a number"}.get(spec.type, text)
    bounds = [f"{sign} {bound}" for sign, bound in ((">=", spec.minimum), ("<=", spec.maximum)) if bound is not None]
    return " ".join([words, " and ".join(bounds)]).strip()
