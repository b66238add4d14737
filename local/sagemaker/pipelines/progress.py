"""Where an execution stands, and which steps may start now. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from local.documents import Document
from local.sagemaker.pipelines.definition import Definition, Step
from local.sagemaker.pipelines.kinds import StepType


class StepStatus(StrEnum):
    STARTING = "Starting"
    EXECUTING = "Executing"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"
    SUCCEEDED = "Succeeded"

    @property
    def final(self) -> bool:
        return self in (StepStatus.STOPPED, StepStatus.FAILED, StepStatus.SUCCEEDED)


@dataclass(slots=True)
class Progress:
    """Where the walk stands."""

    running: set[str] = field(default_factory=set)
    ended: dict[str, StepStatus] = field(default_factory=dict)
    properties: dict[str, Document] = field(default_factory=dict)
    """Of each step that succeeded."""
    selected: frozenset[str] | None = None
    """The only steps that run; None: all."""
    halted: bool = False
    """A Fail step was reached, or a stop was asked for: nothing more starts."""

    @property
    def failed(self) -> bool:
        return StepStatus.FAILED in self.ended.values()

    def end(self, step: Step, status: StepStatus, properties: Document | None) -> None:
        """Records that a step has come to its end.

        One that failed takes with it those that depend on it; the others go on. A Fail step ends the execution.
        """
        self.running.discard(step.name)
        self.ended[step.name] = status
        self.properties[step.name] = properties or {}
        self.halted = self.halted or (step.type == StepType.FAIL and status is StepStatus.FAILED)


def ready(definition: Definition, progress: Progress) -> list[Step]:
    """Returns the steps that may start now, in the definition's order.

    A step of a branch not taken never becomes ready, nor does one that depends on such a step or on one that failed.
    """
    if progress.halted:
        return []
    return [step for step in _waiting(definition, progress) if _may_start(step, progress)]


def _waiting(definition: Definition, progress: Progress) -> Iterable[Step]:
    for step in definition.steps.values():
        chosen = progress.selected is None or step.name in progress.selected
        if chosen and step.name not in progress.running and step.name not in progress.ended:
            yield step


def _may_start(step: Step, progress: Progress) -> bool:
    return all(progress.ended.get(name) is StepStatus.SUCCEEDED for name in step.after) and _taken(step, progress)


def _taken(step: Step, progress: Progress) -> bool:
    if step.branch is None:
        return True
    condition, outcome = step.branch
    return bool(progress.properties.get(condition, {}).get("Outcome") == str(outcome))
