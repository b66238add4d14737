"""An execution's state: what its records make of it, one after the other.

`changes.py` says what each record does to it. Many executions wait at a time: what most do not have is None or shared,
never changed in place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from local.documents import Json
from local.stepfunctions.asl.documents import EMPTY, Document
from local.stepfunctions.asl.machine.machine import Flow, Machine, State
from local.stepfunctions.interpreter.commands import Status


@dataclass(frozen=True, slots=True)
class Identity:
    """What an execution is told about itself; it does not change."""

    arn: str
    name: str
    machine_arn: str
    machine_name: str
    role_arn: str
    region: str = "us-east-1"
    redrives: int | None = 0
    """None: the context object does not say how often. The history knows the number."""


@dataclass(slots=True)
class Task:
    """Scheduled and not over."""

    id: int
    time: float
    started: bool = False
    submission: str | None = None
    """What the service answered, as JSON, once it had taken the task."""
    arguments: str = ""
    """As JSON."""
    credentials: str | None = None
    timeout: float | None = None
    heartbeat: float | None = None
    map_run: str | None = None
    """The ARN, where the task is a map run."""


class MapRunTried(NamedTuple):
    arn: str
    redrives: int


@dataclass(slots=True)
class Plan:
    """Of a Map state that runs."""

    items: list[Json]
    effective: Any
    """The state's input as its fields see it."""
    concurrency: int
    started: int = 0
    results: dict[int, Document] = field(default_factory=dict)


@dataclass(slots=True)
class Frame:
    """One line of states: the machine's, a branch's or an iteration's."""

    number: int
    parent: int | None
    index: int
    """Among the parent's branches or items."""
    flow: Flow = field(compare=False)
    variables: Mapping[str, Json]
    previous: int
    """The event that the next one names as its previous."""
    input: Document = EMPTY
    state: str | None = None
    """None: it has not begun, or it is over."""
    output: Document | None = None
    entered: int = 0
    entered_at: float = 0.0
    before: int = 0
    """`previous`, as it was before the state was entered."""
    retries: Mapping[int, int] | None = None
    """Of each Retry rule."""
    due: float | None = None
    """A Wait or a retry waits until then."""
    task: Task | None = None
    children: Sequence[int] = ()
    failed: bool = False
    """The lines below have come to an end with the state; they are kept for a redrive."""
    plan: Plan | None = None
    map_run: MapRunTried | None = None
    """Of a distributed Map, also when it has failed."""

    @property
    def definition(self) -> State:
        return self.flow.states[self.state or ""]


@dataclass(slots=True)
class Execution:
    machine: Machine = field(compare=False)
    identity: Identity
    status: Status = Status.RUNNING
    started_at: float = 0.0
    stopped_at: float | None = None
    redrives: int = 0
    redriven_at: float | None = None
    began: int = 1
    """The event that started or redrove it last."""
    input: Document = EMPTY
    output: Document | None = None
    error: str | None = None
    cause: str | None = None
    last: int = 0
    """The id of the last event."""
    frames: dict[int, Frame] = field(default_factory=dict)
    made: int = 0
    """How many frames there have been."""

    def frame_made(
        self, parent: int | None, index: int, flow: Flow, variables: Mapping[str, Json], previous: int
    ) -> Frame:
        frame = Frame(self.made, parent, index, flow, variables, previous)
        self.made += 1
        self.frames[frame.number] = frame
        return frame

    def drop_children(self, frame: Frame) -> None:
        for number in frame.children:
            child = self.frames.pop(number, None)
            if child is not None:
                self.drop_children(child)
        frame.children = ()

    def task_frame(self, task: int) -> Frame | None:
        """Returns the frame that waits for this task."""
        for frame in self.frames.values():
            if frame.task is not None and frame.task.id == task:
                return frame
        return None
