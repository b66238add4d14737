"""From what a state machine caught to what a person reads: a code, and a sentence without JSON around it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.aws import times
from functions.jobs import errors, ids, jobs
from functions.jobs.errors import EventNotUnderstood
from functions.jobs.jobs import Kind, Status
from functions.uploads import claims

if TYPE_CHECKING:
    from functions.aws.services import Services

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

    def as_dict(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True, slots=True)
class Recorded:
    job_id: str
    failure: Failure


def read(caught: Any) -> Failure:
    """The failure in what a Catch put into the state: `{"Error": ..., "Cause": ...}`, or a plain sentence."""
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
    """The class name Lambda reports; where a runtime hides that (Runtime.*), the name Step Functions caught."""
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
    """At most 4 KB of UTF-8, cut at a whole character."""
    raw = message.encode(errors="replace")
    return message if len(raw) <= MAX_MESSAGE else raw[: MAX_MESSAGE - 3].decode(errors="ignore") + "..."


def record(event: Mapping[str, Any], services: Services) -> Recorded:
    """Moves the job of a failed execution to FAILURE; a job that is over, or another execution's, is left alone.

    A repeat finds the job at FAILURE and changes nothing.
    """
    state, execution = event.get("state") or {}, str(event["execution"])
    failure = read(state.get("failure") if isinstance(state, Mapping) else None)
    identity = identify(event.get("input"), execution, services, job_id=_job_id(state))
    write(identity, execution, failure, services)
    return Recorded(identity.job_id, failure)


def write(identity: claims.Identity, execution: str, failure: Failure, services: Services) -> None:
    """FAILURE onto the job's row, which is made if there is none; a job that is not this execution's stays as it is."""
    if identity.anothers:
        return
    job = jobs.new(
        identity.job_id,
        identity.kind,
        Status.FAILURE,
        times.iso(services.now()),
        algorithm=identity.algorithm,
        source=identity.source,
        execution=execution,
        etag=identity.etag,
        error=failure.as_dict(),
    )
    if jobs.create(services, job) is not None:
        jobs.fail(services, identity.job_id, execution, failure.as_dict())


def _job_id(told: Any) -> str | None:
    """The id in a state's data or in an execution's input, if there is one."""
    job_id = told.get("job_id") if isinstance(told, Mapping) else None
    return job_id if isinstance(job_id, str) and ids.is_job_id(job_id) else None


def identify(event: Any, execution: str, services: Services, *, job_id: str | None = None) -> claims.Identity:
    """The job an execution with the input `event` was about: told by `job_id`, else found as `claim` finds it."""
    known = job_id or _job_id(event)
    there = jobs.get(services, known) if known else None
    if there is not None:
        return claims.Identity(there.job_id, there.kind, there.algorithm, there.source, there.etag)
    try:
        return claims.identify(event, execution, services)
    except EventNotUnderstood:
        # Not about any upload. The execution gets a row under an id of its own, so that the failure is not lost.
        return claims.Identity(ids.derived("execution", execution, ""), _kind(execution), None, None)


def _kind(execution: str) -> Kind:
    """Of the jobs that the state machine of an execution (its ARN) works on."""
    machines = {"-face-processing:": Kind.FACE, "-chained-inference:": Kind.CHAIN}
    return next((kind for machine, kind in machines.items() if machine in execution), Kind.TRAINING)
