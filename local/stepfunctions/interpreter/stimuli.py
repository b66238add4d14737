"""What can happen to an execution."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class TimerKind(StrEnum):
    WAIT = "wait"
    RETRY = "retry"
    TIMEOUT = "timeout"
    HEARTBEAT = "heartbeat"
    EXECUTION = "execution"


class Timer(NamedTuple):
    """Which timer; one that is no longer waited for is ignored when it fires."""

    kind: TimerKind
    frame: int
    event: int
    """The event it goes back to: the state's entry, or the task's scheduling."""


@dataclass(frozen=True, slots=True)
class TimerFired:
    timer: Timer


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """`task` is the id of the event that scheduled it, here and below. A task that is over is ignored."""

    task: int
    worker: str | None = None
    """Of an activity."""


@dataclass(frozen=True, slots=True)
class TaskSubmitted:
    """The service took a .sync or .waitForTaskToken task."""

    task: int
    output: str
    """JSON."""


@dataclass(frozen=True, slots=True)
class TaskHeartbeat:
    task: int


@dataclass(frozen=True, slots=True)
class TaskSucceeded:
    task: int
    output: str
    """JSON. A map run's is the array of its results."""


@dataclass(frozen=True, slots=True)
class TaskFailed:
    task: int
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """StopExecution."""

    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """The engine itself failed where this execution went on."""

    cause: str


Stimulus = TimerFired | TaskStarted | TaskSubmitted | TaskHeartbeat | TaskSucceeded | TaskFailed | Stopped | Broken
