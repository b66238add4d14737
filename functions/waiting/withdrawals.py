"""Taking back what a stopped job has put behind its endpoint: what an endpoint's state asks for. Pure.

SageMaker takes no change of an endpoint that is changing, so a withdrawal waits for its turn as a deployment does
(`endpoints.settle`), as a wait of kind STOP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from functions.waiting.states import EndpointState
    from functions.waiting.waits import Wait

MAX_ATTEMPTS = 2
"""UpdateEndpoint calls on behalf of one withdrawal: SageMaker rolls back one that fails."""


@dataclass(frozen=True, slots=True)
class Restore:
    """The endpoint has the stopped job's config: bring the one before back."""


@dataclass(frozen=True, slots=True)
class Remove:
    """The endpoint was made by the stopped job: delete it."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Nothing (more) is to be taken back."""


@dataclass(frozen=True, slots=True)
class NotYet: ...


def decide(state: EndpointState | None, wait: Wait, *, young: bool) -> Restore | Remove | Withdrawn | NotYet:
    """Returns what an endpoint in `state` means for a withdrawal.

    While it is `young`, the function that deploys may still be at work: it looked at the job before that was stopped.
    """
    if state is not None and state.config == wait.endpoint_config:
        return _of_own_config(state, wait)
    settled = state is None or state.status in {"InService", "Failed", "OutOfService"}
    return Withdrawn() if settled and not young else NotYet()


def _of_own_config(state: EndpointState, wait: Wait) -> Restore | Remove | Withdrawn | NotYet:
    if state.status not in {"InService", "Failed", "OutOfService", "UpdateRollbackFailed"}:
        return NotYet()
    if wait.attempts >= MAX_ATTEMPTS:
        return Withdrawn()
    # Of an endpoint that failed SageMaker takes nothing but DeleteEndpoint.
    return Restore() if wait.before and state.status != "Failed" else Remove()
