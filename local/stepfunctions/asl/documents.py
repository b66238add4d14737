"""JSON as Step Functions handles it: a value, and the text it was written as."""

import json
import math
from collections.abc import Iterable
from typing import Any, NamedTuple, NoReturn

from local.documents import Json

MAX_BYTES = 262_144
"""Of an input, an output or a result (AWS quota)."""

MAX_DEPTH = 150
"""Of nesting: what is compiled and evaluated by recursion must not exhaust the interpreter's stack."""

encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""A value as AWS writes it: without white space."""


class Document(NamedTuple):
    value: Any
    text: str
    """As it came, so that an input passed on unchanged keeps its white space."""

    @classmethod
    def of(cls, value: Any) -> "Document":
        return cls(value, encode(value))


EMPTY = Document({}, "{}")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is out of range")
    return number


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)


def decode(text: str) -> Any:
    """Raises ValueError, also for a text nested too deep to be worked on."""
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("the JSON text is nested too deep") from error
    if too_deep(value, text):
        raise ValueError(f"the JSON text is nested more than {MAX_DEPTH} levels deep")
    return value


def too_deep(value: Any, text: str) -> bool:
    """Tells whether a value, whose text this is, nests too deep."""
    return text.count("[") + text.count("{") > MAX_DEPTH and _nests(value)


def _nests(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for node in level
            if isinstance(node, dict | list)
            for item in (node.values() if isinstance(node, dict) else node)
        ]
    return any(isinstance(node, dict | list) for node in level)


def size(text: str) -> int:
    """Returns bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def type_name(value: Any) -> str:
    """Returns the name of a value's JSON type, in AWS's messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def equal(left: Any, right: Any) -> bool:
    """Compares as Jackson does: true is not 1, and 1 is not 1.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(value, right[name]) for name, value in left.items())
    return bool(left == right)


def distinct(items: Iterable[Any], *, alike: bool = False) -> list[Json]:
    """Returns the first of each that are `equal`. `alike`: 1 and 1.0 are, too.

    By hashes: to compare each with each takes minutes for as many as an input may have.
    """
    kept: dict[Any, Any] = {}
    for item in items:
        kept.setdefault(_key(item, alike=alike), item)
    return list(kept.values())


def _key(value: Any, *, alike: bool) -> Any:
    """Equal keys for equal values."""
    if isinstance(value, dict):
        return dict, frozenset((name, _key(item, alike=alike)) for name, item in value.items())
    if isinstance(value, list):
        return list, tuple(_key(item, alike=alike) for item in value)
    if isinstance(value, int | float):
        return (float if alike and not isinstance(value, bool) else type(value)), value
    return value
