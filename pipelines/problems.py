"""What is wrong with a catalogue: problems are collected, never raised one at a time, and each says where it is."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_CREDENTIALS: Final = re.compile(r"://[^/@\s]+@")


class PipelinesError(Exception):
    """Base of what this package raises.

    PipelinesError
      +-- CatalogueError   algorithm.yaml files that break the contract (carries every problem)
      +-- CompileError     what is outside the files and keeps one from becoming a definition: git, images, the SDK
      +-- SpecRefused      a key that the SDK refuses, on its way to becoming a problem
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


class SpecRefused(PipelinesError):
    """A specification that the SDK refuses, inside the process that compiles: outside it is a Problem of the file."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        super().__init__(f"{path}: {text}")


class CompileError(PipelinesError):
    """What is outside the files and keeps one from becoming a definition: git, images, the SDK."""


class PublishError(PipelinesError):
    """An upload or an AWS call that was refused."""


class CatalogueError(PipelinesError):
    """The catalogue has problems; `problems` holds all of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def expected(what: str, value: object) -> str:
    """Returns the words of a problem: what was expected, and what stood there instead."""
    return f"expected {what}, found {shown(value)}"


def shown(value: object) -> str:
    """Returns a value as YAML's reader would know it, cut to 80 characters, without the credentials of an address."""
    if value is None:
        return "nothing"
    text = _CREDENTIALS.sub("://***@", json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 80 else f"{text[:77]}..."
