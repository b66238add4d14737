"""Moves an execution on: (its state, what happened, the time) -> the records to commit and the commands to carry out.

The execution is changed in place, by its records only. Where the records cannot be committed, it is to be thrown away
and replayed from the journal; the commands must not be carried out before.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local.documents import Json
from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import Document, decode
from local.stepfunctions.asl.errors import StatesError
from local.stepfunctions.asl.machine.machine import (
    BaseState,
    ChoiceState,
    FailState,
    Machine,
    MapState,
    ParallelState,
    PassState,
    SucceedState,
    TaskState,
    WaitState,
)
from local.stepfunctions.asl.scope import Effects
from local.stepfunctions.interpreter import distributed, nested, redriving, tasks
from local.stepfunctions.interpreter.changes import apply, replay
from local.stepfunctions.interpreter.commands import Command, StartTimer, Status
from local.stepfunctions.interpreter.events import WHOLE, Event, EventType, MarkType
from local.stepfunctions.interpreter.execution import Execution, Frame, Identity
from local.stepfunctions.interpreter.failing import evaluation_failed, fail
from local.stepfunctions.interpreter.run import HistoryFull, Run
from local.stepfunctions.interpreter.stimuli import (
    Broken,
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


@dataclass(frozen=True, slots=True)
class Advance:
    records: list[Event]
    """To be committed together."""
    commands: list[Command]
    """To be carried out after that, in order."""


def start(machine: Machine, identity: Identity, text: str, now: float, effects: Effects) -> tuple[Execution, Advance]:
    """`text` is the input, as JSON. Raises ValueError where it is none."""
    document = Document(decode(text), text)
    execution = Execution(machine, identity)
    run = Run(execution, now, effects)
    details = {"input": text, "inputDetails": WHOLE, "roleArn": identity.role_arn}
    started = Event(1, 0, EventType.EXECUTION_STARTED, now, 0, details)
    run.records.append(started)
    apply(execution, started, document)
    if machine.timeout is not None:
        due = now + machine.timeout
        run.commands.append(StartTimer(Timer(TimerKind.EXECUTION, 0, 1), due))
    run.ready.append((execution.frames[0], machine.flow.start, document))
    _drain(run)
    return execution, Advance(run.records, run.commands)


def redrive(
    machine: Machine, identity: Identity, records: Iterable[Event], now: float, effects: Effects
) -> tuple[Execution, Advance]:
    """RedriveExecution: an execution that did not succeed goes on from each step that did not. Raises NotRedrivable."""
    execution = replay(machine, identity, records)
    run = Run(execution, now, effects)
    redriving.begin(run)
    if machine.timeout is not None:
        run.commands.append(StartTimer(Timer(TimerKind.EXECUTION, 0, execution.began), now + machine.timeout))
    _drain(run)
    return execution, Advance(run.records, run.commands)


def advance(execution: Execution, stimuli: Iterable[Stimulus], now: float, effects: Effects) -> Advance:
    """Moves the execution. A stimulus that no longer concerns it changes nothing."""
    run = Run(execution, now, effects)
    for stimulus in stimuli:
        if execution.status is not Status.RUNNING:
            break
        try:
            _take(run, stimulus)
        except HistoryFull:
            _history_full(run)
        _drain(run)
    return Advance(run.records, run.commands)


def resume(execution: Execution, now: float, effects: Effects) -> list[Command]:
    """Returns what a replayed execution waits for, asked for once more. A task may so be carried out twice, as
    on AWS.
    """
    run = Run(execution, now, effects)
    if execution.status is not Status.RUNNING:
        return []
    if execution.machine.timeout is not None:
        begun = execution.started_at if execution.redriven_at is None else execution.redriven_at
        due = begun + execution.machine.timeout
        run.commands.append(StartTimer(Timer(TimerKind.EXECUTION, 0, execution.began), due))
    for frame in list(execution.frames.values()):
        _resume(run, frame)
    return run.commands


def _resume(run: Run, frame: Frame) -> None:
    state = frame.definition if frame.state is not None else None
    task = frame.task
    if task is not None and isinstance(state, MapState):
        run.commands.append(distributed.resumed(run, frame, state, task))
    elif task is not None and isinstance(state, TaskState):
        run.commands.append(tasks.again(run, state, task))
        if task.timeout is not None:
            run.start_timer(TimerKind.TIMEOUT, frame, task.id, task.time + task.timeout)
        if task.heartbeat is not None:
            run.start_timer(TimerKind.HEARTBEAT, frame, task.id, run.now + task.heartbeat)
    elif frame.due is not None and state is not None:
        kind = TimerKind.WAIT if isinstance(state, WaitState) else TimerKind.RETRY
        run.start_timer(kind, frame, frame.entered, frame.due)


def item_inputs(execution: Execution, frame: int, items: list[Json], now: float, effects: Effects) -> list[Json]:
    """Returns the inputs of a map run's child executions, of the items that its reader found. Raises StatesError."""
    waiting = execution.frames[frame]
    state = waiting.definition
    if not isinstance(state, MapState):
        raise TypeError(f"{state.name} is no Map")
    run = Run(execution, now, effects)
    return distributed.item_inputs(run, waiting, state, state.flow.enter(run.scope(waiting)), items)


# What happened.


def _take(run: Run, stimulus: Stimulus) -> None:
    match stimulus:
        case TimerFired(timer):
            _fired(run, timer)
        case Stopped(error, cause):
            run.complete(Status.ABORTED, error=error, cause=cause)
        case Broken(cause):
            run.complete(Status.FAILED, error=errors.RUNTIME, cause=cause)
        case _:
            frame = run.execution.task_frame(stimulus.task)
            if frame is not None:
                _task_told(run, frame, stimulus)


def _task_told(
    run: Run, frame: Frame, stimulus: TaskStarted | TaskSubmitted | TaskHeartbeat | TaskSucceeded | TaskFailed
) -> None:
    match stimulus:
        case TaskStarted(worker=worker):
            tasks.started(run, frame, worker)
        case TaskSubmitted(output=output):
            tasks.submitted(run, frame, output)
        case TaskHeartbeat():
            tasks.heartbeat(run, frame)
        case TaskSucceeded(output=output):
            tasks.succeeded(run, frame, output)
        case TaskFailed(error=error, cause=cause):
            tasks.failed(run, frame, error, cause)


def _fired(run: Run, timer: Timer) -> None:
    if timer.kind is TimerKind.EXECUTION:
        if timer.event == run.execution.began:
            run.complete(Status.TIMED_OUT)
        return
    frame = run.execution.frames.get(timer.frame)
    if frame is None or frame.state is None:
        return
    if timer.kind in (TimerKind.TIMEOUT, TimerKind.HEARTBEAT):
        if frame.task is not None and frame.task.id == timer.event:
            tasks.timed_out(run, frame, timer.kind)
    elif frame.due is not None and frame.entered == timer.event:
        if isinstance(frame.definition, WaitState):
            _leave_wait(run, frame, frame.definition)
        else:
            _execute(run, frame, frame.definition)


# Lines of states.


def _drain(run: Run) -> None:
    """Moves on until every line waits or is over."""
    try:
        while run.ended or run.ready:
            if run.ended:
                _end_line(run, run.ended.popleft())
                continue
            frame, name, document = run.ready.popleft()
            if name is not None:
                run.enter(frame, name, document)
            elif not redriving.revive(run, frame):
                continue
            _execute(run, frame, frame.definition)
    except HistoryFull:
        _history_full(run)


def _end_line(run: Run, frame: Frame) -> None:
    if frame.parent is None:
        run.complete(Status.SUCCEEDED, output=frame.output)
    else:
        nested.line_succeeded(run, frame)


def _history_full(run: Run) -> None:
    if run.execution.machine.express:
        # What AWS makes of an Express loop without end, five minutes later.
        run.complete(Status.TIMED_OUT)
        return
    cause = "The execution reached the maximum number of history events (25000)."
    run.complete(Status.FAILED, error=errors.RUNTIME, cause=cause)


def _execute(run: Run, frame: Frame, state: BaseState) -> None:
    try:
        _EXECUTORS[type(state)](run, frame, state)
    except StatesError as error:
        evaluation_failed(run, frame, error, began=isinstance(state, WaitState) or frame.previous != frame.entered)
    except (ArithmeticError, ValueError, RecursionError) as error:
        # No value of the input may take the engine down, also where nobody has thought of it.
        evaluation_failed(run, frame, errors.runtime(f"The state cannot be executed: {type(error).__name__}: {error}"))


def _pass(run: Run, frame: Frame, state: PassState) -> None:
    if state.identity:
        run.leave(frame, frame.input.value, None, state.next)
        return
    scope = run.scope(frame)
    value = state.result if state.has_result else state.flow.enter(scope)
    left = state.flow.leave(scope, value)
    run.leave(frame, left.output, left.assigned, state.next)


def _succeed(run: Run, frame: Frame, state: SucceedState) -> None:
    scope = run.scope(frame)
    left = state.flow.leave(scope, state.flow.enter(scope))
    run.leave(frame, left.output, left.assigned, None)


def _fail(run: Run, frame: Frame, state: FailState) -> None:
    scope = run.scope(frame)
    error = None if state.error is None else state.error(scope, scope.input)
    cause = None if state.cause is None else state.cause(scope, scope.input)
    fail(run, frame, error, cause)


def _choice(run: Run, frame: Frame, state: ChoiceState) -> None:
    scope = run.scope(frame)
    value = state.flow.enter(scope)
    for branch in state.branches:
        if branch.holds(scope, value):
            left = branch.leave(scope, value)
            run.leave(frame, left.output, left.assigned, branch.next)
            return
    if state.default is None:
        raise StatesError(errors.NO_CHOICE_MATCHED, "No Choice rule matched and the state has no Default.")
    left = state.flow.leave(scope, value)
    run.leave(frame, left.output, left.assigned, state.default)


def _wait(run: Run, frame: Frame, state: WaitState) -> None:
    scope = run.scope(frame)
    due = state.until(scope, state.flow.enter(scope))
    if due <= run.now:
        _leave_wait(run, frame, state)
        return
    run.mark(frame, MarkType.DUE, {"due": due})
    run.start_timer(TimerKind.WAIT, frame, frame.entered, due)


def _leave_wait(run: Run, frame: Frame, state: WaitState) -> None:
    scope = run.scope(frame)
    try:
        left = state.flow.leave(scope, state.flow.enter(scope))
        run.leave(frame, left.output, left.assigned, state.next)
    except StatesError as error:
        evaluation_failed(run, frame, error)


_EXECUTORS: Mapping[type[BaseState], Callable[[Run, Frame, Any], None]] = {
    PassState: _pass,
    SucceedState: _succeed,
    FailState: _fail,
    ChoiceState: _choice,
    WaitState: _wait,
    TaskState: tasks.run_task,
    ParallelState: nested.run_parallel,
    MapState: nested.run_map,
}
