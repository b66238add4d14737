"""A compiled definition: what the interpreter runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from local.documents import Json
from local.stepfunctions.asl.machine.dataflow import DataFlow, Left
from local.stepfunctions.asl.machine.retries import Catcher, Retrier
from local.stepfunctions.asl.resources import Resource
from local.stepfunctions.asl.scope import Scope

Evaluate = Callable[[Scope, Any], Any]
"""(scope, effective input) -> value of one field. Raises StatesError."""


class StateType(StrEnum):
    TASK = "Task"
    WAIT = "Wait"
    PASS = "Pass"
    SUCCEED = "Succeed"
    FAIL = "Fail"
    CHOICE = "Choice"
    PARALLEL = "Parallel"
    MAP = "Map"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseState:
    name: str
    next: str | None = None
    """None: the state ends its flow."""
    jsonata: bool
    flow: DataFlow


@dataclass(frozen=True, slots=True, kw_only=True)
class PassState(BaseState):
    has_result: bool = False
    result: Any = None
    identity: bool = False
    """It hands on its input as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SucceedState(BaseState):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class FailState(BaseState):
    error: Evaluate | None
    cause: Evaluate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitState(BaseState):
    until: Evaluate
    """The moment, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One way out of a Choice."""

    holds: Callable[[Scope, Any], bool]
    next: str
    leave: Callable[[Scope, Any], Left]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceState(BaseState):
    branches: tuple[Branch, ...]
    default: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryingState(BaseState):
    """Task, Parallel and Map."""

    retriers: tuple[Retrier, ...] = ()
    catchers: tuple[Catcher, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState(RetryingState):
    resource: Resource
    timeout: Evaluate | None = None
    """Seconds."""
    heartbeat: Evaluate | None = None
    credentials: Evaluate | None = None
    """The role's ARN."""


@dataclass(frozen=True, slots=True)
class Flow:
    """States that lead to one another: a machine, a branch, an item processor."""

    start: str
    states: Mapping[str, "State"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelState(RetryingState):
    branches: tuple[Flow, ...]


@dataclass(frozen=True, slots=True)
class Batcher:
    """ItemBatcher: how items are put together into the inputs of child executions."""

    max_items: Evaluate | None
    max_bytes: Evaluate | None
    batch_input: Evaluate | None


@dataclass(frozen=True, slots=True)
class Distribution:
    """What only a distributed Map has."""

    express: bool
    label: str | None
    reader: Mapping[str, Json] | None
    """ItemReader as it stands in the definition."""
    reader_arguments: Evaluate | None
    reader_config: Evaluate | None
    """ReaderConfig, its MaxItems a number."""
    writer: Mapping[str, Json] | None
    writer_arguments: Evaluate | None
    batcher: Batcher | None
    place: str
    """Where the Map state stands in the definition; `processors.py` finds it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapState(RetryingState):
    processor: Flow
    items: Evaluate
    """The array; raises StatesError where it is none."""
    selector: Evaluate | None
    max_concurrency: Evaluate | None
    tolerated_count: Evaluate | None
    tolerated_percentage: Evaluate | None
    distribution: Distribution | None = None
    """None: inline."""


State = PassState | TaskState | ChoiceState | WaitState | SucceedState | FailState | ParallelState | MapState
TYPES: Mapping[type[BaseState], StateType] = {
    PassState: StateType.PASS,
    TaskState: StateType.TASK,
    ChoiceState: StateType.CHOICE,
    WaitState: StateType.WAIT,
    SucceedState: StateType.SUCCEED,
    FailState: StateType.FAIL,
    ParallelState: StateType.PARALLEL,
    MapState: StateType.MAP,
}


@dataclass(frozen=True, slots=True)
class Machine:
    flow: Flow
    timeout: float | None = None
    """Seconds for a whole execution."""
    express: bool = False
