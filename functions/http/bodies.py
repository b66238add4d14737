"""Bodies: a request's as JSON, within bounds that everything behind it can bear, or as it came."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

MAX_NESTING = 32
"""Lists and objects inside each other; the API itself asks for two."""


def parse(text: str) -> Any:
    """Reads the value of a JSON text.

    Raises:
        json.JSONDecodeError: it is no JSON, is nested too deeply, holds an integer of thousands of digits, or half a
            surrogate pair, which no UTF-8 can carry on.
    """
    try:
        value = json.loads(text)
        _check(value, text)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise json.JSONDecodeError(str(error), text, 0) from error
    return value


def _check(value: Any, text: str) -> None:
    """Level by level rather than recursively: the depth is what is in question."""
    level = [value]
    for _ in range(MAX_NESTING + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise json.JSONDecodeError(f"more than {MAX_NESTING} lists and objects inside each other", text, 0)


def _inside(value: Any) -> list[Any]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
        case _:
            return []


def raw(event: Mapping[str, Any]) -> bytes:
    """Returns the bytes that a client sent."""
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else str(body).encode()


def as_answered(body: bytes) -> str | bytes:
    """Returns text as it is; everything else is base64 on its way through API Gateway."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body
