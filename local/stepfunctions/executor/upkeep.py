"""What the engine does by itself: go on with what ran when the last one stopped, and forget what ended long ago."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from local.stepfunctions.executor.live import LiveExecutions
from local.stepfunctions.executor.mailbox import Post, Work
from local.stepfunctions.executor.resuming import Unresumed
from local.stepfunctions.executor.turn import Turn
from local.stepfunctions.journal.journal import Journal

_RESUMED_AT_ONCE = 256
_PRUNE_SECONDS = 5.0
_PRUNED_AT_ONCE = 500
_LOG = logging.getLogger("headrace.stepfunctions")


@dataclass(frozen=True, slots=True)
class Retention:
    """Which finished executions are kept; AWS keeps them for 90 days."""

    seconds: float = 90 * 86_400.0
    executions: int = 1_000_000


AS_ON_AWS = Retention()


class Pruning:
    """Forgets executions from time to time."""

    def __init__(self, journal: Journal, retention: Retention) -> None:
        self._journal = journal
        self._retention = retention
        self.due = 0.0
        """When it is to happen next."""

    def post(self, now: float) -> Post:
        """Returns the work, and has it follow again after a while."""
        self.due = now + _PRUNE_SECONDS
        return Post(lambda turn: self._prune(turn.now))

    def _prune(self, now: float) -> None:
        before = now - self._retention.seconds
        if self._journal.prune(before, self._retention.executions, _PRUNED_AT_ONCE) == _PRUNED_AT_ONCE:
            self.due = 0.0


class Resuming:
    """Goes on with the executions of the last engine, some at a time, so that others are heard in between."""

    def __init__(self, live: LiveExecutions, unresumed: Unresumed, post: Callable[[Work], None]) -> None:
        self._live = live
        self._unresumed = unresumed
        self._post = post

    def begin(self) -> int:
        """Posts the first of them; returns how many there are."""
        executions = self._unresumed.in_order()
        if executions:
            self._post(partial(self._resume, executions))
        return len(executions)

    def _resume(self, executions: list[int], turn: Turn) -> None:
        some, rest = executions[:_RESUMED_AT_ONCE], executions[_RESUMED_AT_ONCE:]
        # What this turn has changed already is in memory: nothing is read that the journal does not have yet.
        self._live.preload(some)
        for execution in some:
            try:
                self._resume_one(turn, execution)
            except Exception:  # noqa: BLE001 - one that cannot be read must not keep the others
                _LOG.exception("execution %s cannot go on", execution)
        if rest:
            turn.committed.append(lambda: self._post(partial(self._resume, rest)))

    def _resume_one(self, turn: Turn, execution: int) -> None:
        live = self._live.get(execution) if execution in self._unresumed else None
        if live is not None:
            turn.resume(live)
