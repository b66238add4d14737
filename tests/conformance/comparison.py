"""How an answer is compared with the one that AWS recorded: the rules of the pack's run.py."""

import json
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

_PLACEHOLDER = r"<[A-Za-z][A-Za-z0-9_ \-./]*(?::\d+)?>"
_MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)"
TOKEN = re.compile(r"\{\{(role|account2?|region|uid:\d+|\d+(?:[.\[|][^{}]*)?)\}\}")
_GENERIC = {"timestamp", "datetime", "date", "time"}
_ENDS = ("ParallelStateSucceeded", "ParallelStateFailed", "ParallelStateAborted", "ParallelStateExited")


def text_matches(expected: str, actual: Any, marks: Collection[str]) -> bool:
    if actual is None or isinstance(actual, dict | list | bool):
        return False
    if expected == actual or expected in _GENERIC or expected in marks:
        return True
    text = actual if isinstance(actual, str) else json.dumps(actual, separators=(",", ":"))
    if re.sub(_MOMENT, "date", text) == expected:
        return True
    expected = TOKEN.sub("<tok>", expected)
    names = sorted((re.escape(mark) for mark in marks if len(mark) > 3), key=len, reverse=True)
    pattern = re.compile("|".join([_PLACEHOLDER, "111111111111", _MOMENT, *names]))
    fixed = [re.escape(part) for part in pattern.split(expected)]
    return len(fixed) > 1 and re.fullmatch(".*?".join(fixed), text, re.DOTALL) is not None


def matches(expected: Any, actual: Any, marks: Collection[str]) -> bool:
    match expected:
        case dict():
            return isinstance(actual, dict) and _members_match(expected, actual, marks)
        case list():
            return (
                isinstance(actual, list)
                and len(expected) == len(actual)
                and all(matches(one, other, marks) for one, other in zip(expected, actual, strict=True))
            )
        case str():
            return text_matches(expected, actual, marks)
        case bool() | None:
            return expected is actual
        case int() | float():
            return isinstance(actual, int | float) and not isinstance(actual, bool) and expected == actual
        case _:
            return bool(expected == actual)


def _members_match(expected: dict[str, Any], actual: dict[str, Any], marks: Collection[str]) -> bool:
    # Names may hold placeholders, too.
    only, other = [name for name in expected if name not in actual], [name for name in actual if name not in expected]
    if len(only) != len(other) or not all(any(text_matches(one, two, marks) for two in other) for one in only):
        return False
    return all(matches(expected[name], actual[name], marks) for name in expected if name in actual)


def document_matches(expected: Any, actual: Any, marks: Collection[str]) -> bool:
    """JSON in a string: the recording decoded its first level only."""
    if expected is None or actual is None:
        return expected is actual
    if not isinstance(actual, str):
        return matches(expected, actual, marks)
    decoded = _decoded(actual)
    if isinstance(expected, str):
        inner = _decoded(expected)
        both = decoded is not _NO_JSON and inner is not _NO_JSON
        return (both and matches(inner, decoded, marks)) or text_matches(expected, actual, marks)
    return decoded is not _NO_JSON and matches(expected, decoded, marks)


_NO_JSON = object()


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return _NO_JSON


def response_matches(expected: Any, actual: Any, marks: Collection[str]) -> bool:
    """A whole response: objects level by level, strings as documents."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return set(expected) == set(actual) and all(
            response_matches(expected[name], actual[name], marks) for name in expected
        )
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(
            response_matches(one, other, marks) for one, other in zip(expected, actual, strict=True)
        )
    return document_matches(expected, actual, marks)


def ends_match(expected: dict[str, Any], actual: dict[str, Any], marks: Collection[str]) -> tuple[bool, bool]:
    """(status, output and error, the cause)."""
    output = True
    if "output" in expected or (actual.get("output") is not None and expected.get("status") == "SUCCEEDED"):
        output = document_matches(expected.get("output"), actual.get("output"), marks)
    same = expected.get("status") == actual.get("status") and output
    error = matches(expected.get("error"), actual.get("error"), marks)
    return same and error, document_matches(expected.get("cause"), actual.get("cause"), marks)


def events_match(expected: Sequence[str], actual: Sequence[str], *, unordered: bool) -> bool:
    if unordered:
        return _counted(expected) == _counted(actual)
    return _ordered(expected) == _ordered(actual)


def _counted(types: Sequence[str]) -> tuple[Sequence[str], Sequence[str], Counter[str]]:
    kept = (kind for kind in types if kind not in ("ParallelStateSucceeded", "ParallelStateExited"))
    return types[:1], types[-1:], Counter(kept)


def _ordered(types: Sequence[str]) -> list[str]:
    """Inside a Parallel state no order is promised."""
    out: list[str] = []
    inside: list[str] = []
    depth = 0
    for kind in types:
        if kind == "ParallelStateStarted":
            depth += 1
            if depth == 1:
                out.append(kind)
                continue
        if depth and kind in _ENDS:
            depth -= 1
            if depth == 0:
                out += [*sorted(inside), kind]
                inside = []
                continue
        (inside if depth else out).append(kind)
    return out + sorted(inside)
