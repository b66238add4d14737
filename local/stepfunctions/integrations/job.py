"""Work that a `.sync` task waits for."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    look: Callable[[], str | None]
    """The task's result once the work is done, None as long as it is not. Raises TaskError when it has failed."""
    stop: Callable[[], None]
    """What AWS does to the work when the task is no longer wanted."""
    execution: str | None = None
    """An execution of this cloud, which tells by itself when it is over."""
