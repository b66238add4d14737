"""A world for the executor that the test holds in its hands: its clock, its tasks, its disk."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from local.stepfunctions.executor.executor import Executor
from local.stepfunctions.executor.new_execution import NewExecution
from local.stepfunctions.executor.over import Over
from local.stepfunctions.executor.tasks import ScheduledTask
from local.stepfunctions.executor.turn import Turn
from local.stepfunctions.executor.upkeep import Retention
from local.stepfunctions.executor.world import MapRunTask
from local.stepfunctions.journal.journal import Journal

ACCOUNT = "arn:aws:states:us-east-1:000000000000"
MACHINE = f"{ACCOUNT}:stateMachine:m"
SECONDS = 10.0


class Clock:
    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Tasks:
    """Takes tasks and map runs, and does nothing with them until the test does."""

    def __init__(self) -> None:
        self.performed: SimpleQueue[ScheduledTask] = SimpleQueue()
        self.cancelled: SimpleQueue[str] = SimpleQueue()
        self.refuse: Exception | None = None

    def perform(self, task: ScheduledTask) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.performed.put(task)

    def cancel(self, key: str) -> None:
        self.cancelled.put(key)

    def begin(self, turn: Turn, task: MapRunTask) -> None:
        raise NotImplementedError

    def child_over(self, turn: Turn, over: Over) -> None:
        raise NotImplementedError

    def forget(self) -> None:
        return

    def next(self) -> ScheduledTask:
        return self.performed.get(timeout=SECONDS)


class Engine:
    """An executor on a real journal."""

    def __init__(
        self, folder: Path, clock: Clock, tasks: Any = None, retention: Retention | None = None, resume: bool = True
    ) -> None:
        self.clock = clock
        self.tasks: Any = tasks
        if tasks is None:
            self.tasks = Tasks()
        self.journal = Journal(folder / "journal.sqlite")
        self.executor = Executor(
            self.journal, self.tasks, self.tasks, clock=clock, retention=retention or Retention(seconds=1e9)
        )
        self.executor.start()
        self.resumed = self.executor.resume() if resume else 0

    def begin(self, definition: Mapping[str, Any], text: str = "{}", **given: Any) -> str:
        """The ARN of the execution, once it is on the disk."""
        new = NewExecution(MACHINE, json.dumps(definition), "role", text, **given)
        return self.executor.start_execution(new).result(SECONDS).arn

    def over(self, arn: str) -> Over:
        """Wait for its end."""
        told: SimpleQueue[Over] = SimpleQueue()
        self.executor.when_over(arn, told.put)
        return told.get(timeout=SECONDS)

    def later(self, seconds: float) -> None:
        """Move the clock, and have the engine look at it."""
        self.clock.now += seconds
        self.settle()

    def settle(self) -> None:
        """Until the engine has done what it knew of, and what came of that."""
        for _ in range(3):
            self.executor.ask(lambda _: None).result(SECONDS)

    def on_the_thread(self, work: Callable[[Turn], Any]) -> Any:
        return self.executor.ask(work).result(SECONDS)

    def types(self, arn: str) -> list[str]:
        row = self.executor.reader.execution(arn)
        assert row is not None
        return [record.type for record in self.executor.reader.records(row.id) if record.id]


@contextmanager
def engine(folder: Path, clock: Clock | None = None, **given: Any) -> Iterator[Engine]:
    before = threading.active_count()
    made = Engine(folder, clock or Clock(), **given)
    try:
        yield made
    finally:
        made.executor.stop()
    assert threading.active_count() <= before


def killed(folder: Path, target: Path) -> Path:
    """The files as a kill -9 at this moment leaves them."""
    target.mkdir()
    for name in ("journal.sqlite", "journal.sqlite-wal"):
        source = folder / name
        if source.exists():
            (target / name).write_bytes(source.read_bytes())
    return target


def task(**fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {}, "End": True, **fields}


def one_state(state: Mapping[str, Any]) -> dict[str, Any]:
    return {"StartAt": "S", "States": {"S": dict(state)}}
