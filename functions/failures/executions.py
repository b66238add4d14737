"""Executions that ended without their own failure path: stopped, out of time, or broken off by Step Functions.

Nothing in such an execution ran any more to record its end. EventBridge tells of it, and `record_failure` writes what
the state RecordFailure would have written, and notifies as NotifyFailure would have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.failures import failures
from functions.failures.failures import Recorded
from functions.jobs import failure, ids, jobs
from functions.jobs.errors import EventNotUnderstood
from functions.jobs.failure import Failure
from functions.jobs.job import Status
from functions.uploads import events
from functions.waiting import stopping

if TYPE_CHECKING:
    from functions.aws.services import Services
    from functions.uploads.claims import Identity

_OWN_FAIL_STATE = "JobFailed"
"""Error of the state `Failed`, in which the failure path of every state machine ends."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An execution that ended without success."""

    execution: str
    """Its ARN."""
    status: str
    """FAILED, TIMED_OUT or ABORTED."""
    error: str
    cause: str
    input: Any
    """As JSON; None when it is too large for an event."""

    @property
    def name(self) -> str:
        return self.execution.rsplit(":", 1)[-1]


def read(detail: Mapping[str, Any]) -> Ended:
    """Reads the detail of a `Step Functions Execution Status Change`.

    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """
    return Ended(
        execution=str(detail["executionArn"]),
        status=str(detail["status"]),
        error=str(detail.get("error") or ""),
        cause=str(detail.get("cause") or "").strip(),
        input=_input(detail.get("input")),
    )


def _input(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        # Step Functions took it for JSON, so it is JSON that no function of ours could have read either.
        return None


def record(detail: Mapping[str, Any], services: Services) -> Recorded | None:
    """Moves the job of an execution that ended to its end and notifies; None when there was nothing left to do.

    That is so when the execution recorded its end itself, and when its job is another execution's. Published first:
    a crash before the row is written repeats both, and a failure told twice is better than one that nobody hears of.
    """
    ended = read(detail)
    identity = _identify(ended, services)
    if not _is_open(identity, ended.execution, services):
        _stop_below(identity, ended.execution, services)
        return None
    reason = explain(ended)
    _notify(Recorded(identity.job_id, reason), ended.execution, services)
    failures.write(identity, ended.execution, reason, services)
    return Recorded(identity.job_id, reason)


def explain(ended: Ended) -> Failure:
    """Returns why it ended, as a code and a sentence."""
    match ended.status:
        case "ABORTED":
            told = ": ".join(filter(None, (ended.error, ended.cause)))
            text = "the execution was stopped" + (f" ({told})" if told else "")
            return Failure("ExecutionStopped", failure.shorten(text))
        case "TIMED_OUT":
            return Failure("ExecutionTimedOut", "the execution took longer than its limit")
        case _:
            return _explain_failed(ended)


def _explain_failed(ended: Ended) -> Failure:
    if ended.error == _OWN_FAIL_STATE:
        text = "the execution failed and could not write down why: its history in Step Functions tells"
        return Failure(_OWN_FAIL_STATE, text)
    if ended.input is not None:
        try:
            events.parse(ended.input)
        except EventNotUnderstood as error:
            # What Step Functions says of an input such as `5` is about JSON paths, which helps nobody.
            return Failure(type(error).__name__, failure.shorten(str(error)))
    return failure.read({"Error": ended.error or "ExecutionFailed", "Cause": ended.cause})


def _identify(ended: Ended, services: Services) -> Identity:
    # An execution that we start ourselves has its job's id for a name, which tells even where the input does not.
    named = ended.name if ended.input is None and ids.is_job_id(ended.name) else None
    return failures.identify(ended.input, ended.execution, services, job_id=named)


def _is_open(identity: Identity, execution: str, services: Services) -> bool:
    """Tells whether the job is this execution's to fail: neither over nor another's."""
    if identity.anothers:
        return False
    job = jobs.get(services, identity.job_id)
    return job is None or (not job.status.final and job.links.get("execution") in {None, execution})


def _stop_below(identity: Identity, execution: str, services: Services) -> None:
    """Stops what may still run of a job that is over: the API's stop, or an earlier try of this, may not have come to
    it.
    """
    job = None if identity.anothers else jobs.get(services, identity.job_id)
    if job is not None and job.status is not Status.SUCCESS and job.links.get("execution") == execution:
        stopping.stop_below(job, services)


def _notify(recorded: Recorded, execution: str, services: Services) -> None:
    """Publishes what the state NotifyFailure would."""
    status = recorded.failure.status.value
    message = {"status": status, "job_id": recorded.job_id, **recorded.failure.as_dict(), "execution": execution}
    services.sns.publish(TopicArn=services.settings.jobs_topic_arn, Message=json.dumps(message))
