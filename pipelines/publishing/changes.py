"""A plan: what stands, what is wanted, and the difference as data. `catalogue` applies it in this order."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What kind of thing a change is about."""

    SOURCE = "source"
    FUNCTION = "function"
    PIPELINE = "pipeline"
    ALGORITHM = "algorithm"
    SCHEDULE = "schedule"
    PARAMETER = "parameter"
    DEPLOYMENT = "deployment"
    CONSOLE = "console"


class Action(StrEnum):
    """What is done about one thing."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    START = "start"
    UNCHANGED = "unchanged"

    @property
    def done(self) -> str:
        """The action once it is over: `created`."""
        return {"start": "started", "unchanged": "unchanged"}.get(self.value, f"{self.value.removesuffix('e')}ed")


# What others refer to comes before them: a pipeline reads uploads and calls a function, the row names the pipeline, the
# schedule starts a flow that reads the row. A failure half-way leaves nothing that refers to what is not there.
_ORDER: Final = tuple(Kind)
# Removals go the other way round, parameters last: they tell the next run whose removal was cut short.
_REMOVALS: Final = (Kind.SCHEDULE, Kind.ALGORITHM, Kind.PIPELINE, Kind.PARAMETER)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was looked at."""

    kind: Kind
    name: str
    action: Action
    detail: str = ""
    """What differs, in a few words."""
    size: int | None = None
    """Bytes that are sent."""
    job_id: str | None = None
    """Of a deployment: the job that does it."""
    ended: bool = False
    """Of a deployment: the job has ended, and nobody needs to wait for it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A change, and the calls that make it true. They can be made twice."""

    change: Change
    apply: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that was looked at, in the order in which it is brought in line."""

    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person may expect to change and does not."""

    @classmethod
    def of(cls, steps: Iterable[Step], notes: Iterable[str] = ()) -> "Plan":
        """Steps of any kinds, put in order; among equals the order stays."""
        return cls(tuple(sorted(steps, key=_place)), tuple(notes))

    def __add__(self, other: "Plan") -> "Plan":
        return Plan.of((*self.steps, *other.steps), (*self.notes, *other.notes))

    @property
    def changes(self) -> tuple[Change, ...]:
        """Everything that was looked at."""
        return tuple(step.change for step in self.steps)

    @property
    def pending(self) -> tuple[Step, ...]:
        """The steps that change something."""
        return tuple(step for step in self.steps if step.change.action is not Action.UNCHANGED)

    @property
    def changed(self) -> tuple[Change, ...]:
        """What is different once the plan is applied."""
        return tuple(step.change for step in self.pending)


def unchanged(kind: Kind, name: str) -> Step:
    """Makes a step of what is in line already."""
    return nothing(Change(kind, name, Action.UNCHANGED))


def nothing(change: Change) -> Step:
    """Makes a step that does nothing."""
    return Step(change, lambda: None)


def _place(step: Step) -> tuple[bool, int]:
    change = step.change
    if change.action is Action.DELETE:
        return True, _REMOVALS.index(change.kind)
    return False, _ORDER.index(change.kind)
