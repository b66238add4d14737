"""What is wrong with a catalogue: problems are collected, never raised one at a time, and each says where it is."""

import json
from collections.abc import Iterable
from dataclasses import dataclass


class PipelinesError(Exception):
    """Base of what this package raises.

    PipelinesError
      +-- CatalogueError   algorithm.yaml files that break the contract (carries every problem)
      +-- CompileError     a specification that cannot become a pipeline definition
      +-- PublishError     an upload or an AWS call that was refused
    """


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One line: file, key, what was expected and what was found."""

    file: str
    path: str
    """Dotted keys; empty when the whole file is meant."""
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.path, self.text) if part)


class CompileError(PipelinesError):
    """A specification that cannot become a pipeline definition."""


class PublishError(PipelinesError):
    """An upload or an AWS call that was refused."""


class CatalogueError(PipelinesError):
    """The catalogue has problems; `problems` holds all of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def expected(what: str, found: object) -> str:
    """The words of a problem: what was expected, and what stood there instead."""
    return f"expected {what}, found {shown(found)}"


def shown(value: object) -> str:
    """A value as YAML's reader would recognise it, cut to 80 characters."""
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
