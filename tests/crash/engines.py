"""An engine in a world that the test holds in its hands, with workers and a client who do what the tasks say; and what
a kill -9 after each of its commits would leave."""

import heapq
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from botocore.response import StreamingBody

from local.stepfunctions.asl.resources import Pattern
from local.stepfunctions.executor.errors import TaskOver
from local.stepfunctions.executor.executor import Executor
from local.stepfunctions.executor.new_execution import NewExecution
from local.stepfunctions.executor.tasks import ScheduledTask
from local.stepfunctions.executor.turn import Turn
from local.stepfunctions.executor.upkeep import Retention
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.journal import mapruns
from local.stepfunctions.journal.journal import Journal
from local.stepfunctions.journal.rows import ExecutionRow, execution_arn
from local.stepfunctions.mapruns.runs import MapRuns
from local.stepfunctions.mapruns.workers import Workers
from tests.crash import histories
from tests.crash.workload import ACCOUNT, OBJECT, Job
from tests.unit.local.stepfunctions.executor.world import Clock

SECONDS = 20.0
_CHECKPOINT_PAGES = 24
"""So that the log is copied into the file now and then, and the copies are small."""
_MOST_STEPS = 2_000
_FILES = ("journal.sqlite", "journal.sqlite-wal")
_BEAT_SECONDS = 3.25


@dataclass(frozen=True, slots=True)
class Left:
    """What a kill leaves: the files, and what the world outside knows."""

    files: Mapping[str, bytes]
    now: float
    acknowledged: frozenset[str]
    """Names of executions."""
    tokens: Mapping[str, Mapping[str, Any]]
    """That were handed out, each with what is to be done with it."""

    def put(self, folder: Path) -> None:
        folder.mkdir()
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


class _ObservedJournal(Journal):
    def __init__(self, path: Path, committed: Callable[[], None]) -> None:
        super().__init__(path)
        self._told = committed

    def commit(self) -> None:
        super().commit()
        self._told()


class _AtOnce(Workers):
    """No thread of its own: nothing is under way that the test does not know of."""

    def submit(self, job: Callable[[], None]) -> None:
        job()


class _Storage:
    """S3, with one object."""

    def get_object(self, **_which: str) -> Mapping[str, StreamingBody]:
        return {"Body": StreamingBody(io.BytesIO(OBJECT), len(OBJECT))}


@dataclass(frozen=True, slots=True)
class End:
    status: str
    output: str | None
    error: str | None
    cause: str | None

    @classmethod
    def of(cls, status: str, details: Mapping[str, Any]) -> "End":
        return cls(status, details.get("output"), details.get("error"), details.get("cause"))


@dataclass
class Running:
    """An engine, its workers and its client."""

    folder: Path
    clock: Clock
    jobs: Sequence[Job]
    keeps: bool = False
    """What a kill would leave after each commit."""
    acknowledged: set[str] = field(default_factory=set)
    tokens: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)
    performed: list[tuple[str, int]] = field(default_factory=list)
    """Execution ARN and task."""
    ended: dict[str, End] = field(default_factory=dict)
    """By name; a redriven one is not over before it has ended once more."""
    ended_times: Counter[str] = field(default_factory=Counter)
    """As the engine said so."""

    def __post_init__(self) -> None:
        self._order = count()
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self.turns_that_wrote = 0
        self._seen: Mapping[str, bytes] = {}
        self.journal = _ObservedJournal(self.folder / _FILES[0], self._committed)
        self.journal.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        self.journal.commit()
        self.map_runs = MapRuns(lambda _service: _Storage())
        self.map_runs._workers = _AtOnce()
        self.executor = Executor(self.journal, self, self.map_runs, clock=self.clock, retention=Retention(seconds=1e9))
        self.map_runs.connect(self.executor)
        self.executor.observe(self._observed)

    # Life.

    def start(self) -> None:
        """Go on with what the journal has, and have the client do what it has not done yet."""
        known = dict(self.tokens)
        self.executor.start()
        rows = {job.name: self.row(job) for job in self.jobs}
        self.executor.resume()
        for number, job in enumerate(self.jobs):
            row = rows[job.name]
            if job.name in self.acknowledged:
                assert row is not None or job.express, f"{job.name} was acknowledged, and is lost"
            if row is not None or job.name in self.acknowledged:
                # Or it was committed, and the kill came before the answer.
                self.acknowledged.add(job.name)
                self._begun(job)
                self._was_over(job, row)
            else:
                self.later(0.375 * number, partial(self._begin, job))
        for token, told in known.items():
            self._act_on(token, told)

    def to_the_end(self) -> None:
        for _ in range(_MOST_STEPS):
            due = self.settle()
            self._redrive()
            if all(job.name in self.ended for job in self.jobs):
                return
            moments = [moment for moment in (due, self._agenda[0][0] if self._agenda else None) if moment]
            assert moments, f"nobody moves any more: {[job.name for job in self.jobs if job.name not in self.ended]}"
            self.clock.now = max(self.clock.now, min(moments))
            while self._agenda and self._agenda[0][0] <= self.clock.now:
                heapq.heappop(self._agenda)[2]()
        raise AssertionError("it does not come to an end")

    def settle(self) -> float | None:
        """Until the engine does nothing more at this moment; when it will."""
        wrote = -1
        due: float | None = None
        while wrote != self.turns_that_wrote:
            wrote = self.turns_that_wrote
            # What the first turn asked the workers for, they have answered before the second.
            for _ in range(2):
                due = self.on_the_thread(lambda _: self.executor._commands.timers.next_due())
        return due

    def stop(self) -> None:
        self.executor.stop()
        self.map_runs.close()

    def on_the_thread(self, work: Callable[[Turn], Any]) -> Any:
        return self.executor.ask(work).result(SECONDS)

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._agenda, (self.clock.now + seconds, next(self._order), action))

    # What is there.

    def arn(self, job: Job) -> str:
        return execution_arn(_machine(job), job.name)

    def row(self, job: Job) -> ExecutionRow | None:
        if job.express:
            return next(iter(self.executor.reader.executions(_machine(job))), None)
        return self.executor.reader.execution(self.arn(job))

    def records(self, job: Job) -> list[Event]:
        row = self.row(job)
        return [] if row is None else self.executor.reader.records(row.id)

    def children(self, job: Job) -> list[ExecutionRow]:
        """Of all its map runs."""
        row = self.row(job)
        reader = self.executor.reader
        runs = [] if row is None else mapruns.map_runs(reader.select, row.id)
        return [child for run in runs for child in reader.executions(map_run=run.arn)]

    def timers(self) -> int:
        return int(self.on_the_thread(lambda _: len(self.executor._commands.timers)))

    # The client.

    def _begin(self, job: Job) -> None:
        new = NewExecution(_machine(job), json.dumps(job.definition), "role", '{"given": 1}', job.name, job.express)
        self.executor.start_execution(new).result(SECONDS)
        self.acknowledged.add(job.name)
        self._begun(job)

    def _begun(self, job: Job) -> None:
        if job.stopped_after is not None:
            self.later(job.stopped_after, lambda: self.executor.stop_execution(self.arn(job)).result(SECONDS))

    def _was_over(self, job: Job, row: ExecutionRow | None) -> None:
        if row is None:
            # Nobody can ask for an Express execution that is over.
            self.ended[job.name] = End("SUCCEEDED", None, None, None)
        elif row.status != "RUNNING":
            self.ended[job.name] = End.of(row.status, self.executor.reader.last(row.id).details)

    def _redrive(self) -> None:
        for job in self.jobs:
            end = self.ended.get(job.name)
            row = self.row(job) if job.redriven and end is not None and end.status == "FAILED" else None
            if row is not None and not row.redrives:
                del self.ended[job.name]
                self.executor.redrive_execution(row.arn).result(SECONDS)

    def _act_on(self, token: str, told: Mapping[str, Any]) -> None:
        match told["do"]:
            case "answer":
                self._send(told["after"], lambda: self.executor.answer(token, json.dumps(told["do"])))
            case "fail":
                self._send(told["after"], lambda: self.executor.fail(token, "E", "told so"))
            case "beat":
                for beat in range(told["times"]):
                    self._send(_BEAT_SECONDS * (beat + 1), lambda: self.executor.beat(token))
                self._send(_BEAT_SECONDS * (told["times"] + 1), lambda: self.executor.answer(token, '"beaten"'))

    def _send(self, seconds: float, call: "Callable[[], Future[None]]") -> None:
        def send() -> None:
            try:
                call().result(SECONDS)
            except TaskOver:
                # The kill came after the answer was written and before it was acknowledged.
                return

        self.later(seconds, send)

    # The workers, on the engine's thread.

    def perform(self, scheduled: ScheduledTask) -> None:
        command = scheduled.command
        self.performed.append((scheduled.execution_arn, command.task))
        told = command.arguments
        told = told.get("Payload") or told.get("Input") or told
        if command.resource.pattern is Pattern.WAIT_FOR_TASK_TOKEN:
            assert told["token"] == command.token
            if command.submission is None:
                scheduled.started()
                scheduled.submitted("{}")
            if command.token not in self.tokens:
                self.tokens[command.token] = told
                self._act_on(command.token, told)
            return
        scheduled.started()
        if command.resource.pattern is not Pattern.REQUEST_RESPONSE and command.submission is None:
            scheduled.submitted('{"Id": 1}')
        answer = _answer(scheduled, told)
        if answer is not None and "after" in told:
            self.later(told["after"], answer)
        elif answer is not None:
            answer()

    def cancel(self, key: str) -> None:
        """A worker that goes on all the same: its answer comes too late."""
        del key

    # What is written.

    def _committed(self) -> None:
        files = {name: (self.folder / name).read_bytes() for name in _FILES if (self.folder / name).exists()}
        if files == self._seen:
            return
        self._seen = files
        self.turns_that_wrote += 1
        if self.keeps:
            self.left.append(Left(files, self.clock.now, frozenset(self.acknowledged), dict(self.tokens)))

    def _observed(self, row: ExecutionRow, records: Sequence[Event]) -> None:
        """Each list of records with the row as it is after the whole turn."""
        status = histories.ENDS.get(records[-1].type)
        if status is not None:
            name = row.name if row.map_run is not None else row.name.partition(":")[0]
            self.ended_times[name] += 1
            self.ended[name] = End.of(status, records[-1].details)


def _machine(job: Job) -> str:
    return f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:{job.name.replace(' ', '-')}"


def _answer(scheduled: ScheduledTask, told: Mapping[str, Any]) -> Callable[[], None] | None:
    match told["do"]:
        case "answer":
            return lambda: scheduled.succeeded(json.dumps(told.get("value", "done")))
        case "fail" if told["retries"] < told.get("times", 0) or told["redrives"] < told.get("until", 0):
            return lambda: scheduled.failed("E", "told so")
        case "fail":
            return lambda: scheduled.succeeded('"done at last"')
        case _:
            return None


@contextmanager
def running(folder: Path, jobs: Sequence[Job], now: float = 1_000.0, **given: Any) -> Iterator[Running]:
    made = Running(folder, Clock(now), jobs, **given)
    made.start()
    try:
        yield made
    finally:
        made.stop()
