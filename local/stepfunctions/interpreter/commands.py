"""What the world must do for an execution, once the events beside them are committed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from local.documents import Json
from local.stepfunctions.asl.machine.machine import Flow, MapState
from local.stepfunctions.asl.resources import Resource
from local.stepfunctions.interpreter.stimuli import Timer


class Status(StrEnum):
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"


@dataclass(frozen=True, slots=True)
class ScheduleTask:
    """Answered by TaskStarted, perhaps TaskSubmitted, and TaskSucceeded or TaskFailed."""

    task: int
    state: str
    resource: Resource
    arguments: Any
    token: str
    credentials: str | None
    """A role to assume."""
    timeout: float | None
    heartbeat: float | None
    """Seconds; the timers are commands of their own."""
    started: bool = False
    """Of a task asked for once more after a crash: it had started."""
    submission: str | None = None
    """And the service had taken it, answering this, as JSON: it is only to be waited for."""


@dataclass(frozen=True, slots=True)
class CancelTask:
    task: int


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Replaces a timer of the same name."""

    timer: Timer
    due: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    timer: Timer


class Part(list[Json]):
    """Some of the items that a reader found, in order."""

    def __init__(self, items: Iterable[Any], first: int, tail: Sequence[Any] = (), *, is_last: bool = False) -> None:
        super().__init__(items)
        self.first = first
        """The index of the first one."""
        self.tail = tail
        """Going in: what the part before left over. Coming out: what does not fill a batch yet."""
        self.is_last = is_last


@dataclass(frozen=True, slots=True)
class StartMapRun:
    """Run the processor once for each input, as executions of their own; answered as a task is."""

    task: int
    arn: str
    state: MapState
    processor: Flow
    inputs: Sequence[Any] | None
    """None: they come from the ItemReader; `Interpreter.item_inputs` makes them of its items."""
    reader_arguments: Any
    writer_arguments: Any
    max_concurrency: int
    """0: as many as AWS would."""
    tolerated_count: int | None
    tolerated_percentage: float | None
    reader_config: Mapping[str, Json] | None = None
    """The reader's ReaderConfig."""
    redrives: int = 0
    """More than the map run has had: what was not successful in it is tried again."""


@dataclass(frozen=True, slots=True)
class Complete:
    """The execution is over."""

    status: Status
    output: str | None = None
    error: str | None = None
    cause: str | None = None


Command = ScheduleTask | CancelTask | StartTimer | CancelTimer | StartMapRun | Complete
