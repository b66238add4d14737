"""What every operation is given."""

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from local.documents import Document
from local.stepfunctions.activities import Activities
from local.stepfunctions.api.arns import Arn, Place
from local.stepfunctions.api.registry import Machines
from local.stepfunctions.executor.executor import Executor
from local.stepfunctions.interpreter.commands import ScheduleTask
from local.stepfunctions.journal.reading import Reader
from local.stepfunctions.mapruns.runs import MapRuns
from local.store import Store
from local.surroundings import Cloud

_TOKEN_SECONDS = 15 * 60
_MOST_TOKENS = 1000

Call = Callable[[ScheduleTask], str]
"""A task's output, for TestState. Raises integrations.task.TaskError."""


class RedriveTokens:
    """A RedriveExecution that is sent once more, with the same client token, is answered once more."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, str], float] = OrderedDict()

    def get(self, arn: str, token: str | None) -> float | None:
        when = self._answers.get((arn, token)) if token is not None else None
        return when if when is not None and time.time() - when < _TOKEN_SECONDS else None

    def keep(self, arn: str, token: str | None, when: float) -> None:
        if token is not None:
            self._answers[arn, token] = when
            while len(self._answers) > _MOST_TOKENS:
                self._answers.popitem(last=False)


@dataclass(slots=True)
class Context:
    """Made once, at the start."""

    place: Place
    cloud: Cloud
    store: Store
    machines: Machines
    activities: Activities
    executor: Executor
    map_runs: MapRuns
    reader: Reader
    call: Call
    redrives: RedriveTokens

    def machine(self, arn: Arn) -> Document | None:
        """Returns the state machine, without regard to version and alias; None where it is not one of here."""
        return self.machines.get(arn.name) if self.place.has(arn.text) else None


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True)
class Later:
    """An answer that waits for the engine or a worker; no thread waits with it."""

    future: Future[Any]
    finish: Callable[[Future[Any]], Document]
    """Once the future is done, or its time is up. On the thread of whoever asked; raises ApiError."""
    seconds: float | None = None
    abandon: Callable[[], None] = _nothing
    """Instead of `finish`, where whoever asked has gone."""


Operation = Callable[[Context, Document], Document | Later]
