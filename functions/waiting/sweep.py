"""The reconciling sweep: resolves waits whose event was lost, by asking what they wait for. Safe to run at any time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from functions.aws import locations, times
from functions.aws.log import logger
from functions.aws.services import error_code, is_no_object
from functions.jobs import jobs
from functions.waiting import endpoints, inference, pipeline_runs, place, stopping, waits
from functions.waiting.waits import Resolution, Wait, WaitKind

if TYPE_CHECKING:
    from functions.aws.services import Services

BATCH = 1000
"""Waits looked at in one run."""

YOUNG = timedelta(minutes=2)
"""A wait of less than this age is left to its event."""

_MAX_FAILURE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Swept:
    """How many waits: seen, resolved, deleted because they had expired, and left because asking about them failed."""

    seen: int
    resolved: int
    expired: int
    unanswered: int


def sweep(services: Services, has_time: Callable[[], bool]) -> Swept:
    """Looks at up to 1000 waits while `has_time`, beginning where the last run stopped.

    A wait that cannot be resolved now is left until the runs have gone through the table and begin anew.
    """
    before = place.read(services)
    last, counts = before, Counter[str]()
    waiting = waits.everything(services, before)
    try:
        for wait in islice(waiting, BATCH):
            if not has_time():
                break
            # Also of a wait that ends the run with an error: the next run goes on behind it.
            last = wait.wait_id
            counts.update(("seen", _sweep_one(services, wait)))
        else:
            last = last if counts["seen"] == BATCH else None
    finally:
        if last != before:
            place.keep(services, last)
    return Swept(counts["seen"], counts["resolved"], counts["expired"], counts["unanswered"])


def _sweep_one(services: Services, wait: Wait) -> str:
    now = services.now()
    if wait.expires_at <= times.epoch(now):
        # Its state has timed out by itself. DynamoDB's TTL would delete the row too, some day.
        waits.forget(services, wait)
        return "expired"
    if is_young(wait, now) and wait.kind is not WaitKind.STOP:
        return ""
    try:
        return "resolved" if _resolve(services, wait) else ""
    except ClientError as error:
        logger.warning("a wait cannot be looked into", extra={"wait_id": wait.wait_id, "answer": error_code(error)})
        return "unanswered"


def is_young(wait: Wait, now: datetime) -> bool:
    return now - times.parse(wait.created.split("#")[0]) < YOUNG


def _resolve(services: Services, wait: Wait) -> bool:
    match wait.kind:
        case WaitKind.PIPELINE:
            return _resolve_pipeline(services, wait)
        case WaitKind.STOP:
            return stopping.carry_on(wait, services)
        case WaitKind.ENDPOINT:
            return endpoints.settle(services, wait.endpoint or "", wait) > 0
        case WaitKind.INFERENCE:
            resolution = _inference_outcome(services, wait)
            if resolution is not None:
                inference.resolve(services, wait, resolution)
            return resolution is not None


def _resolve_pipeline(services: Services, wait: Wait) -> bool:
    job = jobs.get(services, wait.job_id)
    execution = job.links.get("pipeline_execution") if job else None
    return execution is not None and pipeline_runs.resolve_if_ended(wait, execution, services)


def _inference_outcome(services: Services, wait: Wait) -> Resolution | None:
    """Returns the end of an inference as its output or failure object tells it; None while there is neither."""
    if wait.output and _size(services, wait.output) is not None:
        return inference.completed(wait.output)
    if wait.failure and _size(services, wait.failure) is not None:
        bucket, key = locations.split_uri(wait.failure)
        response = services.s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{_MAX_FAILURE - 1}")
        return inference.failed(response["Body"].read().decode(errors="replace"))
    return None


def _size(services: Services, uri: str) -> int | None:
    """Bytes of an object; None if it is not there."""
    bucket, key = locations.split_uri(uri)
    try:
        return services.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    except ClientError as error:
        if is_no_object(error):
            return None
        raise
