"""One execution, to which a test lets anything happen, and what has to be true of it at every moment."""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from local.stepfunctions.asl.compiler import compile_machine
from local.stepfunctions.asl.machine.machine import Machine
from local.stepfunctions.interpreter import interpreter
from local.stepfunctions.interpreter.changes import replay
from local.stepfunctions.interpreter.commands import (
    CancelTask,
    CancelTimer,
    Complete,
    ScheduleTask,
    StartMapRun,
    StartTimer,
    Status,
)
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.interpreter.execution import Execution
from local.stepfunctions.interpreter.interpreter import Advance
from local.stepfunctions.interpreter.redriving import NotRedrivable
from local.stepfunctions.interpreter.stimuli import (
    Stimulus,
    Stopped,
    TaskFailed,
    TaskHeartbeat,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    Timer,
    TimerFired,
    TimerKind,
)
from local.stepfunctions.journal import codec
from tests.crash import histories
from tests.property.strategies import ERRORS, OUTPUTS
from tests.unit.local.stepfunctions.world import IDENTITY, FixedEffects

EFFECTS = FixedEffects()


@dataclass
class Life:
    machine: Machine
    execution: Execution
    now: float = 1_000.0
    records: list[Event] = field(default_factory=list)
    tasks: set[int] = field(default_factory=set)
    """Asked for, and neither answered nor cancelled."""
    over: set[int] = field(default_factory=set)
    map_runs: set[int] = field(default_factory=set)
    timers: dict[Timer, float] = field(default_factory=dict)
    fired: list[Timer] = field(default_factory=list)
    end: Complete | None = None

    @classmethod
    def begun(cls, definition: Any, value: Any) -> "Life":
        machine = compile_machine(json.dumps(definition))
        execution, step = interpreter.start(machine, IDENTITY, json.dumps(value), 1_000.0, EFFECTS)
        life = cls(machine, execution)
        life.took(step)
        return life

    def happens(self, stimulus: Stimulus) -> None:
        self.took(interpreter.advance(self.execution, [stimulus], self.now, EFFECTS))

    def redriven(self) -> None:
        try:
            execution, step = interpreter.redrive(self.machine, IDENTITY, self.written(), self.now, EFFECTS)
        except NotRedrivable:
            return
        # What is left is the timer of the machine, which the executor takes away with the execution.
        self.execution, self.end, self.timers = execution, None, {}
        self.took(step)

    def written(self) -> list[Event]:
        """The records as a journal gives them back."""
        return codec.decode(codec.encode(self.records))

    def took(self, step: Advance) -> None:
        self.records += step.records
        cancelled: set[int] = set()
        for command in step.commands:
            assert self.end is None, "something is asked for after the end"
            match command:
                case ScheduleTask(task=task) | StartMapRun(task=task):
                    assert task not in self.tasks | self.over
                    if isinstance(command, StartMapRun):
                        self.map_runs.add(task)
                    self.tasks.add(task)
                case CancelTask(task=task):
                    # Once, however deep inside other states it stands.
                    assert task not in cancelled
                    assert task in self.tasks | self.over
                    cancelled.add(task)
                    self.tasks.discard(task)
                    self.over.add(task)
                case StartTimer(timer, due):
                    assert due >= self.now
                    self.timers[timer] = due
                case CancelTimer(timer):
                    self.timers.pop(timer, None)
                case Complete():
                    self.end = command
        waiting = {frame.task.id for frame in self.execution.frames.values() if frame.task is not None}
        over = self.tasks - waiting if self.end is None else self.tasks
        self.over |= over
        self.tasks -= over

    @property
    def is_full(self) -> bool:
        """There was no room in the history for what came next."""
        return "maximum number of history events" in (self.execution.cause or "")

    # What has to be true.

    def holds_together(self) -> None:
        self._is_what_its_records_say()
        if self.end is None:
            assert self.execution.status is Status.RUNNING
            assert self.tasks or self.timers, "it waits for nothing"
            self._resumes_with_what_it_waits_for()
        else:
            assert self.execution.status is self.end.status
            assert {timer.kind for timer in self.timers} <= {TimerKind.EXECUTION}, self.timers
            assert interpreter.resume(self.execution, self.now, EFFECTS) == []
            error = self.end.error
            assert error is None or error.startswith("States.") or error in ERRORS, error
        history = histories.shown(self.records)
        histories.check(history, self.execution.status.value)

    def _is_what_its_records_say(self) -> None:
        again = replay(self.machine, IDENTITY, self.written())
        if self.is_full:
            # It is over for good, in the middle of a move: nothing more becomes of its lines of states.
            again.frames, self.execution.frames = {}, {}
        assert again == self.execution

    def _resumes_with_what_it_waits_for(self) -> None:
        tasks, timers = set(), {}
        for command in interpreter.resume(replay(self.machine, IDENTITY, self.written()), self.now, EFFECTS):
            match command:
                case ScheduleTask(task=task) | StartMapRun(task=task):
                    tasks.add(task)
                case StartTimer(timer, due):
                    timers[timer] = due
                case _:
                    raise AssertionError(command)
        assert tasks == self.tasks
        # A heartbeat begins anew: nobody can say when the last one was.
        assert timers == {
            timer: timers.get(timer) if timer.kind is TimerKind.HEARTBEAT else due for timer, due in self.timers.items()
        }

    # What can happen.

    def something(self, draw: Any) -> None:
        """Chosen by hypothesis: what is waited for, what is not any more, and what never was."""
        how = draw(st.integers(0, 19))
        if how == 0:
            self.happens(Stopped("E" if draw(st.booleans()) else None, "c"))
        elif how < 8 and self.timers:
            timer = min(self.timers, key=lambda one: self.timers[one])
            self.now = max(self.now, self.timers.pop(timer))
            self.fired.append(timer)
            self.happens(TimerFired(timer))
        elif how == 8 and (stale := [timer for timer in self.fired if timer not in self.timers]):
            self.happens(TimerFired(draw(st.sampled_from(stale))))
        else:
            known = sorted(self.tasks) * 4 + sorted(self.over)
            task = draw(st.sampled_from(known)) if known else 2
            self.happens(draw(_told(task, is_map_run=task in self.map_runs)))


def _told(task: int, *, is_map_run: bool) -> st.SearchStrategy[Stimulus]:
    # What a map run puts out is the engine's own.
    fine = st.just(TaskSucceeded(task, "[1]" if is_map_run else '{"a": 1, "items": [1, "x"]}'))
    return st.one_of(
        fine,
        fine,
        fine,
        fine if is_map_run else st.builds(TaskSucceeded, st.just(task), OUTPUTS),
        st.sampled_from([TaskStarted(task, "w"), TaskHeartbeat(task), TaskSubmitted(task, '{"Id":1}')]),
        st.builds(TaskFailed, st.just(task), st.sampled_from([None, "States.Timeout", *ERRORS]), st.none() | st.text()),
    )
