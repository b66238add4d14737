"""The records of an execution: AWS's history events, and marks.

A mark remembers what a replay needs and AWS's history does not say, such as until when a Wait waits. It has no id and
is never shown.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from local.documents import Json

MAX_EVENTS = 25_000
MAX_EXPRESS_EVENTS = 200_000
"""AWS has none for Express, which ends after five minutes; a loop that never waits would not end before that here."""
WHOLE: Mapping[str, bool] = {"truncated": False}
"""The `inputDetails` and `outputDetails` of a text that is not cut."""


class EventType(StrEnum):
    """Those that do not name a type of state; `<Type>StateEntered`, `-Exited` and `-Aborted` are composed.

    Source: HistoryEvent in the API reference.
    """

    ACTIVITY_FAILED = "ActivityFailed"
    ACTIVITY_SCHEDULED = "ActivityScheduled"
    ACTIVITY_STARTED = "ActivityStarted"
    ACTIVITY_SUCCEEDED = "ActivitySucceeded"
    ACTIVITY_TIMED_OUT = "ActivityTimedOut"
    EVALUATION_FAILED = "EvaluationFailed"
    EXECUTION_ABORTED = "ExecutionAborted"
    EXECUTION_FAILED = "ExecutionFailed"
    EXECUTION_REDRIVEN = "ExecutionRedriven"
    EXECUTION_STARTED = "ExecutionStarted"
    EXECUTION_SUCCEEDED = "ExecutionSucceeded"
    EXECUTION_TIMED_OUT = "ExecutionTimedOut"
    LAMBDA_FUNCTION_FAILED = "LambdaFunctionFailed"
    LAMBDA_FUNCTION_SCHEDULED = "LambdaFunctionScheduled"
    LAMBDA_FUNCTION_STARTED = "LambdaFunctionStarted"
    LAMBDA_FUNCTION_SUCCEEDED = "LambdaFunctionSucceeded"
    LAMBDA_FUNCTION_TIMED_OUT = "LambdaFunctionTimedOut"
    MAP_ITERATION_ABORTED = "MapIterationAborted"
    MAP_ITERATION_FAILED = "MapIterationFailed"
    MAP_ITERATION_STARTED = "MapIterationStarted"
    MAP_ITERATION_SUCCEEDED = "MapIterationSucceeded"
    MAP_RUN_ABORTED = "MapRunAborted"
    MAP_RUN_FAILED = "MapRunFailed"
    MAP_RUN_REDRIVEN = "MapRunRedriven"
    MAP_RUN_STARTED = "MapRunStarted"
    MAP_RUN_SUCCEEDED = "MapRunSucceeded"
    MAP_STATE_FAILED = "MapStateFailed"
    MAP_STATE_STARTED = "MapStateStarted"
    MAP_STATE_SUCCEEDED = "MapStateSucceeded"
    PARALLEL_STATE_FAILED = "ParallelStateFailed"
    PARALLEL_STATE_STARTED = "ParallelStateStarted"
    PARALLEL_STATE_SUCCEEDED = "ParallelStateSucceeded"
    TASK_FAILED = "TaskFailed"
    TASK_SCHEDULED = "TaskScheduled"
    TASK_STARTED = "TaskStarted"
    TASK_SUBMITTED = "TaskSubmitted"
    TASK_SUCCEEDED = "TaskSucceeded"
    TASK_TIMED_OUT = "TaskTimedOut"


class MarkType(StrEnum):
    DUE = "Mark.Due"
    """A Wait: {due}."""
    RETRY = "Mark.Retry"
    """A failed state is tried again: {retrier, due}."""
    FAILED = "Mark.Failed"
    """A Map whose next iteration cannot begin: those that ran are aborted."""
    PLAN = "Mark.Plan"
    """A Map's items as JSON, its effective input as JSON unless it is the state's, and its concurrency."""


class Event(NamedTuple):
    id: int
    """From 1; 0 for a mark."""
    previous: int
    type: str
    time: float
    frame: int
    """The line of states it belongs to: 0 is the machine's, each branch and iteration has its own."""
    details: Mapping[str, Json]


def details_key(kind: str) -> str:
    """Returns the member of a HistoryEvent that holds the details of this type."""
    if kind.endswith("StateEntered"):
        return "stateEnteredEventDetails"
    if kind.endswith("StateExited"):
        return "stateExitedEventDetails"
    return f"{kind[0].lower()}{kind[1:]}EventDetails"


def as_history(event: Event) -> dict[str, Json]:
    """Returns the HistoryEvent, its timestamp in seconds since 1970."""
    shown: dict[str, Json] = {
        "timestamp": event.time,
        "type": event.type,
        "id": event.id,
        "previousEventId": event.previous,
    }
    if event.details or event.type in _ALWAYS:
        shown[details_key(event.type)] = dict(event.details)
    return shown


_ALWAYS = frozenset(
    {
        EventType.EXECUTION_FAILED,
        EventType.EXECUTION_ABORTED,
        EventType.EXECUTION_TIMED_OUT,
        EventType.ACTIVITY_STARTED,
        EventType.ACTIVITY_FAILED,
        EventType.LAMBDA_FUNCTION_FAILED,
    }
)
"""Shown with details even where these are empty."""
