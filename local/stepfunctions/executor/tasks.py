"""A task that was scheduled, as whoever carries it out sees it."""

import hashlib
import uuid
from collections.abc import Callable

from local.documents import Json
from local.stepfunctions.interpreter.commands import ScheduleTask, StartMapRun
from local.stepfunctions.interpreter.stimuli import (
    Stimulus,
    TaskFailed,
    TaskHeartbeat,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
)
from local.stepfunctions.journal.rows import ExecutionRow

Tell = Callable[[int, Stimulus], None]
"""(execution, what happened), from any thread."""


def key_of(arn: str, task: int) -> str:
    """Returns a UUID that is the same after a crash: for names and tokens of what the task makes outside."""
    return str(uuid.UUID(bytes=hashlib.blake2b(f"{arn}:{task}".encode(), digest_size=16).digest(), version=4))


class ScheduledTask:
    """Any thread may call its methods. Once it is over, they change nothing."""

    __slots__ = ("_tell", "command", "row")

    def __init__(self, command: ScheduleTask, row: ExecutionRow, tell: Tell) -> None:
        self.command = command
        self.row = row
        self._tell = tell

    @property
    def execution_arn(self) -> str:
        return self.row.arn

    @property
    def machine_arn(self) -> str:
        return self.row.machine_arn

    @property
    def role_arn(self) -> str:
        return self.row.role_arn

    @property
    def region(self) -> str:
        return self.row.machine_arn.split(":")[3]

    @property
    def account(self) -> str:
        return self.row.machine_arn.split(":")[4]

    @property
    def key(self) -> str:
        return key_of(self.row.arn, self.command.task)

    def started(self, worker: str | None = None) -> None:
        self._tell(self.row.id, TaskStarted(self.command.task, worker))

    def submitted(self, output: str) -> None:
        self._tell(self.row.id, TaskSubmitted(self.command.task, output))

    def succeeded(self, output: str) -> None:
        self._tell(self.row.id, TaskSucceeded(self.command.task, output))

    def failed(self, error: str | None, cause: str | None) -> None:
        self._tell(self.row.id, TaskFailed(self.command.task, error, cause))

    def beat(self) -> None:
        self._tell(self.row.id, TaskHeartbeat(self.command.task))


class ScheduledMapRun:
    """A distributed Map state that runs."""

    __slots__ = ("_item_inputs", "_tell", "command", "row")

    def __init__(
        self, command: StartMapRun, row: ExecutionRow, tell: Tell, item_inputs: Callable[[int, list[Json]], list[Json]]
    ) -> None:
        self.command = command
        self.row = row
        self._tell = tell
        self._item_inputs = item_inputs

    def item_inputs(self, items: list[Json]) -> list[Json]:
        """Returns the children's inputs, on the engine's thread. Raises StatesError."""
        return self._item_inputs(self.command.task, items)

    def succeeded(self, output: str) -> None:
        self._tell(self.row.id, TaskSucceeded(self.command.task, output))

    def failed(self, error: str | None, cause: str | None) -> None:
        self._tell(self.row.id, TaskFailed(self.command.task, error, cause))
