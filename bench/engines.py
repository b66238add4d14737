"""The engine alone, in this process: a journal on the disk and an executor, without endpoint and services."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from local.stepfunctions.executor.executor import Executor
from local.stepfunctions.executor.new_execution import NewExecution
from local.stepfunctions.executor.over import Over
from local.stepfunctions.executor.tasks import ScheduledTask
from local.stepfunctions.executor.turn import Turn
from local.stepfunctions.executor.upkeep import Retention
from local.stepfunctions.executor.world import MapRunTask
from local.stepfunctions.interpreter.commands import Status
from local.stepfunctions.journal.journal import Journal

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:bench"
ROLE = "arn:aws:iam::000000000000:role/bench"
INPUT = '{"a": 1}'
_SECONDS = 120.0
_KEEP_ALL = Retention(seconds=1e9, executions=1_000_000_000)


def chain(state: dict[str, Any], count: int = 10) -> str:
    """A definition of so many states in a row."""
    last = count - 1
    states = {f"S{i}": {**state, **({"Next": f"S{i + 1}"} if i < last else {"End": True})} for i in range(count)}
    return json.dumps({"StartAt": "S0", "States": states})


PASSES = chain({"Type": "Pass"})
TASKS = chain({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {}})


class _Answers:
    """Carries out every task at once."""

    def perform(self, task: ScheduledTask) -> None:
        task.succeeded(INPUT)

    def cancel(self, key: str) -> None:
        raise NotImplementedError


class _NoMapRuns:
    """Nothing measured here has one."""

    def begin(self, turn: Turn, task: MapRunTask) -> None:
        raise NotImplementedError

    def child_over(self, turn: Turn, over: Over) -> None:
        raise NotImplementedError

    def cancel(self, turn: Turn, arn: str) -> None:
        raise NotImplementedError

    def forget(self) -> None:
        return


class Countdown:
    """Of executions that have still to succeed."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._done = threading.Event()
        self._failed: Over | None = None

    def over(self, over: Over) -> None:
        """On the engine's thread alone."""
        if over.row.status != Status.SUCCEEDED.value:
            self._failed = over
        self._left -= 1
        if not self._left:
            self._done.set()

    def wait(self) -> None:
        """Raises RuntimeError where one failed, or two minutes were not enough."""
        if not self._done.wait(_SECONDS) or self._failed is not None:
            raise RuntimeError(f"{self._left} executions are not over; failed: {self._failed}")


class Engine:
    """A context manager."""

    def __init__(
        self, file: Path, *, retention: Retention = _KEEP_ALL, journal: Callable[[Path], Journal] = Journal
    ) -> None:
        self.journal = journal(file)
        self.executor = Executor(self.journal, _Answers(), _NoMapRuns(), retention=retention)

    def run(self, definition: str, count: int) -> float:
        """Executions per second, from the first start to the last one's end; all that is on the disk then."""
        countdown = Countdown(count)
        start = time.perf_counter()
        for _ in range(count):
            self.executor.start_execution(NewExecution(MACHINE, definition, ROLE, INPUT), countdown.over)
        countdown.wait()
        return count / (time.perf_counter() - start)

    def __enter__(self) -> "Engine":
        self.executor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.executor.stop()
