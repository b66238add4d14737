"""Distributed Maps on a real executor and a real journal; children's tasks wait for the test to answer them."""

import json
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
from local.stepfunctions.journal import mapruns as rows
from local.stepfunctions.journal.journal import Journal
from local.stepfunctions.journal.mapruns import MapRunRow
from local.stepfunctions.mapruns.runs import MapRuns
from tests.unit.local.stepfunctions.executor.world import MACHINE, SECONDS, Clock, Tasks
from tests.unit.local.stepfunctions.world import machine_of, task


def spread(*states: Mapping[str, Any], kind: str = "STANDARD", **more: Any) -> dict[str, Any]:
    """A machine of one distributed Map with this processor."""
    processor = machine_of(*map(dict, states)) | {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind}}
    return machine_of({"Type": "Map", "ItemProcessor": processor, "Label": "each", **more})


def working(**more: Any) -> dict[str, Any]:
    """Whose children have a task to wait for."""
    return spread(task(Parameters={"in.$": "$"}), **more)


class World:
    def __init__(self, folder: Path, client: Callable[[str], Any]) -> None:
        self.tasks = Tasks()
        self.runs = MapRuns(client)
        self.journal = Journal(folder / "journal.sqlite")
        self.clock = Clock()
        self.executor = Executor(self.journal, self.tasks, self.runs, clock=self.clock)
        self.runs.connect(self.executor)
        self.executor.start()
        self.executor.resume()

    def close(self) -> None:
        self.executor.stop()
        self.runs.close()

    def begin(self, definition: Mapping[str, Any], value: Any) -> str:
        new = NewExecution(MACHINE, json.dumps(definition), "role", json.dumps(value))
        return self.executor.start_execution(new).result(SECONDS).arn

    def over(self, arn: str) -> Over:
        told: SimpleQueue[Over] = SimpleQueue()
        self.executor.when_over(arn, told.put)
        return told.get(timeout=SECONDS)

    def output(self, definition: Mapping[str, Any], value: Any) -> Any:
        over = self.over(self.begin(definition, value))
        assert over.output is not None, (over.error, over.cause)
        return json.loads(over.output)

    def failure(self, definition: Mapping[str, Any], value: Any) -> tuple[str | None, str | None]:
        over = self.over(self.begin(definition, value))
        assert over.row.status == "FAILED"
        return over.error, over.cause

    def next(self, count: int) -> list[ScheduledTask]:
        return [self.tasks.next() for _ in range(count)]

    def settle(self) -> None:
        """Until the engine has done what it knew of, and what came of that."""
        for _ in range(4):
            self.on_the_thread(lambda _: None)

    def on_the_thread(self, work: Callable[[Turn], Any]) -> Any:
        return self.executor.ask(work).result(SECONDS)

    def map_run(self, execution: str) -> MapRunRow:
        row = self.executor.reader.execution(execution)
        assert row is not None
        *_, last = rows.map_runs(self.executor.reader.select, row.id)
        return last

    def statuses(self, execution: str) -> list[str]:
        """Of the children, in the order of the items."""
        arn = self.map_run(execution).arn
        return [status for _, _, status in rows.children(self.executor.reader.select, arn)]

    def types(self, arn: str) -> list[str]:
        row = self.executor.reader.execution(arn)
        assert row is not None
        return [record.type for record in self.executor.reader.records(row.id) if record.id]


def no_client(service: str) -> Any:
    raise AssertionError(f"nobody should speak to {service}")


@contextmanager
def world(folder: Path, client: Callable[[str], Any] = no_client) -> Iterator[World]:
    made = World(folder, client)
    try:
        yield made
    finally:
        made.close()
