"""Map runs, moved on the engine's thread: what each turn makes of them is committed with it.

Children begin and end in the engine's turns as other executions do. A map run's own row and the kept inputs say the
rest, so that after a crash, or a turn that was not committed, everything in memory is read anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from local.stepfunctions.asl.documents import MAX_BYTES, encode, size
from local.stepfunctions.asl.errors import StatesError
from local.stepfunctions.executor.errors import ExecutorError
from local.stepfunctions.executor.new_execution import NewExecution
from local.stepfunctions.executor.over import Over
from local.stepfunctions.interpreter.commands import Part, Status
from local.stepfunctions.interpreter.redriving import why_not
from local.stepfunctions.interpreter.stimuli import TaskFailed, TaskSucceeded
from local.stepfunctions.journal import mapruns as rows
from local.stepfunctions.journal.mapruns import Chunk, MapRunRow, Settings
from local.stepfunctions.journal.reading import Reader
from local.stepfunctions.mapruns import gathering
from local.stepfunctions.mapruns.errors import MapRunFailed, threshold_exceeded
from local.stepfunctions.mapruns.run import Again, Phase, Run
from local.stepfunctions.mapruns.workers import Workers
from local.stepfunctions.mapruns.writing import result, result_too_large

if TYPE_CHECKING:
    from local.stepfunctions.executor.turn import Turn
    from local.stepfunctions.executor.world import MapRunTask

STARTED_AT_ONCE = 256
"""Children started in one turn at most: others are heard in between."""


class Engine(Protocol):
    """What a map run needs of the executor."""

    @property
    def reader(self) -> Reader: ...

    def post(self, work: Callable[[Turn], None]) -> None: ...


class NotRunning(Exception):
    """The map run is over."""


class MapRuns:
    """`local.stepfunctions.executor.world.MapRuns`."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        """`client` makes a boto3 client of a service of the local cloud."""
        self._client = client
        self._engine: Engine | None = None
        self._workers = Workers()
        self._tasks: dict[str, MapRunTask] = {}
        self._runs: dict[str, Run] = {}
        self._early: defaultdict[str, list[Over]] = defaultdict(list)
        """Children that ended before their map run was asked for again, after a restart."""

    def connect(self, engine: Engine) -> None:
        """Connects the engine, before it starts."""
        self._engine = engine
        engine.post(self._abandon)

    def close(self) -> None:
        """Once the engine has stopped."""
        self._workers.close()

    # What the engine tells.

    def begin(self, turn: Turn, task: MapRunTask) -> None:
        arn = task.command.arn
        if task.row.status != Status.RUNNING.value:
            # It was stopped while a turn that could not be committed was tried again.
            return
        self._tasks[arn] = task
        run = self._runs.get(arn)
        if run is not None:
            run.task = task
            return
        row = self._row(turn, arn)
        if row is None:
            self._begin_new(turn, task)
        elif row.status == Status.RUNNING.value:
            self._run(turn, arn)
        else:
            self._redrive(turn, task, row)

    def child_over(self, turn: Turn, over: Over) -> None:
        arn = over.row.map_run or ""
        run = self._runs.get(arn) or self._run(turn, arn)
        if run is None:
            row = self._row(turn, arn)
            if row is not None and row.status == Status.RUNNING.value:
                self._early[arn].append(over)
            return
        child = run.alive.pop(over.row.id, None)
        if child is not None:
            run.over(child, over.row.status, over.output)
            self._go_on(turn, run)

    def cancel(self, turn: Turn, arn: str) -> None:
        row, run = self._row(turn, arn), self._runs.get(arn)
        if row is not None and row.status == Status.RUNNING.value:
            self._close(turn, row if run is None else run.row, Status.ABORTED)
            for execution in self._running(arn) if run is None else list(run.alive):
                turn.stop(execution)
        if run is not None:
            run.phase = Phase.STOPPING
        self._forget(turn, arn)

    def forget(self) -> None:
        for run in self._runs.values():
            run.phase = Phase.STOPPING
        self._runs.clear()
        self._early.clear()
        for arn in self._tasks:
            self._post(partial(self._load, arn))

    def _load(self, arn: str, turn: Turn) -> None:
        self._run(turn, arn)

    def _running(self, arn: str) -> list[int]:
        running = Status.RUNNING.value
        return [execution for execution, _, status in rows.children(self._select, arn) if status == running]

    # What the API asks for.

    def update(
        self,
        turn: Turn,
        arn: str,
        *,
        max_concurrency: int | None = None,
        tolerated_count: int | None = None,
        tolerated_percentage: float | None = None,
    ) -> None:
        """UpdateMapRun. Raises NotRunning."""
        run = self._run(turn, arn)
        if run is None:
            raise NotRunning(arn)
        settings = run.row.settings
        if max_concurrency is not None:
            settings.max_concurrency = max_concurrency
        if tolerated_count is not None:
            settings.tolerated_count = tolerated_count
        if tolerated_percentage is not None:
            settings.tolerated_percentage = tolerated_percentage
        rows.update(turn.execute, run.row)
        self._go_on(turn, run)

    # Beginning.

    def _begin_new(self, turn: Turn, task: MapRunTask) -> None:
        command = task.command
        distribution = command.state.distribution
        settings = Settings(
            command.max_concurrency,
            command.tolerated_count,
            command.tolerated_percentage,
            express=distribution is not None and distribution.express,
            batched=distribution is not None and distribution.batcher is not None,
        )
        row = MapRunRow(
            0, command.arn, task.row.id, command.task, Status.RUNNING.value, turn.now, None, None, settings,
            redrives=command.redrives,
        )  # fmt: skip
        rows.insert(turn.execute, row)
        run = self._runs[command.arn] = Run(task, row)
        self._prepare(turn, run)

    def _prepare(self, turn: Turn, run: Run) -> None:
        """Reads its items, and tries whether its results can be written."""
        command = run.command
        if command.inputs is not None and not run.writes:
            self._take_inline(turn, run)
            return
        rows.forget_inputs(turn.execute, run.row.id)
        job = partial(gathering.prepare, self._workers, self._client, run, gathering.Answers(
            part=lambda part, taken: self._answer(run, partial(self._take_part, part=part), taken),
            done=lambda: self._answer(run, self._prepared),
            failed=lambda failure: self._answer(run, partial(self._fail, failure=failure)),
        ))  # fmt: skip
        turn.committed.append(lambda: self._workers.submit(job))

    def _take_inline(self, turn: Turn, run: Run) -> None:
        inputs = run.command.inputs or ()
        if run.row.settings.batched:
            sizes = [len(batch["Items"]) for batch in inputs]
            run.items, run.sizes = sum(sizes), sizes
            rows.keep_inputs(turn.execute, run.row.id, Chunk(0, [encode(batch) for batch in inputs], sizes))
        else:
            run.items = len(inputs)
        run.children = len(inputs)
        self._start(turn, run)

    def _take_part(self, turn: Turn, run: Run, part: Part) -> None:
        part.tail, count = run.tail, len(part)
        try:
            inputs = run.task.item_inputs(part)
        except StatesError as error:
            self._fail(turn, run, MapRunFailed(error.error, error.cause))
            return
        except ExecutorError:
            # The Map state is over; that the map run is to be cancelled is about to be said.
            return
        texts = [encode(value) for value in inputs]
        if any(size(text) > MAX_BYTES for text in texts):
            self._fail(turn, run, result_too_large(run.command.state.name))
            return
        sizes = [len(batch["Items"]) for batch in inputs] if run.row.settings.batched else None
        if texts:
            rows.keep_inputs(turn.execute, run.row.id, Chunk(run.children, texts, sizes))
        if sizes is not None:
            run.sizes = run.sizes or []
            run.sizes += sizes
        run.tail = part.tail
        run.children += len(texts)
        run.items += count

    def _prepared(self, turn: Turn, run: Run) -> None:
        if run.command.inputs is not None:
            self._take_inline(turn, run)
        else:
            self._start(turn, run)

    def _start(self, turn: Turn, run: Run) -> None:
        run.phase = Phase.RUNNING
        run.row.items, run.row.settings.children = run.items, run.children
        rows.update(turn.execute, run.row)
        self._go_on(turn, run)

    # Going on.

    def _go_on(self, turn: Turn, run: Run) -> None:
        if run.phase is Phase.RUNNING and run.exceeds:
            self._fail(turn, run, threshold_exceeded())
            return
        if not run.is_posted:
            self._start_children(turn, run)
        if run.is_through:
            self._finish(turn, run)

    def _start_children(self, turn: Turn, run: Run) -> None:
        if run.turn is not turn:
            run.turn, run.begun = turn, 0
        while run.can_start:
            if run.begun == STARTED_AT_ONCE:
                run.is_posted = True
                turn.committed.append(lambda: self._answer(run, self._posted))
                return
            run.begun += 1
            self._start_child(turn, run)

    def _posted(self, turn: Turn, run: Run) -> None:
        run.is_posted = False
        self._go_on(turn, run)

    def _start_child(self, turn: Turn, run: Run) -> None:
        if run.again:
            again = run.again.popleft()
            if again.arn:
                run.alive[turn.redrive(again.arn).id] = again.child
                return
            child = again.child
        else:
            child = run.next
            run.next += 1
        parent, distribution = run.task.row, run.command.state.distribution
        row = turn.start(
            NewExecution(
                run.machine_arn, parent.definition, parent.role_arn, run.input(child, _seen_by(turn)),
                express=run.row.settings.express, logging=parent.revision.logging,
                processor=None if distribution is None else distribution.place, map_run=run.row.arn, item=child,
            )
        )  # fmt: skip
        run.alive[row.id] = child

    # Ending.

    def _fail(self, turn: Turn, run: Run, failure: MapRunFailed) -> None:
        if run.phase in (Phase.STOPPING, Phase.GATHERING):
            return
        begun = run.phase is Phase.RUNNING
        run.failure, run.phase = failure, Phase.STOPPING
        for execution in list(run.alive):
            # Its end is told in this very turn, and the last one finishes the map run.
            turn.stop(execution)
        if not begun:
            self._over(turn, run, None)
        elif not run.alive:
            self._finish(turn, run)

    def _finish(self, turn: Turn, run: Run) -> None:
        """Finishes a map run in which nothing runs any more."""
        run.phase = Phase.GATHERING
        if run.writes:
            self._gather(turn, run, gathering.write)
        elif run.failure is not None:
            self._over(turn, run, None)
        elif run.outputs is not None and run.format.transformation == "COMPACT":
            outputs = run.outputs
            try:
                self._over(turn, run, result(run.command.state.name, (outputs[child] for child in sorted(outputs))))
            except MapRunFailed as failure:
                run.failure = failure
                self._over(turn, run, None)
        else:
            self._gather(turn, run, gathering.gather)

    def _gather(self, turn: Turn, run: Run, how: gathering.Gather) -> None:
        job = partial(
            gathering.carry_out, how, self._reader, self._client, run,
            done=lambda output, written: self._answer(run, partial(self._gathered, output=output, written=written)),
            failed=lambda failure: self._answer(run, partial(self._not_gathered, failure=failure)),
        )  # fmt: skip
        # It reads what this turn writes.
        turn.committed.append(lambda: self._workers.submit(job))

    def _gathered(self, turn: Turn, run: Run, output: str, written: int) -> None:
        run.row.settings.results_written = written
        self._over(turn, run, output)

    def _not_gathered(self, turn: Turn, run: Run, failure: MapRunFailed) -> None:
        run.failure = run.failure or failure
        self._over(turn, run, None)

    def _over(self, turn: Turn, run: Run, output: str | None) -> None:
        """Tells the Map state in the same turn, so that it hears once."""
        failure, task = run.failure, run.task
        self._close(turn, run.row, Status.SUCCEEDED if failure is None else Status.FAILED)
        self._forget(turn, run.row.arn)
        if failure is not None:
            turn.tell(task.row.id, TaskFailed(task.command.task, failure.error, failure.cause))
        elif output is not None:
            turn.tell(task.row.id, TaskSucceeded(task.command.task, output))

    def _close(self, turn: Turn, row: MapRunRow, status: Status) -> None:
        row.status, row.stopped = status.value, turn.now
        rows.update(turn.execute, row)
        if status is Status.SUCCEEDED and not row.settings.batched:
            rows.forget_inputs(turn.execute, row.id)

    def _forget(self, turn: Turn, arn: str) -> None:
        self._runs.pop(arn, None)
        self._early.pop(arn, None)
        # Not before the commit: without it, the map run still runs.
        turn.committed.append(partial(self._drop_task, arn))

    def _drop_task(self, arn: str) -> None:
        self._tasks.pop(arn, None)

    # Once more.

    def _run(self, turn: Turn, arn: str) -> Run | None:
        """Returns the run as it is in memory, or read from the journal."""
        run, task = self._runs.get(arn), self._tasks.get(arn)
        if run is not None or task is None:
            return run
        row = self._row(turn, arn)
        if row is None:
            self._begin_new(turn, task)
            return self._runs.get(arn)
        if row.status != Status.RUNNING.value:
            return None
        run = self._runs[arn] = Run(task, row)
        if row.items is None or row.settings.children is None:
            self._prepare(turn, run)
            return run
        self._count(run, rows.children(self._select, arn))
        for over in self._early.pop(arn, ()):
            child = run.alive.pop(over.row.id, None)
            if child is not None:
                run.over(child, over.row.status, over.output)
        self._go_on(turn, run)
        return run

    def _count(self, run: Run, children: list[tuple[int, int, str]]) -> None:
        run.phase = Phase.RUNNING
        run.items, run.children = run.row.items or 0, run.row.settings.children or 0
        run.sizes = rows.sizes(self._select, run.row.id) if run.row.settings.batched else None
        for execution, child, status in children:
            run.next = child + 1
            if status == Status.RUNNING.value:
                run.alive[execution] = child
            else:
                run.over(child, status, None)
        run.outputs = None

    def _redrive(self, turn: Turn, task: MapRunTask, row: MapRunRow) -> None:
        """Tries again what was not successful; where all was, its results are put together again."""
        row.task, row.redrives, row.redriven = task.command.task, task.command.redrives, turn.now
        row.status, row.stopped = Status.RUNNING.value, None
        rows.update(turn.execute, row)
        run = self._runs[row.arn] = Run(task, row)
        if row.items is None or row.settings.children is None:
            self._prepare(turn, run)
            return
        children = rows.children(self._select, row.arn)
        done = (Status.SUCCEEDED.value, Status.RUNNING.value)
        self._count(run, [entry for entry in children if entry[2] in done])
        run.next = max((child + 1 for _, child, _ in children), default=0)
        row.settings.not_redrivable = 0
        for execution, child, status in children:
            if status not in done:
                self._try_again(turn, run, execution, child, status)
        rows.update(turn.execute, row)
        self._go_on(turn, run)

    def _try_again(self, turn: Turn, run: Run, execution: int, child: int, status: str) -> None:
        if run.row.settings.express:
            run.again.append(Again(child, ""))
            return
        row = self._reader.by_id(execution)
        if row is None or why_not(status, self._reader.last(execution).id, row.stopped, turn.now) is not None:
            run.over(child, status, None)
            run.row.settings.not_redrivable += 1
        else:
            run.again.append(Again(child, row.arn))

    def _abandon(self, turn: Turn) -> None:
        """Ends map runs whose execution's end a crash parted from theirs."""
        for arn in rows.abandoned(self._select):
            self.cancel(turn, arn)

    # Inside.

    @property
    def _reader(self) -> Reader:
        if self._engine is None:
            raise RuntimeError("MapRuns is not connected")
        return self._engine.reader

    def _select(self, statement: str, parameters: Any) -> list[tuple[Any, ...]]:
        return self._reader.select(statement, parameters)

    def _row(self, turn: Turn, arn: str) -> MapRunRow | None:
        """Returns the row with what this turn has written."""
        return rows.map_run(_seen_by(turn), arn)

    def _post(self, work: Callable[[Turn], None]) -> None:
        if self._engine is not None:
            self._engine.post(work)

    def _answer(self, run: Run, work: Callable[[Turn, Run], None], taken: Callable[[], None] = lambda: None) -> None:
        """Later, on the engine's thread, where the map run is still the same one."""

        def carry_out(turn: Turn) -> None:
            taken()
            if self._run(turn, run.row.arn) is run:
                work(turn, run)

        self._post(carry_out)


def _seen_by(turn: Turn) -> rows.Select:
    """Returns a SELECT that sees what the turn itself has written."""
    return lambda statement, parameters: turn.execute(statement, parameters).fetchall()
