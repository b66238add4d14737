"""Why a job failed: from what a state machine caught to what a person reads, a code and a sentence without JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.jobs import errors
from functions.jobs.job import Status

MAX_MESSAGE = 4096
"""Bytes of UTF-8."""

_SENTENCES = {
    "States.Timeout": "the step did not finish in time",
    "States.HeartbeatTimeout": "the step gave no sign of life in time",
    "States.DataLimitExceeded": "a step's result is larger than Step Functions carries",
    "States.Permissions": "the state machine may not do this step: a permission is missing",
    "Lambda.Unknown": "a function ended without telling why: it ran out of memory or time",
    "Sandbox.Timedout": "a function did not finish in time",
}


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    message: str

    @property
    def status(self) -> Status:
        """What becomes of its job: what a person ended on purpose is no failure."""
        return Status.STOPPED if self.code in errors.STOPPING_CODES else Status.FAILURE

    @property
    def answerable(self) -> str:
        """Whom it is told: "user" where nothing is broken, "operator" where somebody has something to mend."""
        return "user" if self.code in errors.STOPPING_CODES | errors.USER_CODES else "operator"

    def as_dict(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message}


def read(caught: Any) -> Failure:
    """Reads the failure in what a Catch put into the state: `{"Error": ..., "Cause": ...}`, or a plain sentence."""
    if not isinstance(caught, Mapping):
        return Failure("JobFailed", shorten(str(caught or "") or "the job failed, and nothing tells why"))
    error = str(caught.get("Error") or "JobFailed")
    cause = str(caught.get("Cause") or "").strip()
    told = _from_json(cause)
    if told is None:
        return Failure(_code(error, error), shorten(_sentence(error, cause)))
    kind = str(told.get("errorType") or "")
    code = _code(kind, error)
    text = str(told.get("errorMessage") or told.get("Message") or told.get("message") or "")
    return Failure(code, shorten(_sentence(code, _in_words(code, text))))


def _from_json(cause: str) -> Mapping[str, Any] | None:
    """Lambda's error object; for one that was reported inside another, the innermost."""
    try:
        value = json.loads(cause) if cause.startswith("{") else None
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    inner = _from_json(str(value.get("errorMessage", "")).strip())
    return inner if inner and "errorMessage" in inner else value


def _code(kind: str, error: str) -> str:
    """Returns the class name Lambda reports; where a runtime hides that (Runtime.*), the name Step Functions caught."""
    chosen = kind if kind and not kind.startswith("Runtime.") else error
    return chosen.removeprefix("Runtime.")


def _in_words(code: str, text: str) -> str:
    """Our own errors are sentences already. Of a foreign one, its class name says more than, say, the text `'Name'`."""
    own = code in errors.own_codes() or code == "HandlerError"
    return text if own or not text or " " in text.strip() else f"{code}: {text}"


def _sentence(code: str, text: str) -> str:
    if text and not text.startswith(("{", "[")):
        return text if code not in {"Sandbox.Timedout"} else _SENTENCES[code]
    return _SENTENCES.get(code, f"a step failed with {code}, and nothing more is told")


def shorten(message: str) -> str:
    """Cuts a message to at most 4 KB of UTF-8, at a whole character."""
    raw = message.encode(errors="replace")
    return message if len(raw) <= MAX_MESSAGE else raw[: MAX_MESSAGE - 3].decode(errors="ignore") + "..."
