"""What each record makes of an execution.

Nothing else changes an execution, so a journal that is replayed gives the state that wrote it. A batch of records is
committed as a whole: a line of states that has left one state and not entered the next is over.
"""

from collections.abc import Callable, Iterable, Mapping

from local.documents import Json
from local.stepfunctions.asl.documents import Document, decode
from local.stepfunctions.asl.machine.machine import Machine, MapState, ParallelState
from local.stepfunctions.interpreter.commands import Status
from local.stepfunctions.interpreter.events import Event, EventType, MarkType
from local.stepfunctions.interpreter.execution import Execution, Frame, Identity, MapRunTried, Plan, Task

_NO_VARIABLES: Mapping[str, Json] = {}


def replay(machine: Machine, identity: Identity, records: Iterable[Event]) -> Execution:
    """Returns the state after these records, which are whole batches."""
    execution = Execution(machine, identity)
    for record in records:
        apply(execution, record)
    return execution


def apply(execution: Execution, event: Event, document: Document | None = None) -> None:
    """`document` is what the event's input or output text says, where that is known already."""
    if event.id:
        execution.last = event.id
    kind = event.type
    change = _CHANGES.get(kind)
    if change is not None:
        change(execution, event, document)
    elif kind.endswith("StateEntered"):
        _state_entered(execution, event, document)
    elif kind.endswith("StateExited"):
        _state_exited(execution, event, document)
    elif kind.endswith("StateAborted"):
        _state_aborted(execution, event)


def _document(text: str, document: Document | None) -> Document:
    return document if document is not None else Document(decode(text), text)


def _execution_started(execution: Execution, event: Event, document: Document | None) -> None:
    execution.started_at = event.time
    execution.input = _document(event.details["input"], document)
    root = execution.frame_made(None, 0, execution.machine.flow, _NO_VARIABLES, 0)
    root.input = execution.input


def _state_entered(execution: Execution, event: Event, document: Document | None) -> None:
    frame = execution.frames[event.frame]
    details = event.details
    frame.state = details["name"]
    frame.input = document if document is not None else _handed_on(frame, details["input"])
    frame.output = None
    frame.entered = event.id
    frame.entered_at = event.time
    frame.before = frame.previous
    frame.previous = event.id
    if frame.retries:
        frame.retries = None


def _handed_on(frame: Frame, text: str) -> Document:
    """Reads a state's input, most often what the state before it put out: a replay need not decode it again."""
    before = frame.input if frame.output is None else frame.output
    return before if before.text == text else Document(decode(text), text)


def _state_exited(execution: Execution, event: Event, document: Document | None) -> None:
    frame = execution.frames[event.frame]
    details = event.details
    frame.output = document if document is not None else Document(decode(details["output"]), details["output"])
    frame.state = frame.due = frame.task = frame.plan = frame.map_run = None
    frame.previous = event.id
    frame.failed = False
    if frame.children:
        execution.drop_children(frame)
    if "assignedVariables" in details:
        assigned: Mapping[str, str] = details["assignedVariables"]
        frame.variables = {**frame.variables, **{name: decode(text) for name, text in assigned.items()}}


def _state_aborted(execution: Execution, event: Event) -> None:
    frame = execution.frames[event.frame]
    frame.task = frame.due = None


def _task_scheduled(execution: Execution, event: Event, _document: Document | None) -> None:
    frame = execution.frames[event.frame]
    details = event.details
    frame.task = Task(
        event.id,
        event.time,
        arguments=details["parameters"] if "parameters" in details else details["input"],
        credentials=details["taskCredentials"]["roleArn"] if "taskCredentials" in details else None,
        timeout=details.get("timeoutInSeconds"),
        heartbeat=details.get("heartbeatInSeconds"),
    )
    frame.due = None
    frame.previous = event.id


def _map_run_started(execution: Execution, event: Event, _document: Document | None) -> None:
    frame = execution.frames[event.frame]
    arn = event.details["mapRunArn"]
    frame.task = Task(event.id, event.time, map_run=arn)
    frame.map_run = MapRunTried(arn, event.details.get("redriveCount", 0))
    frame.due = None
    frame.previous = event.id


def _task_started(execution: Execution, event: Event, _document: Document | None) -> None:
    frame = execution.frames[event.frame]
    if frame.task is not None:
        frame.task.started = True
    frame.previous = event.id


def _task_submitted(execution: Execution, event: Event, _document: Document | None) -> None:
    frame = execution.frames[event.frame]
    if frame.task is not None:
        frame.task.submission = event.details["output"]
    frame.previous = event.id


def _task_over(execution: Execution, event: Event, _document: Document | None) -> None:
    frame = execution.frames[event.frame]
    frame.task = None
    frame.previous = event.id


def _goes_on(execution: Execution, event: Event, _document: Document | None) -> None:
    execution.frames[event.frame].previous = event.id


def _follows(execution: Execution, event: Event, _document: Document | None) -> None:
    """Lets the next event name this one's previous, too."""
    execution.frames[event.frame].previous = event.previous


def _parallel_started(execution: Execution, event: Event, _document: Document | None) -> None:
    frame = execution.frames[event.frame]
    frame.previous, frame.due = event.id, None
    state = frame.definition
    execution.drop_children(frame)
    if isinstance(state, ParallelState):
        frame.children = [
            execution.frame_made(frame.number, index, flow, frame.variables, event.id).number
            for index, flow in enumerate(state.branches)
        ]


def _map_planned(execution: Execution, event: Event, document: Document | None) -> None:
    frame = execution.frames[event.frame]
    details = event.details
    effective = decode(details["input"]) if "input" in details else frame.input.value
    execution.drop_children(frame)
    frame.plan = Plan(_document(details["items"], document).value, effective, details["concurrency"])
    frame.due = None


def _iteration_started(execution: Execution, event: Event, _document: Document | None) -> None:
    frame = execution.frames[event.frame]
    state = frame.definition
    if isinstance(state, MapState) and frame.plan is not None:
        index = event.details["index"]
        child = execution.frame_made(frame.number, index, state.processor, frame.variables, event.id)
        frame.children = [*frame.children, child.number]
        frame.plan.started = index + 1


def _iteration_succeeded(execution: Execution, event: Event, _document: Document | None) -> None:
    child = execution.frames.pop(event.frame)
    parent = execution.frames[child.parent or 0]
    parent.children = [number for number in parent.children if number != child.number]
    parent.previous = event.id
    if parent.plan is not None and child.output is not None:
        parent.plan.results[child.index] = child.output


def _iteration_failed(execution: Execution, event: Event, _document: Document | None) -> None:
    execution.frames[execution.frames[event.frame].parent or 0].previous = event.previous


def _children_failed(execution: Execution, event: Event, _document: Document | None) -> None:
    frame = execution.frames[event.frame]
    frame.previous = event.id
    frame.failed = True


def _next_cannot_begin(execution: Execution, event: Event, _document: Document | None) -> None:
    execution.frames[event.frame].failed = True


def _due(execution: Execution, event: Event, _document: Document | None) -> None:
    execution.frames[event.frame].due = event.details["due"]


def _retried(execution: Execution, event: Event, _document: Document | None) -> None:
    frame = execution.frames[event.frame]
    retrier = event.details["retrier"]
    done = frame.retries or {}
    frame.retries = {**done, retrier: done.get(retrier, 0) + 1}
    frame.due = event.details["due"]
    frame.previous = event.previous
    frame.failed = False
    frame.plan = frame.task = frame.map_run = None
    execution.drop_children(frame)


def _over(status: Status) -> Callable[[Execution, Event, Document | None], None]:
    def change(execution: Execution, event: Event, document: Document | None) -> None:
        execution.status = status
        execution.stopped_at = event.time
        execution.error, execution.cause = event.details.get("error"), event.details.get("cause")
        if "output" in event.details:
            execution.output = _document(event.details["output"], document)
            execution.frames = {}

    return change


def _redriven(execution: Execution, event: Event, _document: Document | None) -> None:
    execution.status = Status.RUNNING
    execution.error = execution.cause = execution.stopped_at = None
    execution.redrives, execution.redriven_at = event.details["redriveCount"], event.time
    execution.began = event.id
    for frame in execution.frames.values():
        if frame.state is not None:
            frame.task = frame.due = frame.retries = None
            frame.failed = False
            frame.previous = frame.entered


_CHANGES: Mapping[str, Callable[[Execution, Event, Document | None], None]] = {
    EventType.EXECUTION_STARTED: _execution_started,
    EventType.EXECUTION_SUCCEEDED: _over(Status.SUCCEEDED),
    EventType.EXECUTION_FAILED: _over(Status.FAILED),
    EventType.EXECUTION_ABORTED: _over(Status.ABORTED),
    EventType.EXECUTION_TIMED_OUT: _over(Status.TIMED_OUT),
    EventType.EXECUTION_REDRIVEN: _redriven,
    EventType.EVALUATION_FAILED: _goes_on,
    EventType.LAMBDA_FUNCTION_SCHEDULED: _task_scheduled,
    EventType.ACTIVITY_SCHEDULED: _task_scheduled,
    EventType.TASK_SCHEDULED: _task_scheduled,
    EventType.MAP_RUN_STARTED: _map_run_started,
    EventType.MAP_RUN_REDRIVEN: _map_run_started,
    EventType.LAMBDA_FUNCTION_STARTED: _task_started,
    EventType.ACTIVITY_STARTED: _task_started,
    EventType.TASK_STARTED: _task_started,
    EventType.TASK_SUBMITTED: _task_submitted,
    **dict.fromkeys(
        (
            EventType.LAMBDA_FUNCTION_SUCCEEDED, EventType.LAMBDA_FUNCTION_FAILED, EventType.LAMBDA_FUNCTION_TIMED_OUT,
            EventType.ACTIVITY_SUCCEEDED, EventType.ACTIVITY_FAILED, EventType.ACTIVITY_TIMED_OUT,
            EventType.TASK_SUCCEEDED, EventType.TASK_FAILED, EventType.TASK_TIMED_OUT,
            EventType.MAP_RUN_SUCCEEDED, EventType.MAP_RUN_FAILED,
        ),
        _task_over,
    ),
    EventType.PARALLEL_STATE_STARTED: _parallel_started,
    EventType.PARALLEL_STATE_SUCCEEDED: _follows,
    EventType.PARALLEL_STATE_FAILED: _children_failed,
    EventType.MAP_STATE_STARTED: _goes_on,
    EventType.MAP_STATE_SUCCEEDED: _follows,
    EventType.MAP_STATE_FAILED: _children_failed,
    EventType.MAP_ITERATION_STARTED: _iteration_started,
    EventType.MAP_ITERATION_SUCCEEDED: _iteration_succeeded,
    EventType.MAP_ITERATION_FAILED: _iteration_failed,
    MarkType.DUE: _due,
    MarkType.RETRY: _retried,
    MarkType.FAILED: _next_cannot_begin,
    MarkType.PLAN: _map_planned,
}  # fmt: skip
