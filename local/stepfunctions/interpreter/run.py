"""One advance of an execution: the records it adds, the commands it asks for, and the lines of states still to move."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from local.documents import Json
from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import MAX_BYTES, Document, encode, size, too_deep
from local.stepfunctions.asl.errors import QueryEvaluationError, StatesError
from local.stepfunctions.asl.machine.machine import TYPES, BaseState, WaitState
from local.stepfunctions.asl.scope import Effects, Scope
from local.stepfunctions.interpreter.changes import apply
from local.stepfunctions.interpreter.commands import CancelTask, CancelTimer, Command, Complete, StartTimer, Status
from local.stepfunctions.interpreter.context import context_of
from local.stepfunctions.interpreter.events import (
    MAX_EVENTS,
    MAX_EXPRESS_EVENTS,
    WHOLE,
    Event,
    EventType,
    MarkType,
)
from local.stepfunctions.interpreter.execution import Execution, Frame
from local.stepfunctions.interpreter.stimuli import Timer, TimerKind

NOTHING: Mapping[str, Json] = {}
_NEW_EVENT = Event._make


class HistoryFull(Exception):
    """There is room for one more event."""


class Run:
    def __init__(self, execution: Execution, now: float, effects: Effects) -> None:
        self.execution = execution
        self.now = now
        self.effects = effects
        self.records: list[Event] = []
        self.commands: list[Command] = []
        self.most = MAX_EXPRESS_EVENTS if execution.machine.express else MAX_EVENTS
        self.ready: deque[tuple[Frame, str | None, Document]] = deque()
        """Frames, the state that each enters next, and its input. None: the state it is in is done once more."""
        self.ended: deque[Frame] = deque()
        """Frames that are through."""
        self.rerun = False
        """Of a redrive: a state whose lines were all successful runs them again."""

    # Records.

    def emit(
        self,
        frame: Frame,
        kind: str,
        details: Mapping[str, Json] = NOTHING,
        *,
        document: Document | None = None,
        previous: int | None = None,
    ) -> int:
        """Writes the event and returns its id. `document` is the input or output in the details."""
        number = self.execution.last + 1
        if number >= self.most:
            raise HistoryFull
        event = _NEW_EVENT(
            (number, frame.previous if previous is None else previous, kind, self.now, frame.number, details)
        )
        self.records.append(event)
        apply(self.execution, event, document)
        return number

    def mark(
        self, frame: Frame, kind: MarkType, details: Mapping[str, Json], *, document: Document | None = None
    ) -> None:
        event = Event(0, frame.previous, kind, self.now, frame.number, details)
        self.records.append(event)
        apply(self.execution, event, document)

    # Data.

    def scope(self, frame: Frame, *, item: tuple[int, Any] | None = None, token: str | None = None) -> Scope:
        execution = self.execution
        return Scope(
            frame.input.value,
            lambda: context_of(execution, frame, token, item),
            frame.variables,
            self.effects,
            self.now,
        )

    def document(self, frame: Frame, value: Any) -> Document:
        """Raises StatesError where it is larger than a state may put out."""
        before = frame.input
        if value is before.value:
            return before
        return Document(value, written(value, frame.state or ""))

    # Moves.

    def enter(self, frame: Frame, name: str, document: Document) -> None:
        details = {"input": document.text, "inputDetails": WHOLE, "name": name}
        self.emit(frame, _ENTERED[type(frame.flow.states[name])], details, document=document)

    def leave(self, frame: Frame, output: Any, assigned: Mapping[str, Json] | None, target: str | None) -> None:
        """Out of the state: to `target`, or to the end of the line. Raises StatesError."""
        state = frame.definition
        document = self.document(frame, output)
        details: dict[str, Json] = {"name": state.name, "output": document.text, "outputDetails": WHOLE}
        if assigned:
            texts = {name: written(value, state.name) for name, value in assigned.items()}
            if sum(map(size, texts.values())) > MAX_BYTES:
                raise too_large(state.name)
            details["assignedVariables"] = texts
            details["assignedVariablesDetails"] = WHOLE
        self.emit(frame, _EXITED[type(state)], details, document=document)
        if target is None:
            self.ended.append(frame)
        else:
            # Before other lines: this one goes on until it waits.
            self.ready.appendleft((frame, target, document))

    def start_timer(self, kind: TimerKind, frame: Frame, event: int, due: float) -> None:
        self.commands.append(StartTimer(Timer(kind, frame.number, event), due))

    def cancel(self, frame: Frame) -> None:
        """Cancels what the frame, and those below it that still run, wait for."""
        self.cancel_own(frame)
        if frame.failed:
            return
        for number in frame.children:
            child = self.execution.frames.get(number)
            if child is not None:
                self.cancel(child)

    def cancel_own(self, frame: Frame) -> None:
        task = frame.task
        if task is not None:
            self.commands.append(CancelTask(task.id))
            self.cancel_task_timers(frame)
        elif frame.due is not None:
            kind = TimerKind.WAIT if isinstance(frame.definition, WaitState) else TimerKind.RETRY
            self.commands.append(CancelTimer(Timer(kind, frame.number, frame.entered)))

    def cancel_task_timers(self, frame: Frame) -> None:
        task = frame.task
        if task is not None and task.timeout is not None:
            self.commands.append(CancelTimer(Timer(TimerKind.TIMEOUT, frame.number, task.id)))
        if task is not None and task.heartbeat is not None:
            self.commands.append(CancelTimer(Timer(TimerKind.HEARTBEAT, frame.number, task.id)))

    def complete(
        self, status: Status, *, output: Document | None = None, error: str | None = None, cause: str | None = None
    ) -> None:
        root = self.execution.frames[0]
        self.cancel(root)
        details: dict[str, Json] = {}
        if output is not None:
            details = {"output": output.text, "outputDetails": WHOLE}
        if error is not None:
            details["error"] = error
        if cause is not None:
            details["cause"] = cause
        number = self.execution.last + 1
        event = Event(number, root.previous, _ENDS[status], self.now, 0, details)
        self.records.append(event)
        apply(self.execution, event, output)
        self.ready.clear()
        self.ended.clear()
        self.commands.append(Complete(status, None if output is None else output.text, error, cause))

    # Failures of evaluation.

    def told(self, frame: Frame, error: StatesError) -> str | None:
        """Returns the cause as the history has it."""
        if error.bare or error.cause is None:
            return error.cause
        return (
            f"An error occurred while executing the state '{frame.state}' (entered at the event id #{frame.entered}). "
            f"{error.cause}"
        )

    def evaluation_failed(self, frame: Frame, error: QueryEvaluationError, *, began: bool) -> None:
        """`began`: the state did something after it was entered."""
        details = {"cause": self.told(frame, error), "error": error.error, "state": frame.state}
        if error.location is not None:
            details["location"] = error.location
        previous = frame.previous if began else frame.before
        self.emit(frame, EventType.EVALUATION_FAILED, details, previous=previous)


_ENTERED: Mapping[type[BaseState], str] = {state: f"{kind}StateEntered" for state, kind in TYPES.items()}
_EXITED: Mapping[type[BaseState], str] = {state: f"{kind}StateExited" for state, kind in TYPES.items()}
_ENDS: Mapping[Status, EventType] = {
    Status.SUCCEEDED: EventType.EXECUTION_SUCCEEDED,
    Status.FAILED: EventType.EXECUTION_FAILED,
    Status.TIMED_OUT: EventType.EXECUTION_TIMED_OUT,
    Status.ABORTED: EventType.EXECUTION_ABORTED,
}


def written(value: Any, what: str) -> str:
    """Returns the JSON of what a state puts out. Raises StatesError where it is too large or nested too deep."""
    try:
        text = encode(value)
    except (RecursionError, ValueError):
        # ValueError: an integer of more digits than Python writes, or reads.
        raise too_large(what) from None
    if (len(text) * 4 > MAX_BYTES and size(text) > MAX_BYTES) or too_deep(value, text):
        raise too_large(what)
    return text


def too_large(what: str) -> StatesError:
    return StatesError(
        errors.DATA_LIMIT_EXCEEDED,
        f"The state/task '{what}' returned a result with a size exceeding the maximum number of bytes service limit.",
        bare=True,
    )
