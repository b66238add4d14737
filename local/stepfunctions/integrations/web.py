"""HTTP requests that tasks make themselves: `apigateway:invoke` and `http:invoke`."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3

from local.documents import Json
from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import MAX_BYTES, decode
from local.stepfunctions.integrations import shapes
from local.stepfunctions.integrations.task import TaskError, Unreachable

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: Pairs
    query: Pairs
    body: bytes | None
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    reason: str
    headers: Mapping[str, list[str]]
    body: Any
    """The JSON value, or the text of what is no JSON."""

    def told(self) -> dict[str, Json]:
        return {
            "Headers": dict(self.headers),
            "ResponseBody": self.body,
            "StatusCode": self.status,
            "StatusText": self.reason,
        }


def pairs(members: Any) -> Pairs:
    """Makes pairs of an object whose values are texts, or lists of them."""
    parts: Pairs = []
    for name, value in (members or {}).items():
        parts += [(name, _text(text)) for text in (value if isinstance(value, list) else [value])]
    return parts


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@functools.cache
def _http() -> urllib3.PoolManager:
    return urllib3.PoolManager(retries=False, maxsize=8)


def send(request: Request, prefix: str) -> Answer:
    """Any status is an answer. Raises TaskError; `prefix` begins the error of a server that cannot be reached."""
    headers = urllib3.HTTPHeaderDict(request.headers)
    if request.body is not None and "content-type" not in headers:
        headers.add("Content-Type", "application/json")
    url = request.url + (("&" if "?" in request.url else "?") + urlencode(request.query) if request.query else "")
    timeout = urllib3.Timeout(connect=5, read=request.seconds)
    try:
        response = _http().request(
            request.method, url, body=request.body, headers=headers, redirect=False, preload_content=False,
            timeout=timeout,
        )  # fmt: skip
        content = shapes.body(response, MAX_BYTES)
    except Unreachable as error:
        raise Unreachable(f"{prefix}.ConnectionError", error.cause) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Unreachable(f"{prefix}.{type(error).__name__}", str(error)) from error
    if content is None:
        raise TaskError(
            errors.DATA_LIMIT_EXCEEDED,
            f"The state/task '{prefix.lower()}' returned a result with a size exceeding the maximum number of bytes "
            "service limit.",
        )
    named: dict[str, list[str]] = {}
    for name, value in response.headers.items():
        named.setdefault(name, []).append(value)
    return Answer(response.status, response.reason or "", named, _value(content))


def _value(content: bytes) -> Any:
    text = content.decode("utf-8", "replace")
    try:
        return decode(text)
    except ValueError:
        return text
