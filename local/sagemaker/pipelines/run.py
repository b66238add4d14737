"""One step of one execution, about to run: what it is given, and what it leaves behind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from local.documents import Document, Json
from local.sagemaker.jobs.runner import Jobs
from local.sagemaker.machine.machine import Machine
from local.sagemaker.pipelines import caching
from local.sagemaker.pipelines.definition import Step
from local.sagemaker.pipelines.expressions import Scope, evaluate
from local.sagemaker.pipelines.retries import Failure
from local.sagemaker.pipelines.waiting import Waiting
from local.sagemaker.wire.errors import WorkFailed


class StepFailed(WorkFailed):
    """The step's FailureReason; `metadata` stands in the list of steps beside it."""

    def __init__(
        self,
        reason: str,
        metadata: Document | None = None,
        failure: Failure | None = None,
        *,
        overdue: bool = False,
    ) -> None:
        super().__init__(reason)
        self.metadata = metadata or {}
        self.failure = failure
        """What a retry policy may name."""
        self.overdue = overdue
        """It ran out of time: a failure even of an execution that is being stopped."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a step that succeeded leaves behind."""

    properties: Document
    """What later steps may refer to."""
    metadata: Document
    cache_key: str | None = None
    """Under which later runs find it."""
    cache_hit: str | None = None
    """The execution that it was taken from."""


@dataclass(frozen=True, slots=True)
class Hold:
    """How to end what a step waits for, from another thread."""

    stop: Callable[[], None]
    """The execution is being stopped. The step's own thread then sees the end of what it waits for."""
    leave: Callable[[], None] = field(default=lambda: None)
    """The local cloud is being stopped."""


class Watch(Protocol):
    """Who is told how a step goes."""

    def executing(self, metadata: Document, hold: Hold | None = None, job: str | None = None) -> None:
        """Tells that what the step has made is there, perhaps a job of that name."""

    def attempt(self, number: int) -> None:
        """Tells that it is tried again; `number` counts from 2."""

    def pause(self, seconds: float) -> bool:
        """Waits; returns False when the execution was stopped or left meanwhile."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a step can get at."""

    machine: Machine
    jobs: Jobs
    call: Callable[[str, Document], Document]
    """An operation of SageMaker by its name, but for those on executions. Raises ApiError."""
    waiting: Waiting


@dataclass(frozen=True, slots=True)
class Run:
    """One step of one execution."""

    reach: Reach
    step: Step
    scope: Scope
    execution_id: str
    execution_arn: str
    pipeline: str
    watch: Watch
    interrupted: Document | None = None
    """What the list of steps says of it, where the last local cloud ended while it ran."""

    @property
    def stored(self) -> Document:
        return self.interrupted or {}

    def named(self, job_name: str) -> "Run":
        """Returns the run with the job name that expressions see."""
        execution = {**self.scope.execution, "TrainingJobName": job_name, "ProcessingJobName": job_name}
        return replace(self, scope=replace(self.scope, execution=execution))

    def arguments(self) -> Document:
        """Returns the arguments without members that are null, which stand for none."""
        arguments: Document = evaluate(dict(self.step.arguments), self.scope)
        return {name: value for name, value in arguments.items() if value is not None}

    def beside(self) -> Mapping[str, Json]:
        """Returns what stands beside the Arguments."""
        members: Document = evaluate(caching.beside(dict(self.step.body)), self.scope)
        return members
