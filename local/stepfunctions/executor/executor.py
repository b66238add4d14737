"""The engine's thread: posts and timers come in, the journal is written, and then the world is told.

Whatever moves an execution does so here, in a turn. One commit carries a whole turn, so that many executions share
its cost; no command leaves before its commit, so that a crash repeats at most what the world was last asked for.
"""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from local.stepfunctions.executor import tokens
from local.stepfunctions.executor.errors import (
    ExecutorStopped,
    NoSuchExecution,
    TaskOver,
    TokenInvalid,
)
from local.stepfunctions.executor.live import Live, LiveExecutions
from local.stepfunctions.executor.new_execution import NewExecution, Over
from local.stepfunctions.executor.tasks import ScheduledMapRun, ScheduledTask, key_of
from local.stepfunctions.executor.timers import Timers
from local.stepfunctions.executor.turn import Turn
from local.stepfunctions.executor.world import MapRuns, Observer, Performer, Watcher
from local.stepfunctions.interpreter import interpreter
from local.stepfunctions.interpreter.commands import (
    CancelTask,
    CancelTimer,
    Command,
    ScheduleTask,
    StartMapRun,
    StartTimer,
    Status,
)
from local.stepfunctions.interpreter.stimuli import (
    Broken,
    Stimulus,
    TaskFailed,
    TaskHeartbeat,
    TaskSucceeded,
    Timer,
    TimerFired,
    TimerKind,
)
from local.stepfunctions.journal.errors import JournalError, JournalFull, JournalRefused
from local.stepfunctions.journal.journal import Journal
from local.stepfunctions.journal.reading import Reader
from local.stepfunctions.journal.rows import ExecutionRow

_TURN_POSTS = 512
"""So many posts and timers at most share a commit."""
_RETRY_SECONDS = 1.0
"""After a commit that failed, what nobody is told of is tried again."""
_RESUMED_AT_ONCE = 256
_PRUNE_SECONDS = 5.0
_PRUNED_AT_ONCE = 500
_JOIN_SECONDS = 10.0
_LOG = logging.getLogger("headrace.stepfunctions")

Work = Callable[[Turn], object]


@dataclass(frozen=True, slots=True)
class Retention:
    """Which finished executions are kept; AWS keeps them for 90 days."""

    seconds: float = 90 * 86_400.0
    executions: int = 1_000_000


@dataclass(frozen=True, slots=True)
class _Post:
    work: Work
    refuse: Callable[[BaseException], None] | None = None
    """Who waits for it. None: it has to happen, so it is tried again."""


class Executor:
    def __init__(
        self,
        journal: Journal,
        performer: Performer,
        map_runs: MapRuns,
        *,
        clock: Callable[[], float] = time.time,
        retention: Retention = Retention(),
    ) -> None:
        self.journal = journal
        self.reader = Reader(journal.path)
        self.live = LiveExecutions(self.reader, journal.secret)
        self.map_runs = map_runs
        self._performer = performer
        self._clock = clock
        self._retention = retention
        self._posts: SimpleQueue[_Post | None] = SimpleQueue()
        self._late: deque[tuple[float, _Post]] = deque()
        self._timers = Timers()
        self._map_run_tasks: dict[tuple[int, int], str] = {}
        self._watchers: defaultdict[int, list[Watcher]] = defaultdict(list)
        self._observers: list[Observer] = []
        self._unresumed: set[int] = set()
        self._next_prune = 0.0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="stepfunctions", daemon=True)

    # Life.

    def start(self) -> None:
        """Take what is asked. What ran when the last one stopped waits for `resume`, or for whom it hears of first."""
        self._unresumed = set(self.journal.running())
        self._thread.start()

    def resume(self) -> int:
        """Go on with what ran when the last one stopped. Answers how many executions that are."""
        running = sorted(self._unresumed)
        if running:
            self.post(partial(self._resume, running, 0))
        return len(running)

    def stop(self) -> None:
        """What runs stays as it is, for the next start."""
        self._closing = True
        self._posts.put(None)
        if self._thread.is_alive():
            self._thread.join(_JOIN_SECONDS)
        self.reader.close()
        self.journal.close()

    def observe(self, observer: Observer) -> None:
        """Before `start`."""
        self._observers.append(observer)

    # What is asked of it, from any thread.

    def start_execution(self, new: NewExecution, watcher: Watcher | None = None) -> "Future[ExecutionRow]":
        """Its row, once it is on the disk. Fails with AlreadyExists, JournalFull or ExecutorStopped."""

        def work(turn: Turn) -> ExecutionRow:
            row = turn.start(new)
            if watcher is not None:
                self._watchers[row.id].append(watcher)
            return row

        return self.ask(work)

    def stop_execution(self, arn: str, error: str | None = None, cause: str | None = None) -> "Future[float]":
        """When it stopped. Fails with NoSuchExecution; one that is over already stays as it is."""

        def work(turn: Turn) -> float:
            row = self.reader.execution(arn)
            if row is None:
                raise NoSuchExecution(arn)
            if turn.stop(row.id, error, cause):
                return turn.now
            return row.stopped if row.stopped is not None else turn.now

        return self.ask(work)

    def redrive_execution(self, arn: str) -> "Future[float]":
        """When it was taken up again. Fails with NoSuchExecution or NotRedrivable."""
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
        """It has to be heard: it is written as soon as that can be done."""
        self.post(lambda turn: turn.tell(execution, stimulus))

    def when_over(self, arn: str, watcher: Watcher) -> None:
        """At once where it is over. An execution that does not exist is not over."""

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
        """What `work` answers, once the turn is committed; or what it raises."""
        future: Future[Any] = Future()

        def refuse(error: BaseException) -> None:
            if not future.done():
                future.set_exception(error)

        def carry_out(turn: Turn) -> None:
            answer = work(turn)
            turn.committed.append(lambda: future.set_result(answer))

        self._put(_Post(carry_out, refuse))
        return future

    def post(self, work: Work) -> None:
        """Do something in the next turn, without fail."""
        self._put(_Post(work))

    def end_broken(self, execution: int, cause: str) -> None:
        """The interpreter failed on it."""
        _LOG.error("execution %s: %s", execution, cause)
        self.live.drop(execution)
        self.tell(execution, Broken(cause))

    def _put(self, post: _Post) -> None:
        if self._closing:
            if post.refuse is not None:
                post.refuse(ExecutorStopped("the local cloud is stopping"))
            return
        self._posts.put(post)

    # The thread.

    def _run(self) -> None:
        while not self._closing:
            self._turn(self._gather())
        self._refuse_the_rest()

    def _gather(self) -> list[_Post]:
        """Wait for something to do."""
        gathered: list[_Post] = []
        try:
            post = self._posts.get(timeout=self._until_next())
            while post is not None:
                gathered.append(post)
                if len(gathered) == _TURN_POSTS:
                    break
                post = self._posts.get_nowait()
        except Empty:
            pass
        now = self._clock()
        due = list(self._timers.take_due(now, _TURN_POSTS - len(gathered)))
        self.live.preload([execution for execution, _ in due])
        gathered += [_Post(partial(self._fire, execution, timer)) for execution, timer in due]
        while self._late and self._late[0][0] <= now:
            gathered.append(self._late.popleft()[1])
        if now >= self._next_prune:
            self._next_prune = now + _PRUNE_SECONDS
            gathered.append(_Post(self._prune))
        return gathered

    def _until_next(self) -> float:
        due = min(
            self._timers.next_due() or float("inf"),
            self._late[0][0] if self._late else float("inf"),
            self._next_prune,
        )
        return max(0.0, due - self._clock())

    def _turn(self, posts: list[_Post]) -> None:
        turn = Turn(self, self.journal, self._clock())
        try:
            for post in posts:
                self._work(turn, post)
            self.journal.commit()
        except JournalRefused as error:
            self._undone(turn)
            self._one_by_one(posts, error)
            return
        except JournalError as error:
            self._undone(turn)
            self._not_committed(posts, error)
            return
        self._committed(turn)
        self.live.shrink()

    def _work(self, turn: Turn, post: _Post) -> None:
        try:
            post.work(turn)
            turn.settle()
        except (JournalFull, JournalRefused):
            raise
        except Exception as error:  # noqa: BLE001 - the edge of a post: the others of its turn go on
            if post.refuse is not None:
                refuse, told = post.refuse, error
                turn.committed.append(lambda: refuse(told))
            else:
                _LOG.exception("a post failed")

    def _undone(self, turn: Turn) -> None:
        """What is in memory of it is not what the journal says."""
        self.journal.rollback()
        for execution in turn.touched:
            self.live.drop(execution)
        self.map_runs.forget()
        self._unresumed |= turn.resumed

    def _not_committed(self, posts: list[_Post], error: JournalError) -> None:
        _LOG.error("%s", error)
        again = self._clock() + _RETRY_SECONDS
        for post in posts:
            if post.refuse is not None:
                post.refuse(error)
            else:
                self._late.append((again, post))

    def _one_by_one(self, posts: list[_Post], error: JournalRefused) -> None:
        """One of them cannot be written, whenever it is tried; the others can."""
        if len(posts) > 1:
            for post in posts:
                self._turn([post])
        elif posts[0].refuse is not None:
            posts[0].refuse(error)
        else:
            _LOG.error("given up: %s", error)

    def _committed(self, turn: Turn) -> None:
        for live, command in turn.commands:
            self._carry_out(live, command)
        for live in turn.ended:
            self._timers.cancel(live.row.id, Timer(TimerKind.EXECUTION, 0, live.execution.began))
            self.live.drop(live.row.id)
        for row, records in turn.observed:
            for observer in self._observers:
                self._guarded(partial(observer, row, records))
        for over in turn.over:
            for watcher in self._watchers.pop(over.row.id, ()):
                self._guarded(partial(watcher, over))
        for call in turn.committed:
            self._guarded(call)

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - whoever listens must not stop the engine
            _LOG.exception("a listener failed")

    def _refuse_the_rest(self) -> None:
        while True:
            try:
                post = self._posts.get_nowait()
            except Empty:
                return
            if post is not None and post.refuse is not None:
                post.refuse(ExecutorStopped("the local cloud is stopping"))

    # Commands.

    def _carry_out(self, live: Live, command: Command) -> None:
        execution = live.row.id
        match command:
            case StartTimer(timer, due):
                self._timers.set(execution, timer, due)
            case CancelTimer(timer):
                self._timers.cancel(execution, timer)
            case ScheduleTask():
                self._perform(ScheduledTask(command, live.row, self.tell))
            case CancelTask(task=number):
                self._cancel(live.row, number)
            case StartMapRun():
                self._map_run_tasks[execution, command.task] = command.arn
                run = ScheduledMapRun(command, live.row, self.tell, partial(self._item_inputs, execution))
                self.post(lambda turn: self.map_runs.begin(turn, run))

    def _perform(self, task: ScheduledTask) -> None:
        try:
            self._performer.perform(task)
        except Exception as error:  # noqa: BLE001 - a task that cannot begin has failed
            _LOG.exception("a task could not begin")
            task.failed("States.Runtime", f"The task could not begin: {type(error).__name__}: {error}")

    def _cancel(self, row: ExecutionRow, task: int) -> None:
        map_run = self._map_run_tasks.pop((row.id, task), None)
        if map_run is None:
            self._guarded(lambda: self._performer.cancel(key_of(row.arn, task)))
        else:
            self.post(lambda turn: self.map_runs.cancel(turn, map_run))

    def _item_inputs(self, execution: int, task: int, items: list[Any]) -> list[Any]:
        live = self.live.get(execution)
        frame = None if live is None else live.execution.task_frame(task)
        if live is None or frame is None:
            raise TaskOver("the Map state is over")
        return interpreter.item_inputs(live.execution, frame.number, items, self._clock(), live.effects)

    # What happened.

    def _fire(self, execution: int, timer: Timer, turn: Turn) -> None:
        turn.tell(execution, TimerFired(timer))

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

    # From time to time.

    def _prune(self, _turn: Turn) -> None:
        before = self._clock() - self._retention.seconds
        if self.journal.prune(before, self._retention.executions, _PRUNED_AT_ONCE) == _PRUNED_AT_ONCE:
            self._next_prune = 0.0

    def _resume(self, running: list[int], index: int, turn: Turn) -> None:
        """Some at a time, so that others are heard in between."""
        some = running[index : index + _RESUMED_AT_ONCE]
        # What this turn has changed already is in memory: nothing is read that the journal does not have yet.
        self.live.preload(some)
        for execution in some:
            try:
                self._resume_one(turn, execution)
            except Exception:  # noqa: BLE001 - one that cannot be read must not keep the others
                _LOG.exception("execution %s cannot go on", execution)
        if index + _RESUMED_AT_ONCE < len(running):
            turn.committed.append(lambda: self.post(partial(self._resume, running, index + _RESUMED_AT_ONCE)))

    def _resume_one(self, turn: Turn, execution: int) -> None:
        live = self.live.get(execution) if execution in self._unresumed else None
        if live is None:
            return
        fell_due: list[StartTimer] = []
        for command in self.pending(turn, live):
            if isinstance(command, StartTimer) and command.due <= turn.now:
                fell_due.append(command)
            else:
                turn.commands.append((live, command))
        if fell_due:
            # In the order in which they would have fired.
            fell_due.sort(key=lambda command: command.due)
            turn.advance(live, [TimerFired(command.timer) for command in fell_due])

    def forget_map_run(self, execution: int, task: int) -> None:
        """It has answered."""
        self._map_run_tasks.pop((execution, task), None)

    def pending(self, turn: Turn, live: Live) -> list[Command]:
        """What an execution from before the start waits for, the first time it is asked."""
        if live.row.id not in self._unresumed:
            return []
        commands = interpreter.resume(live.execution, turn.now, live.effects)
        self._unresumed.discard(live.row.id)
        turn.resumed.add(live.row.id)
        return commands
