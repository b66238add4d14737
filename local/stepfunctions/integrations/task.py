"""What the integrations ask of those around them: a task to carry out, and a world to do it in."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from local.documents import Json
from local.stepfunctions.interpreter.commands import ScheduleTask


class TaskError(Exception):
    """The task has failed, with the error's name and its cause as the history shows them."""

    def __init__(self, error: str | None, cause: str | None) -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause


class Unreachable(TaskError):
    """The service did not answer at all; while the cloud stops, that says nothing about the task."""


class Task(Protocol):
    """One task. Every method may be called from any thread, and none of them blocks."""

    @property
    def command(self) -> ScheduleTask: ...

    @property
    def execution_arn(self) -> str: ...

    @property
    def machine_arn(self) -> str: ...

    @property
    def role_arn(self) -> str:
        """Of the state machine."""

    @property
    def region(self) -> str: ...

    @property
    def account(self) -> str: ...

    @property
    def key(self) -> str:
        """A UUID, the same after a crash: for the names and client tokens of what the task makes."""

    def started(self) -> None: ...

    def submitted(self, output: str) -> None: ...

    def succeeded(self, output: str) -> None: ...

    def failed(self, error: str | None, cause: str | None) -> None: ...


class World(Protocol):
    """The local cloud as a task sees it."""

    def client(self, service: str) -> Any:
        """Returns a boto3 client of the local endpoint."""

    def start_execution(self, request: Mapping[str, Json]) -> Mapping[str, Json]:
        """Returns the API's StartExecution, acknowledged. Raises an exception with `code` and `message`."""

    def stop_execution(self, arn: str) -> None: ...

    def when_over(self, arn: str, callback: Callable[[Any], None]) -> None:
        """`callback` runs once, on the engine's thread, when the execution is over; at once when it is already."""
