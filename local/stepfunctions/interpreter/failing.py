"""A state has failed: it is tried again, caught, or takes down the line of states it is part of."""

from local.stepfunctions.asl.errors import QueryEvaluationError, StatesError
from local.stepfunctions.asl.machine.machine import TYPES, MapState, ParallelState, RetryingState, TaskState, WaitState
from local.stepfunctions.asl.machine.retries import matches
from local.stepfunctions.interpreter.commands import Status
from local.stepfunctions.interpreter.events import EventType, MarkType
from local.stepfunctions.interpreter.execution import Execution, Frame
from local.stepfunctions.interpreter.run import Run
from local.stepfunctions.interpreter.stimuli import TimerKind

_ABORTABLE = (TaskState, WaitState, ParallelState, MapState)


def evaluation_failed(run: Run, frame: Frame, error: StatesError, *, began: bool = True) -> None:
    """Fails a state of which an expression failed, or gave what the state cannot take."""
    if isinstance(error, QueryEvaluationError):
        run.evaluation_failed(frame, error, began=began)
    # A Map or Parallel that cannot even read its fields has not failed as a state, in AWS's history.
    own = not isinstance(error, QueryEvaluationError)
    fail(run, frame, error.error, run.told(frame, error), own=own)


def fail(
    run: Run, frame: Frame, error: str | None, cause: str | None, *, own: bool = False, heartbeat: bool = False
) -> None:
    """`own`: the failure is not one of the state's work. `heartbeat`: a timeout of the heartbeat."""
    state = frame.definition
    if isinstance(state, RetryingState) and _retry(run, frame, state, error, heartbeat=heartbeat):
        return
    if isinstance(state, MapState | ParallelState) and not own:
        kind = EventType.MAP_STATE_FAILED if isinstance(state, MapState) else EventType.PARALLEL_STATE_FAILED
        run.emit(frame, kind)
    if isinstance(state, RetryingState) and _catch(run, frame, state, error, cause, heartbeat=heartbeat):
        return
    line_failed(run, frame, error, cause)


def _retry(run: Run, frame: Frame, state: RetryingState, error: str | None, *, heartbeat: bool) -> bool:
    for index, retrier in enumerate(state.retriers):
        if not retrier.takes(error, heartbeat=heartbeat):
            continue
        done = 0 if frame.retries is None else frame.retries.get(index, 0)
        if done >= retrier.attempts:
            return False
        due = run.now + retrier.delay(done, run.effects.random() if retrier.full_jitter else 0.0)
        run.mark(frame, MarkType.RETRY, {"retrier": index, "due": due})
        run.start_timer(TimerKind.RETRY, frame, frame.entered, due)
        return True
    return False


def _catch(
    run: Run, frame: Frame, state: RetryingState, error: str | None, cause: str | None, *, heartbeat: bool
) -> bool:
    for catcher in state.catchers:
        if not matches(catcher.errors, error, heartbeat=heartbeat):
            continue
        scope = run.scope(frame)
        scope.error_output = {"Error": error, "Cause": cause}
        try:
            left = catcher.leave(scope, scope.error_output)
            run.leave(frame, left.output, left.assigned, catcher.next)
        except StatesError as failure:
            if isinstance(failure, QueryEvaluationError):
                run.evaluation_failed(frame, failure, began=True)
            line_failed(run, frame, failure.error, run.told(frame, failure))
        return True
    return False


def line_failed(run: Run, frame: Frame, error: str | None, cause: str | None) -> None:
    """Passes on a failure that no rule of the state took."""
    if frame.parent is None:
        run.complete(Status.FAILED, error=error, cause=cause)
        return
    parent = run.execution.frames[frame.parent]
    previous = frame.previous
    if isinstance(parent.definition, MapState):
        details = {"name": parent.state, "index": frame.index}
        run.emit(frame, EventType.MAP_ITERATION_FAILED, details, previous=previous)
    abort(run, frame, previous)
    abort_lines(run, parent, previous, but=frame.number)
    # The state that failed goes on from the event that made it fail.
    parent.previous = previous
    fail(run, parent, error, cause)


def abort_lines(run: Run, parent: Frame, previous: int, but: int | None = None) -> None:
    """Aborts the branches or iterations that still run, except one."""
    for number in [number for number in parent.children if number != but]:
        sibling = run.execution.frames[number]
        if sibling.state is None and sibling.output is not None:
            continue
        if isinstance(parent.definition, MapState):
            details = {"name": parent.state, "index": sibling.index}
            run.emit(sibling, EventType.MAP_ITERATION_ABORTED, details, previous=previous)
        abort(run, sibling, previous)
    _forget(run, run.execution, parent)


def abort(run: Run, frame: Frame, previous: int) -> None:
    """Events for the states of a line that will not be finished, the innermost first."""
    if frame.failed:
        # The history has the end of it and of what was below.
        return
    run.cancel_own(frame)
    for number in frame.children:
        child = run.execution.frames.get(number)
        if child is not None:
            abort(run, child, previous)
    if frame.task is not None and frame.task.map_run is not None:
        run.emit(frame, EventType.MAP_RUN_ABORTED, previous=previous)
    if frame.state is not None and isinstance(frame.definition, _ABORTABLE):
        run.emit(frame, f"{TYPES[type(frame.definition)]}StateAborted", previous=previous)


def _forget(run: Run, execution: Execution, parent: Frame) -> None:
    """Forgets the lines below `parent`, which do not move any more."""
    gone = set(_below(execution, parent))
    if any(frame.number in gone for frame, _, _ in run.ready):
        kept = [entry for entry in run.ready if entry[0].number not in gone]
        run.ready.clear()
        run.ready.extend(kept)


def _below(execution: Execution, frame: Frame) -> list[int]:
    numbers = []
    for number in frame.children:
        numbers.append(number)
        if number in execution.frames:
            numbers += _below(execution, execution.frames[number])
    return numbers
