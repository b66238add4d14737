"""What executions ask of the world, carried out once the turn that asked for it is on the disk."""

import logging
from collections.abc import Callable
from functools import partial

from local.documents import Json
from local.stepfunctions.executor.errors import TaskOver
from local.stepfunctions.executor.live import Live, LiveExecutions
from local.stepfunctions.executor.mailbox import Work
from local.stepfunctions.executor.tasks import ScheduledMapRun, ScheduledTask, Tell, key_of
from local.stepfunctions.executor.timers import Timers
from local.stepfunctions.executor.world import MapRuns, Performer
from local.stepfunctions.interpreter import interpreter
from local.stepfunctions.interpreter.commands import (
    CancelTask,
    CancelTimer,
    Command,
    ScheduleTask,
    StartMapRun,
    StartTimer,
)
from local.stepfunctions.interpreter.stimuli import Timer, TimerKind
from local.stepfunctions.journal.rows import ExecutionRow

_LOG = logging.getLogger("headrace.stepfunctions")


class Commands:
    """Timers, tasks and map runs of all executions. The engine's thread alone uses it."""

    def __init__(self, performer: Performer, map_runs: MapRuns, post: Callable[[Work], None], tell: Tell) -> None:
        self.timers = Timers()
        self._performer = performer
        self._map_runs = map_runs
        self._post = post
        self._tell = tell
        self._map_run_tasks: dict[tuple[int, int], str] = {}

    def carry_out(self, live: Live, command: Command, item_inputs: "ItemInputs") -> None:
        execution = live.row.id
        match command:
            case StartTimer(timer, due):
                self.timers.set(execution, timer, due)
            case CancelTimer(timer):
                self.timers.cancel(execution, timer)
            case ScheduleTask():
                self._perform(ScheduledTask(command, live.row, self._tell))
            case CancelTask(task=number):
                self._cancel(live.row, number)
            case StartMapRun():
                self._map_run_tasks[execution, command.task] = command.arn
                run = ScheduledMapRun(command, live.row, self._tell, partial(item_inputs, execution))
                self._post(lambda turn: self._map_runs.begin(turn, run))

    def ended(self, live: Live) -> None:
        """Forgets the one timer that an execution has to its end."""
        self.timers.cancel(live.row.id, Timer(TimerKind.EXECUTION, 0, live.execution.began))

    def answered(self, execution: int, task: int) -> None:
        """Forgets a map run that has answered."""
        self._map_run_tasks.pop((execution, task), None)

    def _perform(self, task: ScheduledTask) -> None:
        try:
            self._performer.perform(task)
        except Exception as error:  # noqa: BLE001 - a task that cannot begin has failed
            _LOG.exception("a task could not begin")
            task.failed("States.Runtime", f"The task could not begin: {type(error).__name__}: {error}")

    def _cancel(self, row: ExecutionRow, task: int) -> None:
        map_run = self._map_run_tasks.pop((row.id, task), None)
        if map_run is not None:
            self._post(lambda turn: self._map_runs.cancel(turn, map_run))
            return
        try:
            self._performer.cancel(key_of(row.arn, task))
        except Exception:  # noqa: BLE001 - nobody waits for the task any more
            _LOG.exception("a task could not be cancelled")


ItemInputs = Callable[[int, int, list[Json]], list[Json]]
"""(execution, task, items) -> the inputs of a map run's children."""


def item_inputs(live: LiveExecutions, clock: Callable[[], float]) -> ItemInputs:
    """Returns what computes the inputs of children, on the engine's thread. That raises TaskOver and StatesError."""

    def compute(execution: int, task: int, items: list[Json]) -> list[Json]:
        parent = live.get(execution)
        frame = None if parent is None else parent.execution.task_frame(task)
        if parent is None or frame is None:
            raise TaskOver("the Map state is over")
        return interpreter.item_inputs(parent.execution, frame.number, items, clock(), parent.effects)

    return compute
