"""The intrinsic functions: what `States.Format(...)` and its like compute.

Each takes its arguments as a list and raises IntrinsicError with the reason where AWS would fail.
Source: the Developer Guide, "Intrinsic functions for JSONPath states".
"""

import base64
import binascii
import hashlib
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.documents import Json
from local.stepfunctions.asl.documents import decode, distinct, encode, equal, is_number
from local.stepfunctions.asl.scope import Effects

MAX_TEXT = 10_000
MAX_RANGE = 1_000


class IntrinsicError(Exception):
    """The text is the reason."""


@dataclass(frozen=True, slots=True)
class Intrinsic:
    call: Callable[[Sequence[Any], Effects], Any]
    least: int
    most: int | None
    """Number of arguments; None: any number."""


def _array(value: Any, index: int = 0) -> list[Json]:
    if not isinstance(value, list):
        raise IntrinsicError(f"Argument at index {index} must be an array")
    return value


def _text(value: Any, index: int = 0) -> str:
    if not isinstance(value, str):
        raise IntrinsicError(f"Argument at index {index} must be a string")
    return value


def _short(value: Any) -> str:
    text = _text(value)
    if len(text) > MAX_TEXT:
        raise IntrinsicError(f"Argument at index 0 must not be longer than {MAX_TEXT} characters")
    return text


def _integer(value: Any, index: int) -> int:
    """Rounded half up, as Java's Math.round."""
    if not is_number(value) or (isinstance(value, float) and not math.isfinite(value)):
        raise IntrinsicError(f"Argument at index {index} must be a number")
    return _long(value if isinstance(value, int) else math.floor(value + 0.5))


def _long(number: int) -> int:
    """Returns a number that Java's long holds, as all integers of AWS's functions are."""
    if not -(2**63) <= number < 2**63:
        raise IntrinsicError(f"{number} is out of the range of 64-bit integers")
    return number


def array_partition(items: list[Json], chunk: int) -> list[Json]:
    if chunk <= 0:
        raise IntrinsicError("The chunk size must be a positive number")
    return [items[start : start + chunk] for start in range(0, len(items), chunk)]


def array_range(first: int, last: int, step: int) -> list[int]:
    """`last` included."""
    if step == 0:
        raise IntrinsicError("The step must not be 0")
    numbers = range(first, last + (1 if step > 0 else -1), step)
    # len() of a range cannot count beyond a machine word.
    if abs(last - first) // abs(step) >= MAX_RANGE and numbers:
        raise IntrinsicError(f"The range must not have more than {MAX_RANGE} items")
    return list(numbers)


def hash_text(text: str, algorithm: str) -> str:
    names = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
    if algorithm not in names:
        raise IntrinsicError(f"The algorithm must be one of {', '.join(names)}")
    return hashlib.new(names[algorithm], text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def java_text(value: Any) -> str:
    """Prints a value as Java does: how States.Format writes objects and arrays."""
    match value:
        case str():
            return value
        case dict():
            return "{" + ", ".join(f"{name}={java_text(item)}" for name, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(java_text, value)) + "]"
        case _:
            return encode(value)


def _format(arguments: Sequence[Any], _effects: Effects) -> str:
    return format_pieces(_text(arguments[0]).split("{}"), arguments[1:])


def format_pieces(pieces: Sequence[str], values: Sequence[Any]) -> str:
    """States.Format of a template that is cut at each `{}`."""
    if len(pieces) - 1 != len(values):
        raise IntrinsicError("The number of {} must be the number of the arguments that follow the template")
    return pieces[0] + "".join(java_text(value) + piece for value, piece in zip(values, pieces[1:], strict=True))


def _string_to_json(arguments: Sequence[Any], _effects: Effects) -> Any:
    text = _text(arguments[0])
    try:
        return decode(text) if text.strip() else None
    except ValueError as error:
        raise IntrinsicError(f"The string is not JSON: {error}") from error


def _unique(arguments: Sequence[Any], _effects: Effects) -> list[Json]:
    return distinct(_array(arguments[0]))


def _get_item(arguments: Sequence[Any], _effects: Effects) -> Any:
    items, index = _array(arguments[0]), _integer(arguments[1], 1)
    if not 0 <= index < len(items):
        raise IntrinsicError(f"Index {index} is out of bounds")
    return items[index]


def _base64_decode(arguments: Sequence[Any], _effects: Effects) -> str:
    try:
        return base64.b64decode(_short(arguments[0]), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        raise IntrinsicError("The string is not Base64") from error


def _base64_encode(arguments: Sequence[Any], _effects: Effects) -> str:
    return base64.b64encode(_short(arguments[0]).encode("utf-8", "surrogatepass")).decode("ascii")


def _merge(arguments: Sequence[Any], _effects: Effects) -> dict[str, Json]:
    left, right, deep = arguments
    if not isinstance(left, dict) or not isinstance(right, dict):
        raise IntrinsicError("The arguments to merge must be objects")
    if deep is not False:
        raise IntrinsicError("Only shallow merging is supported: the third argument must be false")
    return {**left, **right}


def _math_random(arguments: Sequence[Any], effects: Effects) -> int:
    first, last = _integer(arguments[0], 0), _integer(arguments[1], 1)
    if last <= first:
        raise IntrinsicError("The end of the range must be greater than its start")
    chosen = random.Random(_integer(arguments[2], 2)).random() if len(arguments) == 3 else effects.random()
    return first + int(chosen * (last - first))


def _string_split(arguments: Sequence[Any], _effects: Effects) -> list[str]:
    text, delimiters = _text(arguments[0]), _text(arguments[1], 1)
    if not delimiters:
        return [text] if text else []
    same = text.translate(dict.fromkeys(map(ord, delimiters), delimiters[0]))
    return [part for part in same.split(delimiters[0]) if part]


INTRINSICS: Mapping[str, Intrinsic] = {
    "Array": Intrinsic(lambda a, _: list(a), 0, None),
    "ArrayPartition": Intrinsic(lambda a, _: array_partition(_array(a[0]), _integer(a[1], 1)), 2, 2),
    "ArrayContains": Intrinsic(lambda a, _: any(equal(item, a[1]) for item in _array(a[0])), 2, 2),
    "ArrayRange": Intrinsic(lambda a, _: array_range(*(_integer(x, i) for i, x in enumerate(a))), 3, 3),
    "ArrayGetItem": Intrinsic(_get_item, 2, 2),
    "ArrayLength": Intrinsic(lambda a, _: len(_array(a[0])), 1, 1),
    "ArrayUnique": Intrinsic(_unique, 1, 1),
    "Base64Encode": Intrinsic(_base64_encode, 1, 1),
    "Base64Decode": Intrinsic(_base64_decode, 1, 1),
    "Format": Intrinsic(_format, 1, None),
    "Hash": Intrinsic(lambda a, _: hash_text(a[0] if isinstance(a[0], str) else encode(a[0]), _text(a[1], 1)), 2, 2),
    "JsonMerge": Intrinsic(_merge, 3, 3),
    "JsonToString": Intrinsic(lambda a, _: encode(a[0]), 1, 1),
    "MathAdd": Intrinsic(lambda a, _: _long(_integer(a[0], 0) + _integer(a[1], 1)), 2, 2),
    "MathRandom": Intrinsic(_math_random, 2, 3),
    "StringSplit": Intrinsic(_string_split, 2, 2),
    "StringToJson": Intrinsic(_string_to_json, 1, 1),
    "UUID": Intrinsic(lambda _a, effects: effects.uuid(), 0, 0),
}
