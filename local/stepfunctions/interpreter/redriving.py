"""RedriveExecution: an execution that ended without success goes on from each step that did not succeed.

Its records are replayed; what had failed or was aborted is still there, with its children. No state is entered a
second time: a state's work begins anew from the event that entered it, with no retry counted.
Source: the Developer Guide, "Restarting state machine executions with redrive".
"""

from local.stepfunctions.asl import errors
from local.stepfunctions.asl.machine.machine import MapState, ParallelState
from local.stepfunctions.interpreter import distributed, nested
from local.stepfunctions.interpreter.changes import apply
from local.stepfunctions.interpreter.commands import Status
from local.stepfunctions.interpreter.events import MAX_EVENTS, Event, EventType
from local.stepfunctions.interpreter.execution import Execution, Frame, Plan
from local.stepfunctions.interpreter.failing import evaluation_failed
from local.stepfunctions.interpreter.run import Run

PERIOD = 14 * 86_400.0
"""Seconds after its end in which an execution can be redriven."""


class NotRedrivable(Exception):
    """The text is a redriveStatusReason."""


def why_not(status: str, events: int, stopped: float | None = None, now: float | None = None) -> str | None:
    """Returns why an execution of this status and number of events cannot be redriven; None where it can.

    Source: DescribeExecution, redriveStatusReason.
    """
    if status in (Status.RUNNING, Status.SUCCEEDED):
        return f"Execution is {status} and cannot be redriven"
    if events >= MAX_EVENTS - 1:
        # There must be room for ExecutionRedriven and one more.
        return "Execution history event limit exceeded"
    if stopped is not None and now is not None and now - stopped > PERIOD:
        return "Execution redrivable period exceeded"
    return None


def redrivable(execution: Execution, now: float | None = None) -> str | None:
    """Returns the reason why not, or None."""
    return why_not(execution.status, execution.last, execution.stopped_at, now)


def begin(run: Run) -> None:
    """Raises NotRedrivable."""
    execution = run.execution
    reason = redrivable(execution, run.now)
    if reason is not None:
        raise NotRedrivable(reason)
    run.rerun = execution.error == errors.DATA_LIMIT_EXCEEDED
    last = execution.last
    event = Event(last + 1, last, EventType.EXECUTION_REDRIVEN, run.now, 0, {"redriveCount": execution.redrives + 1})
    run.records.append(event)
    apply(execution, event)
    root = execution.frames[0]
    run.ready.append((root, None if root.state is not None else root.flow.start, root.input))


def revive(run: Run, frame: Frame) -> bool:
    """Do again what the frame's state did not finish; whether that is the state as a whole.

    Lines below it are only put in the queue: the first one that fails at once takes the others out of it.
    """
    try:
        match frame.definition:
            case ParallelState() as state if frame.children:
                return _branches(run, frame, state)
            case MapState() as state if frame.plan is not None:
                return _iterations(run, frame, state, frame.plan)
            case MapState() as state if frame.map_run is not None and not run.rerun:
                distributed.redriven(run, frame, state, frame.map_run)
                return False
            case _:
                return True
    except errors.StatesError as error:
        evaluation_failed(run, frame, error)
        return False


def _branches(run: Run, frame: Frame, state: ParallelState) -> bool:
    branches = [run.execution.frames[number] for number in frame.children]
    behind = [branch for branch in branches if branch.state is not None or branch.output is None]
    for branch in behind:
        if branch.state is not None:
            run.ready.append((branch, None, branch.input))
        else:
            # A sibling failed before this one began.
            document = run.document(frame, state.flow.enter(run.scope(frame)))
            run.ready.append((branch, branch.flow.start, document))
    if not behind and not run.rerun:
        nested.leave(run, frame, state, nested.outputs_of(branches))
    return not behind and run.rerun


def _iterations(run: Run, frame: Frame, state: MapState, plan: Plan) -> bool:
    if len(plan.results) == len(plan.items):
        if not run.rerun:
            nested.leave(run, frame, state, nested.results_of(frame))
        return run.rerun
    for number in frame.children:
        iteration = run.execution.frames[number]
        if iteration.state is not None:
            run.ready.append((iteration, None, iteration.input))
        else:
            document = nested.item_input(run, frame, state, plan, iteration.index)
            run.ready.append((iteration, iteration.flow.start, document))
    nested.fill(run, frame, state)
    return False
