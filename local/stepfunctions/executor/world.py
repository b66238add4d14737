"""What the executor needs of others: someone who carries out tasks, and someone who runs distributed Maps."""

from collections.abc import Callable, Sequence
from typing import Protocol

from local.documents import Json
from local.stepfunctions.executor.over import Over
from local.stepfunctions.executor.tasks import ScheduledTask
from local.stepfunctions.executor.turn import Turn
from local.stepfunctions.interpreter.commands import StartMapRun
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.journal.rows import ExecutionRow

Observer = Callable[[ExecutionRow, Sequence[Event]], None]
"""Told of what was committed, on the engine's thread; it must not block."""
Watcher = Callable[[Over], None]
"""Told of the end of one execution, on the engine's thread; it must not block."""


class Performer(Protocol):
    """Neither may block: both are called on the engine's thread."""

    def perform(self, task: ScheduledTask) -> None:
        """Answered by the task's own methods, from any thread."""

    def cancel(self, key: str) -> None:
        """Withdraws a task that nobody waits for any more."""


class MapRunTask(Protocol):
    """A distributed Map state that runs."""

    command: StartMapRun
    row: ExecutionRow
    """The execution it belongs to."""

    def item_inputs(self, items: list[Json]) -> list[Json]:
        """Returns the children's inputs, on the engine's thread. Raises StatesError."""

    def succeeded(self, output: str) -> None: ...

    def failed(self, error: str | None, cause: str | None) -> None: ...


class MapRuns(Protocol):
    """All on the engine's thread, in a turn."""

    def begin(self, turn: Turn, task: MapRunTask) -> None:
        """Begins a map run. After a crash it is asked for once more, under the same ARN."""

    def child_over(self, turn: Turn, over: Over) -> None:
        """Hears that an execution with a `map_run` has ended."""

    def cancel(self, turn: Turn, arn: str) -> None:
        """Ends a map run whose Map state is over without it."""

    def forget(self) -> None:
        """Forgets what is in memory: the turn was not committed, so it is to be read anew."""
