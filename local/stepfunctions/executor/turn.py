"""What the engine does between two commits: everything in it is written down together, or did not happen."""

import os
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from local.stepfunctions.executor.errors import AlreadyExists, NoSuchExecution, NotRedrivable
from local.stepfunctions.executor.live import Live, LiveExecutions, identity_of, machine_of
from local.stepfunctions.executor.new_execution import NewExecution
from local.stepfunctions.executor.over import Over
from local.stepfunctions.executor.resuming import Unresumed
from local.stepfunctions.interpreter import interpreter, redriving
from local.stepfunctions.interpreter.commands import Command, Complete, StartTimer, Status
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.interpreter.interpreter import Advance
from local.stepfunctions.interpreter.stimuli import Stimulus, Stopped, TaskFailed, TaskSucceeded, TimerFired
from local.stepfunctions.journal.journal import Journal
from local.stepfunctions.journal.rows import ExecutionRow, RevisionKey, execution_arn


class Turn:
    """What happened in one turn, and what follows from it once it is on the disk."""

    def __init__(self, journal: Journal, live: LiveExecutions, unresumed: Unresumed, now: float) -> None:
        self.now = now
        self.commands: list[tuple[Live, Command]] = []
        """To be carried out after the commit."""
        self.committed: list[Callable[[], None]] = []
        """To be called after the commit."""
        self.observed: list[tuple[ExecutionRow, Sequence[Event]]] = []
        self.over: list[Over] = []
        self.ended: list[Live] = []
        self.answered: list[tuple[int, int]] = []
        """(execution, task) of tasks that need not be remembered any more."""
        self.broken: dict[int, str] = {}
        """Executions on which the engine failed, and how: each is to be ended in a turn of its own."""
        self.children_over: deque[Over] = deque()
        """Ends that map runs are to hear of within this turn."""
        self.touched: set[int] = set()
        self.resumed: set[int] = set()
        self._journal = journal
        self._live = live
        self._unresumed = unresumed

    # What can be asked of it, here and in `local.stepfunctions.mapruns`.

    def start(self, new: NewExecution) -> ExecutionRow:
        """Begin an execution. Raises AlreadyExists, or ValueError where the input is not JSON."""
        key = RevisionKey(
            new.machine_arn, new.definition, new.role_arn, new.express, new.version_arn, new.alias_arn, new.logging,
            new.processor,
        )  # fmt: skip
        revision = self._journal.revision(key)
        name = generated_name(self.now) if new.name is None else new.name
        if new.express and new.map_run is None:
            name = f"{name}:{uuid.uuid4()}"
        elif new.name is not None and self._journal.is_taken(revision, name) is not None:
            raise AlreadyExists(execution_arn(new.machine_arn, name))
        row = ExecutionRow(
            self._journal.next_id(), revision, name, Status.RUNNING.value, self.now,
            trace_header=new.trace_header, map_run=new.map_run, item=new.item,
        )  # fmt: skip
        effects = self._live.effects(row.id)
        execution, step = interpreter.start(machine_of(revision), identity_of(row), new.input, self.now, effects)
        live = self._live.add(row, execution, effects, 0)
        if not (row.express and row.map_run is None and execution.status is not Status.RUNNING):
            # Nobody can ask for an Express execution that is over.
            self._journal.insert(row)
        self._take(live, step)
        return row

    def tell(self, execution: int, *stimuli: Stimulus) -> bool:
        """Tells an execution what has happened. False where it does not run any more."""
        live = None if execution in self.broken else self._live.get(execution)
        if live is None or live.execution.status is not Status.RUNNING:
            return False
        # Before it moves: what it waits for besides is asked for once more, and what it begins now only once.
        self.commands.extend((live, command) for command in self._pending(live))
        self.advance(live, stimuli)
        for stimulus in stimuli:
            if isinstance(stimulus, TaskSucceeded | TaskFailed):
                self.answered.append((execution, stimulus.task))
        return True

    def resume(self, live: Live) -> None:
        """Goes on with an execution from before the start, unless something has happened to it already."""
        fell_due: list[StartTimer] = []
        for command in self._pending(live):
            if isinstance(command, StartTimer) and command.due <= self.now:
                fell_due.append(command)
            else:
                self.commands.append((live, command))
        if fell_due:
            # In the order in which they would have fired.
            fell_due.sort(key=lambda command: command.due)
            self.advance(live, [TimerFired(command.timer) for command in fell_due])

    def stop(self, execution: int, error: str | None = None, cause: str | None = None) -> bool:
        """Returns False where it does not run any more."""
        return self.tell(execution, Stopped(error, cause))

    def forget_machine(self, arn: str) -> None:
        """Forgets a state machine that was deleted, and its executions with it."""
        self._journal.forget_machine(arn)

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """Executes SQL in the journal, committed with the turn. Raises JournalFull."""
        return self._journal.execute(statement, parameters)

    # What the executor does with it.

    def advance(self, live: Live, stimuli: Sequence[Stimulus]) -> None:
        try:
            step = interpreter.advance(live.execution, stimuli, self.now, live.effects)
        except Exception as error:  # noqa: BLE001 - an execution's edge: it alone ends, with what went wrong
            self._break(live, error)
            return
        self._take(live, step)

    def redrive(self, arn: str) -> ExecutionRow:
        """Raises NoSuchExecution or NotRedrivable."""
        row = self._live.reader.execution(arn)
        if row is None:
            raise NoSuchExecution(arn)
        if row.status == Status.RUNNING.value or row.id in self.touched:
            raise NotRedrivable("the execution is running")
        effects = self._live.effects(row.id)
        records, batches = self._live.reader.history(row.id)
        try:
            execution, step = interpreter.redrive(
                machine_of(row.revision), identity_of(row), records, self.now, effects
            )
        except redriving.NotRedrivable as error:
            raise NotRedrivable(str(error)) from error
        row.redrives += 1
        row.redriven, row.status, row.stopped = self.now, Status.RUNNING.value, None
        live = self._live.add(row, execution, effects, batches)
        self._journal.update(row)
        self._take(live, step)
        return row

    def _pending(self, live: Live) -> list[Command]:
        """Returns what an execution from before the start waits for, the first time it is asked."""
        if live.row.id not in self._unresumed:
            return []
        self.resumed.add(live.row.id)
        return self._unresumed.pending(live, self.now)

    def _take(self, live: Live, step: Advance) -> None:
        row = live.row
        self.touched.add(row.id)
        ended = False
        for command in step.commands:
            if type(command) is Complete:
                ended = True
                self._end(live, command)
            else:
                self.commands.append((live, command))
        if step.records:
            gone = ended and row.express and row.map_run is None
            if not gone:
                self._journal.append(row.id, live.batches, step.records)
                live.batches += 1
            self.observed.append((row, step.records))

    def _end(self, live: Live, end: Complete) -> None:
        row = live.row
        row.status, row.stopped = end.status.value, self.now
        over = Over(row, end.output, end.error, end.cause)
        self.over.append(over)
        self.ended.append(live)
        if row.map_run is not None:
            self.children_over.append(over)
        if row.express and row.map_run is None:
            self._journal.delete(row.id)
        else:
            self._journal.update(row)

    def _break(self, live: Live, error: Exception) -> None:
        """Gives up a run whose state in memory is half moved: it is read again, and ended, in a turn of its own."""
        self.touched.add(live.row.id)
        self.broken[live.row.id] = f"The engine failed: {type(error).__name__}: {error}"


def generated_name(now: float) -> str:
    """Returns a UUID (version 7) that begins with the time.

    Names of executions that follow one another are then neighbours in the journal's index of names: with random ones
    each commit writes as many pages of it as it has executions.
    """
    chance = int.from_bytes(os.urandom(10), "big")
    low, high = chance & (1 << 62) - 1, chance >> 68
    return str(uuid.UUID(int=int(now * 1000) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low))
