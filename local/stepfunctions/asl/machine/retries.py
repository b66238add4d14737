"""Retry and Catch: which failure they take, and how long to wait."""

from collections.abc import Iterable
from dataclasses import dataclass

from local.stepfunctions.asl import errors
from local.stepfunctions.asl.machine.dataflow import Leave


def matches(names: Iterable[str], error: str | None, *, heartbeat: bool = False) -> bool:
    """Tells whether an ErrorEquals takes this error. `heartbeat`: the timeout was one of the heartbeat."""
    for name in names:
        if name == error:
            return True
        if error in errors.TERMINAL:
            continue
        if name == errors.ALL or (name == errors.HEARTBEAT_TIMEOUT and heartbeat):
            return True
        if name == errors.TASK_FAILED and error != errors.TIMEOUT:
            return True
    return False


@dataclass(frozen=True, slots=True)
class Retrier:
    errors: tuple[str, ...]
    interval: float
    """Seconds before the first retry."""
    attempts: int
    backoff: float
    max_delay: float | None
    full_jitter: bool

    def takes(self, error: str | None, *, heartbeat: bool = False) -> bool:
        return error != errors.RUNTIME and matches(self.errors, error, heartbeat=heartbeat)

    def delay(self, retries: int, random: float) -> float:
        """Seconds, after this many retries. `random` lies between 0 and 1."""
        limit = self.max_delay if self.max_delay is not None else max(self.interval, _YEAR)
        try:
            delay = min(self.interval * self.backoff**retries, limit)
        except OverflowError:
            delay = limit
        return delay * random if self.full_jitter else delay


_YEAR = 366 * 86_400.0
"""AWS ends an execution after a year: nobody sees a retry after that, unless IntervalSeconds itself is longer."""


@dataclass(frozen=True, slots=True)
class Catcher:
    errors: tuple[str, ...]
    next: str
    leave: Leave
    """Of the scope, whose error output is set, and that error output."""
