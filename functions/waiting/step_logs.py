"""What the jobs of a run's steps have written to CloudWatch Logs: the failed step first, the last lines last."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws import times
from functions.aws.services import error_code
from functions.waiting import pipeline_runs

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import OutputLogEventTypeDef
    from mypy_boto3_sagemaker.type_defs import PipelineExecutionStepTypeDef

    from functions.aws.services import Services

MAX_STREAMS = 20
"""Of one job: one an instance, and one a process beside it."""

_GROUPS = {
    "ProcessingJob": "/aws/sagemaker/ProcessingJobs",
    "TrainingJob": "/aws/sagemaker/TrainingJobs",
    "TransformJob": "/aws/sagemaker/TransformJobs",
}


class AfterInvalid(ValueError):
    """`after` is not one that an answer told."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far somebody has read: all before a millisecond, and so many lines of it."""

    milliseconds: int
    lines: int

    def __str__(self) -> str:
        return f"{self.milliseconds}.{self.lines}"


@dataclass(frozen=True, slots=True)
class StepLog:
    """A step that ran a job, and where that job writes."""

    step: str
    status: str
    group: str
    job_name: str


@dataclass(frozen=True, slots=True)
class Line:
    milliseconds: int
    message: str
    stream: str

    def as_dict(self) -> dict[str, str]:
        return {"time": times.of_milliseconds(self.milliseconds), "stream": self.stream, "message": self.message}


def read_place(text: str) -> Place:
    """Raises AfterInvalid."""
    milliseconds, _, lines = text.partition(".")
    if not (milliseconds.isdigit() and lines.isdigit() and len(text) <= 32):
        raise AfterInvalid("expected the `next` of an earlier answer")
    return Place(int(milliseconds), int(lines))


def steps(execution: str, services: Services) -> list[StepLog]:
    """Returns the steps of a pipeline execution that ran jobs: those that failed, then the others, the latest first."""
    logs = [log for step in pipeline_runs.steps_of(execution, services) if (log := _log(step))]
    latest_first = logs[::-1]
    return sorted(latest_first, key=lambda log: log.status != "Failed")


def _log(step: PipelineExecutionStepTypeDef) -> StepLog | None:
    metadata: Mapping[str, Any] = step.get("Metadata", {})
    for kind, group in _GROUPS.items():
        arn = (metadata.get(kind) or {}).get("Arn")
        if arn:
            return StepLog(step["StepName"], step.get("StepStatus", ""), group, str(arn).rsplit("/", 1)[-1])
    return None


def tail(log: StepLog, limit: int, services: Services) -> list[Line]:
    """Returns the last lines of a step's job, oldest first, of all its streams together."""
    lines = [line for stream in _streams(log, services) for line in _lines(log, stream, services, limit, None)]
    return sorted(lines, key=lambda line: line.milliseconds)[-limit:]


def following(log: StepLog, place: Place, limit: int, services: Services) -> list[Line]:
    """Returns the lines of a step's job from a place on, oldest first."""
    each = [
        _lines(log, stream, services, limit + place.lines, place.milliseconds) for stream in _streams(log, services)
    ]
    merged = heapq.merge(*each, key=lambda line: line.milliseconds)
    seen = 0
    lines = []
    for line in islice(merged, limit + place.lines):
        if line.milliseconds == place.milliseconds and seen < place.lines:
            seen += 1
        else:
            lines.append(line)
    return lines[:limit]


def place_after(lines: list[Line], before: Place | None) -> Place:
    """Returns how far somebody has read who has read `lines` from `before` on."""
    if not lines:
        return before or Place(0, 0)
    last = lines[-1].milliseconds
    count = sum(line.milliseconds == last for line in lines)
    return Place(last, count + (before.lines if before and before.milliseconds == last else 0))


def _streams(log: StepLog, services: Services) -> Iterator[str]:
    pages = services.logs.get_paginator("describe_log_streams").paginate(
        logGroupName=log.group, logStreamNamePrefix=f"{log.job_name}/"
    )
    try:
        yield from islice((stream["logStreamName"] for page in pages for stream in page["logStreams"]), MAX_STREAMS)
    except ClientError as error:
        # The job has written nothing yet, and nobody before it.
        if error_code(error) != "ResourceNotFoundException":
            raise


def _lines(log: StepLog, stream: str, services: Services, limit: int, begin: int | None) -> list[Line]:
    """Returns lines of one stream: the last ones, or those from a millisecond on."""
    where: dict[str, Any] = {"startFromHead": False} if begin is None else {"startFromHead": True, "startTime": begin}
    response = services.logs.get_log_events(logGroupName=log.group, logStreamName=stream, limit=limit, **where)
    return [_line(event, stream) for event in response["events"]]


def _line(event: OutputLogEventTypeDef, stream: str) -> Line:
    return Line(event["timestamp"], event["message"].rstrip("\n"), stream.partition("/")[2])
