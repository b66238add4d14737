"""Errors of the HTTP API as application/problem+json (RFC 9457), with the field named where one is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"

_SHOWN = 64


@dataclass(frozen=True, slots=True)
class FieldError:
    field: str
    message: str


@dataclass(frozen=True)
class Problem(Exception):
    """Raised by a route, answered by the edge."""

    status: HTTPStatus
    detail: str
    errors: Sequence[FieldError] = field(default_factory=tuple)

    def as_json(self) -> str:
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"field": error.field, "message": error.message} for error in self.errors]
        return json.dumps(body, ensure_ascii=False)


def shown(text: str) -> str:
    """Returns what a client sent, short enough to be told back."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def not_found(what: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"{what} does not exist")


def conflict(detail: str) -> Problem:
    return Problem(HTTPStatus.CONFLICT, detail)


def invalid(name: str, message: str) -> Problem:
    return several_invalid([FieldError(name, message)])


def several_invalid(errors: Sequence[FieldError]) -> Problem:
    detail = "; ".join(f"{error.field}: {error.message}" for error in errors)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, tuple(errors))


def not_json() -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "the body is not valid JSON", (FieldError("body", "expected JSON"),))


def unsupported() -> Problem:
    return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected a body of type application/json")


def from_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Makes of pydantic's errors a 400 for a body that is no JSON, else a 422 with each field and what was expected."""
    if any(error["type"] == "json_invalid" for error in errors):
        return not_json()
    return several_invalid([FieldError(_field(error["loc"]), str(error["msg"])) for error in errors])


def _field(location: Sequence[Any]) -> str:
    """`("body", "algorithm")` -> `algorithm`; what has no name of its own is called by where it is, e.g. `body`."""
    inside = [str(part) for part in location[1:] if not isinstance(part, int) or len(location) > 2]
    return ".".join(inside) or str(location[0])
