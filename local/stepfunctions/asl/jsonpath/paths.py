"""JSONPath, as far as AWS takes it: Jayway's dialect and its messages.

A path whose every step names one place is definite and gives that place's value; any other gives the list of what it
finds. `filters.py` is the language inside `[?( )]`.

| taken | means | source |
|---|---|---|
| `.a`, `['a']`, `["a"]`, `.['a']` | a member | Jayway; AWS, amazon-states-language-paths, writes the last |
| `[0]`, `[-1]`, `.[0]` | an item | Jayway (PathCompiler) |
| `['a','b']` | at the end an object of those members, before it each in turn | Jayway (PropertyPathToken) |
| `[0,2]`, `[1:3]`, `[:-1]`, `[*]`, `.*`, `..a` | many places | Jayway |
| `[?(@.x > 0)]` | the items that a filter takes | Jayway |
| `.length()`, `.keys()` | a function of the place | Jayway |
| in a name a backslash before a character, or `u` and four digits | that character | ASL, Reference Paths |
| blanks around a path and inside brackets | nothing | Jayway |
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from local.stepfunctions.asl.errors import SyntaxProblem
from local.stepfunctions.asl.jsonpath.filters import Predicate, parse_filter, whole_number

_NAME = re.compile(r"(?:\\u[0-9A-Fa-f]{4}|\\.|[^\s.\[\]()'\",\\])+")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))")
_BLANKS = re.compile(r"\s*")
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
_SLICE = re.compile(r"(-?\d+)?\s*:\s*(-?\d+)?(?:\s*:\s*(\d+))?")
_NUMBERS = re.compile(r"-?\d+(?:\s*,\s*-?\d+)*")


class NoSuchPath(Exception):
    """A definite path leads nowhere; the text is Jayway's."""


class TooManyPlaces(Exception):
    """A path would go on for too long."""


class Walk:
    """One reading of a path that may lead to many places, and how far it has come."""

    __slots__ = ("_left", "_until", "root")

    def __init__(self, root: Any) -> None:
        self.root = root
        """What a filter's `$` is."""
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


@dataclass(frozen=True, slots=True)
class Members:
    """Several members of an object: an object of them, where nothing follows."""

    names: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"[{','.join(map(quoted, self.names))}]"

    def of(self, value: Any) -> Any:
        """Returns the object; _MISSING of what has no members."""
        if type(value) is not dict:
            return _MISSING
        return {name: value[name] for name in self.names if name in value}


Step = str | int | Many | Members


@dataclass(frozen=True, slots=True)
class Path:
    steps: tuple[Step, ...]
    definite: bool

    def read(self, document: Any) -> Any:
        """Raises NoSuchPath, TooManyPlaces and PatternTooSlow."""
        if not self.definite:
            return list(_walk(document, self.steps, Walk(document)))
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
        return "$" + "".join(_text(step) for step in self.steps)

    @property
    def is_reference(self) -> bool:
        """Reference Path: it names one place, without counting from an end."""
        return all(isinstance(step, str) or (isinstance(step, int) and step >= 0) for step in self.steps)

    def insert(self, document: Any, value: Any) -> Any:
        """Returns a copy of `document` with `value` at this place, made where it was not. Raises NoSuchPath."""
        return _insert(document, self.steps, value)


@lru_cache(maxsize=4096)
def parse(text: str) -> Path:
    """Returns what follows the `$`. Raises SyntaxProblem."""
    text = text.strip()
    steps: list[Step] = []
    position = 0
    while position < len(text):
        step, position = _step(text, position)
        steps.append(step)
    # Members are one object at the end alone.
    steps[:-1] = [_each(step) if isinstance(step, Members) else step for step in steps[:-1]]
    return Path(tuple(steps), all(not isinstance(step, Many) for step in steps))


def quoted(name: str) -> str:
    """Returns a name as it stands between brackets."""
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _text(step: Step) -> str:
    if isinstance(step, Many | Members):
        return step.text
    return f"[{quoted(step)}]" if isinstance(step, str) else f"[{step}]"


def _each(members: Members) -> Many:
    """Returns the step to several members, one after the other."""

    def find(value: Any, walk: Walk) -> Iterator[Any]:
        for name in members.names:
            yield from _apply(value, name, walk)

    return Many(find, members.text)


def _step(text: str, position: int) -> tuple[Step, int]:
    if text.startswith("..", position):
        return _descent(text, position + 2)
    if text[position] == "[":
        return _bracket(text, position + 1)
    if text[position] != ".":
        raise SyntaxProblem(f"'.' or '[' expected at {text[position:]!r}")
    position += 1
    if text.startswith("[", position):
        return _bracket(text, position + 1)
    if text.startswith("*", position):
        return Many(_children, "[*]"), position + 1
    name = _NAME.match(text, position)
    if name is None:
        raise SyntaxProblem(f"a name expected at {text[position:]!r}")
    if text.startswith("()", name.end()):
        return _function(name[0]), name.end() + 2
    return unescaped(name[0]), name.end()


def unescaped(name: str) -> str:
    """Returns a name without its escapes; two that are a surrogate pair are one character."""
    if "\\" not in name:
        return name
    plain = _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[2], name)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _descent(text: str, position: int) -> tuple[Step, int]:
    if text.startswith("[", position):
        step, position = _bracket(text, position + 1)
    elif text.startswith("*", position):
        step, position = Many(_children, "[*]"), position + 1
    else:
        name = _NAME.match(text, position)
        if name is None:
            raise SyntaxProblem("a path must not end with '..'")
        step, position = unescaped(name[0]), name.end()
    inner = _each(step) if isinstance(step, Members) else step
    return Many(
        lambda value, walk: (hit for node in _descendants(value, walk) for hit in _apply(node, inner, walk)),
        ".." + _text(inner),
    ), position


def _bracket(text: str, position: int) -> tuple[Step, int]:
    position = _blanks(text, position)
    if text.startswith("*", position):
        return Many(_children, "[*]"), _closing(text, position + 1)
    if text.startswith("?", position):
        start = position
        predicate, end = parse_filter(text, _blanks(text, position + 1))
        step = Many(lambda value, walk: _filtered(value, predicate, walk), f"[{text[start:end]}]")
        return step, _closing(text, end)
    if _QUOTED.match(text, position) is not None:
        return _names(text, position)
    cut = _SLICE.match(text, position)
    if cut is not None:
        start_at, stop, stride = (whole_number(part) if part else None for part in cut.groups())
        bounds = slice(start_at, stop, stride or None)
        return Many(lambda value, _walk: _sliced(value, bounds), f"[{cut[0]}]"), _closing(text, cut.end())
    numbers = _NUMBERS.match(text, position)
    if numbers is None:
        raise SyntaxProblem(f"cannot read {text[position - 1 :]!r}")
    indexes = [whole_number(part) for part in numbers[0].split(",")]
    return (indexes[0] if len(indexes) == 1 else _union(indexes)), _closing(text, numbers.end())


def _names(text: str, position: int) -> tuple[Step, int]:
    names: list[str] = []
    while True:
        match = _QUOTED.match(text, position)
        if match is None:
            raise SyntaxProblem(f"a quoted name expected at {text[position:]!r}")
        names.append(unescaped(match[1] if match[1] is not None else match[2]))
        position = _blanks(text, match.end())
        if not text.startswith(",", position):
            break
        position = _blanks(text, position + 1)
    return (names[0] if len(names) == 1 else Members(tuple(names))), _closing(text, position)


def _blanks(text: str, position: int) -> int:
    blanks = _BLANKS.match(text, position)
    return blanks.end() if blanks is not None else position


def _closing(text: str, position: int) -> int:
    position = _blanks(text, position)
    if not text.startswith("]", position):
        raise SyntaxProblem(f"']' expected at {text[position:]!r}")
    return position + 1


def _union(parts: list[int]) -> Many:
    def find(value: Any, walk: Walk) -> Iterator[Any]:
        for part in parts:
            yield from _apply(value, part, walk)

    return Many(find, f"[{','.join(map(str, parts))}]")


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
    if type(step) is Members:
        return step.of(value)
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
    elif isinstance(step, Members):
        if isinstance(value, dict):
            yield step.of(value)
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
        if predicate(item, walk.root):
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
