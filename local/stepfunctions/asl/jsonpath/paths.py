"""JSONPath, as far as AWS takes it: Jayway's dialect and its messages.

A path whose every step names one place is definite and gives that place's value; any other gives the list of what it
finds. `filters.py` is the language inside `[?( )]`.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from local.stepfunctions.asl.errors import SyntaxProblem
from local.stepfunctions.asl.jsonpath.filters import Predicate, parse_filter, whole_number

_NAME = re.compile(r"[^\s.\[\]()'\",]+")
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
_SLICE = re.compile(r"(-?\d+)?\s*:\s*(-?\d+)?(?:\s*:\s*(\d+))?")
_NUMBERS = re.compile(r"-?\d+(?:\s*,\s*-?\d+)*")


class NoSuchPath(Exception):
    """A definite path leads nowhere; the text is Jayway's."""


class TooManyPlaces(Exception):
    """A path would go on for too long."""


class Walk:
    """One reading of a path that may lead to many places, and how far it has come."""

    __slots__ = ("_left", "_until")

    def __init__(self) -> None:
        self._left = MAX_PLACES
        self._until = time.thread_time() + MAX_SECONDS

    def passes(self) -> None:
        """Counts a place on the way. Raises TooManyPlaces."""
        self._left -= 1
        if self._left < 0:
            raise TooManyPlaces(f"it leads to more than {MAX_PLACES} places")

    def asks(self) -> None:
        """Counts a filter's look at a place, which may take as long as a regular expression may."""
        self.passes()
        if time.thread_time() > self._until:
            raise TooManyPlaces(f"it takes more than {MAX_SECONDS} s")


MAX_PLACES = 500_000
"""That are passed: an input of 256 KiB has at most some 100,000, but each `..` passes those below each of them."""
MAX_SECONDS = 0.75
"""Of this thread's processor time."""


@dataclass(frozen=True, slots=True)
class Many:
    """A step that may find any number of values."""

    find: Callable[[Any, Walk], Iterator[Any]]
    text: str


Step = str | int | Many


@dataclass(frozen=True, slots=True)
class Path:
    steps: tuple[Step, ...]
    definite: bool

    def read(self, document: Any) -> Any:
        """Raises NoSuchPath, TooManyPlaces and PatternTooSlow."""
        if not self.definite:
            return list(_walk(document, self.steps, Walk()))
        value = document
        for position, step in enumerate(self.steps):
            value = _at(value, step)
            if value is _MISSING:
                raise NoSuchPath(self._missing(document, position))
        return value

    def _missing(self, document: Any, position: int) -> str:
        """Jayway says where an object lacks a member on the way, and that there is no result at the end of it."""
        for step in self.steps[:position]:
            document = _at(document, step)
        if isinstance(document, dict) and position + 1 < len(self.steps):
            return f"Missing property in path {Path(self.steps[: position + 1], definite=True).normal}"
        return f"No results for path: {self.normal}"

    @property
    def normal(self) -> str:
        return "$" + "".join(
            step.text if isinstance(step, Many) else f"['{step}']" if isinstance(step, str) else f"[{step}]"
            for step in self.steps
        )

    @property
    def is_reference(self) -> bool:
        """Reference Path: it names one place, without counting from an end."""
        return self.definite and all(not isinstance(step, int) or step >= 0 for step in self.steps)

    def insert(self, document: Any, value: Any) -> Any:
        """Returns a copy of `document` with `value` at this place, made where it was not. Raises NoSuchPath."""
        return _insert(document, self.steps, value)


@lru_cache(maxsize=4096)
def parse(text: str) -> Path:
    """Returns what follows the `$`. Raises SyntaxProblem."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        step, position = _step(text, position)
        steps.append(step)
    return Path(tuple(steps), all(not isinstance(step, Many) for step in steps))


def _step(text: str, position: int) -> tuple[Step, int]:
    if text.startswith("..", position):
        return _descent(text, position + 2)
    if text[position] == "[":
        return _bracket(text, position + 1)
    if text[position] != ".":
        raise SyntaxProblem(f"'.' or '[' expected at {text[position:]!r}")
    position += 1
    if text.startswith("*", position):
        return Many(_children, "[*]"), position + 1
    name = _NAME.match(text, position)
    if name is None:
        raise SyntaxProblem(f"a name expected at {text[position:]!r}")
    if text.startswith("()", name.end()):
        return _function(name[0]), name.end() + 2
    return name[0], name.end()


def _descent(text: str, position: int) -> tuple[Step, int]:
    if text.startswith("[", position):
        step, position = _bracket(text, position + 1)
    elif text.startswith("*", position):
        step, position = Many(_children, "[*]"), position + 1
    else:
        name = _NAME.match(text, position)
        if name is None:
            raise SyntaxProblem("a path must not end with '..'")
        step, position = name[0], name.end()
    inner = step
    return Many(
        lambda value, walk: (hit for node in _descendants(value, walk) for hit in _apply(node, inner, walk)),
        ".." + str(inner),
    ), position


def _bracket(text: str, position: int) -> tuple[Step, int]:
    if text.startswith("*]", position):
        return Many(_children, "[*]"), position + 2
    if text.startswith("?", position):
        predicate, end = parse_filter(text, position + 1)
        return Many(lambda value, walk: _filtered(value, predicate, walk), "[?]"), _closing(text, end)
    quoted = _QUOTED.match(text, position)
    if quoted is not None:
        return _names(text, position)
    cut = _SLICE.match(text, position)
    if cut is not None:
        start, stop, stride = (whole_number(part) if part else None for part in cut.groups())
        bounds = slice(start, stop, stride or None)
        return Many(lambda value, _walk: _sliced(value, bounds), f"[{cut[0]}]"), _closing(text, cut.end())
    numbers = _NUMBERS.match(text, position)
    if numbers is None:
        raise SyntaxProblem(f"cannot read {text[position - 1 :]!r}")
    indexes = [whole_number(part) for part in numbers[0].split(",")]
    end = _closing(text, numbers.end())
    return (indexes[0] if len(indexes) == 1 else _union(indexes)), end


def _names(text: str, position: int) -> tuple[Step, int]:
    names: list[str] = []
    while True:
        quoted = _QUOTED.match(text, position)
        if quoted is None:
            raise SyntaxProblem(f"a quoted name expected at {text[position:]!r}")
        name = quoted[1] if quoted[1] is not None else quoted[2]
        names.append(re.sub(r"\\(.)", r"\1", name))
        position = quoted.end()
        if not text.startswith(",", position):
            break
        position += 1 + len(text[position + 1 :]) - len(text[position + 1 :].lstrip())
    end = _closing(text, position)
    return (names[0] if len(names) == 1 else _union(names)), end


def _closing(text: str, position: int) -> int:
    if not text.startswith("]", position):
        raise SyntaxProblem(f"']' expected at {text[position:]!r}")
    return position + 1


def _union(parts: list[int] | list[str]) -> Many:
    def find(value: Any, walk: Walk) -> Iterator[Any]:
        for part in parts:
            yield from _apply(value, part, walk)

    return Many(find, f"{parts}")


def _function(name: str) -> Many:
    function = _FUNCTIONS.get(name)
    if function is None:
        raise SyntaxProblem(f"there is no function {name}()")
    call = function
    return Many(lambda value, _walk: iter([call(value)]), f".{name}()")


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "length": lambda value: len(value) if isinstance(value, list | dict | str) else None,
    "keys": lambda value: list(value) if isinstance(value, dict) else None,
}


_MISSING = object()


def _at(value: Any, step: Step) -> Any:
    """Returns the one place that a definite step leads to, or _MISSING."""
    if type(step) is str:
        return value.get(step, _MISSING) if type(value) is dict else _MISSING
    if type(step) is int and type(value) is list and -len(value) <= step < len(value):
        return value[step]
    return _MISSING


def _walk(value: Any, steps: tuple[Step, ...], walk: Walk) -> Iterator[Any]:
    if not steps:
        yield value
        return
    for node in _apply(value, steps[0], walk):
        walk.passes()
        yield from _walk(node, steps[1:], walk)


def _apply(value: Any, step: Step, walk: Walk) -> Iterator[Any]:
    if isinstance(step, Many):
        yield from step.find(value, walk)
    elif isinstance(step, str):
        if isinstance(value, dict) and step in value:
            yield value[step]
    elif isinstance(value, list) and -len(value) <= step < len(value):
        yield value[step]


def _children(value: Any, _: Walk | None = None) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descendants(value: Any, walk: Walk) -> Iterator[Any]:
    """Yields all below, as they stand, each before those below it."""
    ahead = [iter((value,))]
    while ahead:
        for node in ahead[-1]:
            walk.passes()
            yield node
            ahead.append(_children(node))
            break
        else:
            ahead.pop()


def _sliced(value: Any, bounds: slice) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value[bounds]


def _filtered(value: Any, predicate: Predicate, walk: Walk) -> Iterator[Any]:
    candidates = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    for item in candidates:
        walk.asks()
        if predicate(item):
            yield item


def _insert(document: Any, steps: tuple[Step, ...], value: Any) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        if not isinstance(document, dict):
            raise NoSuchPath
        return {**document, step: _insert(document.get(step, {}) if rest else None, rest, value)}
    if not isinstance(document, list) or not isinstance(step, int) or not 0 <= step < len(document):
        raise NoSuchPath
    return [*document[:step], _insert(document[step], rest, value), *document[step + 1 :]]
