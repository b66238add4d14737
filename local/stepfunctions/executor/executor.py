"""The engine's thread: posts and timers come in, the journal is written, and then the world is told.

Whatever moves an execution does so here, in a turn. One commit carries a whole turn, so that many executions share
its cost; no command leaves before its commit, so that a crash repeats at most what the world was last asked for.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from local.stepfunctions.executor import tokens
from local.stepfunctions.executor.commands import Commands, item_inputs
from local.stepfunctions.executor.committing import Commits
from local.stepfunctions.executor.errors import NoSuchExecution, TaskOver, TokenInvalid
from local.stepfunctions.executor.live import LiveExecutions
from local.stepfunctions.executor.mailbox import Mailbox, Post, Work
from local.stepfunctions.executor.new_execution import NewExecution
from local.stepfunctions.executor.over import Over
from local.stepfunctions.executor.resuming import Unresumed
from local.stepfunctions.executor.turn import Turn
from local.stepfunctions.executor.upkeep import AS_ON_AWS, Pruning, Resuming, Retention
from local.stepfunctions.executor.world import MapRuns, Observer, Performer, Watcher
from local.stepfunctions.interpreter.commands import Status
from local.stepfunctions.interpreter.stimuli import (
    Broken,
    Stimulus,
    TaskFailed,
    TaskHeartbeat,
    TaskSucceeded,
    Timer,
    TimerFired,
)
from local.stepfunctions.journal.journal import Journal
from local.stepfunctions.journal.reading import Reader
from local.stepfunctions.journal.rows import ExecutionRow

_TURN_POSTS = 512
"""So many posts and timers at most share a commit."""
_JOIN_SECONDS = 10.0
_LOG = logging.getLogger("headrace.stepfunctions")


class Executor:
    """The door to the engine's thread."""

    def __init__(
        self,
        journal: Journal,
        performer: Performer,
        map_runs: MapRuns,
        *,
        clock: Callable[[], float] = time.time,
        retention: Retention = AS_ON_AWS,
    ) -> None:
        self.journal = journal
        self.reader = Reader(journal.path)
        self.live = LiveExecutions(self.reader, journal.secret)
        self.map_runs = map_runs
        self._clock = clock
        self._mailbox = Mailbox()
        self._unresumed = Unresumed()
        self._commits = Commits(journal, self.live, self._unresumed, map_runs, self._mailbox)
        self._commands = Commands(performer, map_runs, self.post, self.tell)
        self._item_inputs = item_inputs(self.live, clock)
        self._pruning = Pruning(journal, retention)
        self._resuming = Resuming(self.live, self._unresumed, self.post)
        self._watchers: defaultdict[int, list[Watcher]] = defaultdict(list)
        self._observers: list[Observer] = []
        self._thread = threading.Thread(target=self._run, name="stepfunctions", daemon=True)

    # Life.

    def start(self) -> None:
        """Takes what is asked. What ran when the last one stopped waits for `resume`, or for whom it hears of first."""
        self._unresumed.add(self.journal.running())
        self._thread.start()

    def resume(self) -> int:
        """Goes on with what ran when the last one stopped. Returns how many executions that are."""
        return self._resuming.begin()

    def stop(self) -> None:
        """Leaves what runs as it is, for the next start."""
        self._mailbox.close()
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)
        self.reader.close()
        self.journal.close()

    def observe(self, observer: Observer) -> None:
        """Has an observer told of everything; before `start`."""
        self._observers.append(observer)

    # What is asked of it, from any thread.

    def start_execution(self, new: NewExecution, watcher: Watcher | None = None) -> "Future[ExecutionRow]":
        """Returns its row, once it is on the disk. Fails with AlreadyExists, JournalFull or ExecutorStopped."""

        def work(turn: Turn) -> ExecutionRow:
            row = turn.start(new)
            if watcher is not None:
                self._watchers[row.id].append(watcher)
            return row

        return self.ask(work)

    def stop_execution(self, arn: str, error: str | None = None, cause: str | None = None) -> "Future[float]":
        """Returns when it stopped. Fails with NoSuchExecution; one that is over already stays as it is."""

        def work(turn: Turn) -> float:
            row = self.reader.execution(arn)
            if row is None:
                raise NoSuchExecution(arn)
            if turn.stop(row.id, error, cause):
                return turn.now
            return row.stopped if row.stopped is not None else turn.now

        return self.ask(work)

    def redrive_execution(self, arn: str) -> "Future[float]":
        """Returns when it was taken up again. Fails with NoSuchExecution or NotRedrivable."""
        return self.ask(lambda turn: turn.redrive(arn).redriven or turn.now)

    def answer(self, token: str, output: str) -> "Future[None]":
        """SendTaskSuccess; `output` is JSON. Fails with TokenInvalid or TaskOver."""
        return self._task_told(token, lambda task: TaskSucceeded(task, output))

    def fail(self, token: str, error: str | None, cause: str | None) -> "Future[None]":
        """SendTaskFailure. Fails with TokenInvalid or TaskOver."""
        return self._task_told(token, lambda task: TaskFailed(task, error, cause))

    def beat(self, token: str) -> "Future[None]":
        """SendTaskHeartbeat. Fails with TokenInvalid or TaskOver."""
        return self._task_told(token, TaskHeartbeat)

    def tell(self, execution: int, stimulus: Stimulus) -> None:
        """Tells an execution what must be heard: it is written as soon as that can be done."""
        self.post(lambda turn: turn.tell(execution, stimulus))

    def when_over(self, arn: str, watcher: Watcher) -> None:
        """Has a watcher told of the end, at once where it is over. An execution that does not exist is not over."""

        def work(turn: Turn) -> None:
            row = self.reader.execution(arn)
            if row is None:
                return
            if row.status == Status.RUNNING.value:
                self._watchers[row.id].append(watcher)
            else:
                over = self._told_over(row)
                turn.committed.append(lambda: watcher(over))

        self.post(work)

    def ask(self, work: Callable[[Turn], Any]) -> "Future[Any]":
        """Returns what `work` answers, once the turn is committed; or what it raises."""
        future: Future[Any] = Future()

        def refuse(error: BaseException) -> None:
            if not future.done():
                future.set_exception(error)

        def carry_out(turn: Turn) -> None:
            outcome = work(turn)
            turn.committed.append(lambda: future.set_result(outcome))

        self._mailbox.put(Post(carry_out, refuse))
        return future

    def post(self, work: Work) -> None:
        """Do something in the next turn, without fail."""
        self._mailbox.put(Post(work))

    # The thread.

    def _run(self) -> None:
        while not self._mailbox.closing:
            self._carry_out(self._gather())
        self._mailbox.refuse_the_rest()

    def _carry_out(self, posts: list[Post]) -> None:
        # Apart from the loop: no name of it holds a turn, with all its executions and records, while it waits.
        for turn in self._commits.run(posts, self._clock):
            self._committed(turn)
            self.live.shrink()

    def _gather(self) -> list[Post]:
        """Waits for something to do."""
        posts = self._mailbox.take(self._until_next(), _TURN_POSTS)
        now = self._clock()
        due = list(self._commands.timers.take_due(now, _TURN_POSTS - len(posts)))
        self.live.preload([execution for execution, _ in due])
        posts += [Post(partial(_fire, execution, timer)) for execution, timer in due]
        posts += self._mailbox.take_late(now)
        if now >= self._pruning.due:
            posts.append(self._pruning.post(now))
        return posts

    def _until_next(self) -> float:
        due = min(
            self._commands.timers.next_due() or float("inf"),
            self._mailbox.next_late(),
            self._pruning.due,
        )
        return max(0.0, due - self._clock())

    def _committed(self, turn: Turn) -> None:
        """Tells the world of a turn that is on the disk."""
        for live, command in turn.commands:
            self._commands.carry_out(live, command, self._item_inputs)
        for live in turn.ended:
            self._commands.ended(live)
            self.live.drop(live.row.id)
        for row, records in turn.observed:
            for observer in self._observers:
                self._guarded(partial(observer, row, records))
        for over in turn.over:
            for watcher in self._watchers.pop(over.row.id, ()):
                self._guarded(partial(watcher, over))
        for execution, task in turn.answered:
            self._commands.answered(execution, task)
        for execution, cause in turn.broken.items():
            self._end_broken(execution, cause)
        for call in turn.committed:
            self._guarded(call)

    def _end_broken(self, execution: int, cause: str) -> None:
        """Ends an execution on which the interpreter failed."""
        _LOG.error("execution %s: %s", execution, cause)
        self.live.drop(execution)
        self.tell(execution, Broken(cause))

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - whoever listens must not stop the engine
            _LOG.exception("a listener failed")

    # What happened.

    def _task_told(self, token: str, stimulus: Callable[[int], Stimulus]) -> "Future[None]":
        def work(turn: Turn) -> None:
            named = tokens.read(self.journal.secret, token)
            if named is None:
                raise TokenInvalid("Invalid Token")
            execution, task = named
            live = self.live.get(execution)
            if live is None or live.execution.task_frame(task) is None:
                raise TaskOver("Provided task does not exist anymore")
            turn.tell(execution, stimulus(task))

        return self.ask(work)

    def _told_over(self, row: ExecutionRow) -> Over:
        details = self.reader.last(row.id).details
        return Over(row, details.get("output"), details.get("error"), details.get("cause"))


def _fire(execution: int, timer: Timer, turn: Turn) -> None:
    turn.tell(execution, TimerFired(timer))
