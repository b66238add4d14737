"""Task states: scheduling, and what becomes of the task."""

from collections.abc import Mapping

from local.documents import Json
from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import MAX_BYTES, decode, size
from local.stepfunctions.asl.errors import StatesError
from local.stepfunctions.asl.machine.machine import MapState, TaskState
from local.stepfunctions.asl.resources import ResourceKind
from local.stepfunctions.interpreter import distributed
from local.stepfunctions.interpreter.commands import ScheduleTask
from local.stepfunctions.interpreter.events import WHOLE, EventType
from local.stepfunctions.interpreter.execution import Frame, Task
from local.stepfunctions.interpreter.failing import evaluation_failed, fail
from local.stepfunctions.interpreter.run import Run, too_large, written
from local.stepfunctions.interpreter.stimuli import TimerKind

_WORDS: Mapping[ResourceKind, str] = {
    ResourceKind.LAMBDA: "LambdaFunction",
    ResourceKind.ACTIVITY: "Activity",
    ResourceKind.SERVICE: "Task",
}


def run_task(run: Run, frame: Frame, state: TaskState) -> None:
    """Schedule it, for the first time or again. Raises StatesError."""
    command = scheduled(run, frame, state, run.execution.last + 1)
    details = _details(run, state, command)
    task = run.emit(frame, f"{_WORDS[state.resource.kind]}Scheduled", details)
    run.commands.append(command)
    if command.timeout is not None:
        run.start_timer(TimerKind.TIMEOUT, frame, task, run.now + command.timeout)
    if command.heartbeat is not None:
        run.start_timer(TimerKind.HEARTBEAT, frame, task, run.now + command.heartbeat)


def scheduled(run: Run, frame: Frame, state: TaskState, task: int) -> ScheduleTask:
    """Returns the command, its fields evaluated. Raises StatesError."""
    token = run.effects.token(task)
    scope = run.scope(frame, token=token)
    arguments = state.flow.enter(scope)
    raw = scope.input
    timeout = None if state.timeout is None else state.timeout(scope, raw)
    heartbeat = None if state.heartbeat is None else state.heartbeat(scope, raw)
    role = None if state.credentials is None else state.credentials(scope, raw)
    return ScheduleTask(task, state.name, state.resource, arguments, token, role, timeout, heartbeat)


def again(run: Run, state: TaskState, task: Task) -> ScheduleTask:
    """Returns the command once more, as it was recorded: evaluated anew, States.UUID() would give it another
    identity.
    """
    return ScheduleTask(
        task.id, state.name, state.resource, decode(task.arguments), run.effects.token(task.id), task.credentials,
        task.timeout, task.heartbeat, started=task.started, submission=task.submission,
    )  # fmt: skip


def _details(run: Run, state: TaskState, command: ScheduleTask) -> dict[str, Json]:
    text = written(command.arguments, state.name)
    resource = state.resource
    if resource.kind is ResourceKind.SERVICE:
        details: dict[str, Json] = {
            "parameters": text,
            "region": run.execution.identity.region,
            "resource": resource.name,
            "resourceType": resource.service,
        }
    else:
        details = {"input": text, "inputDetails": WHOLE, "resource": resource.arn}
    if command.timeout is not None:
        details["timeoutInSeconds"] = command.timeout
    if command.heartbeat is not None:
        details["heartbeatInSeconds"] = command.heartbeat
    if command.credentials is not None:
        details["taskCredentials"] = {"roleArn": command.credentials}
    return details


def _named(state: TaskState, details: dict[str, Json]) -> dict[str, Json]:
    """Returns the details with the resource, which stands in every event of a service's task."""
    if state.resource.kind is ResourceKind.SERVICE:
        return {**details, "resource": state.resource.name, "resourceType": state.resource.service}
    return details


def started(run: Run, frame: Frame, worker: str | None) -> None:
    state = frame.definition
    if not isinstance(state, TaskState) or frame.task is None or frame.task.started:
        return
    details = {"workerName": worker} if worker is not None else {}
    run.emit(frame, f"{_WORDS[state.resource.kind]}Started", _named(state, details))


def submitted(run: Run, frame: Frame, output: str) -> None:
    state = frame.definition
    if isinstance(state, TaskState):
        run.emit(frame, EventType.TASK_SUBMITTED, _named(state, {"output": output, "outputDetails": WHOLE}))


def heartbeat(run: Run, frame: Frame) -> None:
    """Moves the deadline. It is not recorded: a heartbeat timer that is set anew after a crash begins anew."""
    task = frame.task
    if task is not None and task.heartbeat is not None:
        run.start_timer(TimerKind.HEARTBEAT, frame, task.id, run.now + task.heartbeat)


def succeeded(run: Run, frame: Frame, output: str) -> None:
    state = frame.definition
    if isinstance(state, MapState):
        distributed.succeeded(run, frame, state, output)
        return
    if not isinstance(state, TaskState):
        return
    try:
        result = decode(output)
    except ValueError as error:
        failed(run, frame, errors.RUNTIME, f"The task's output is not JSON: {error}")
        return
    if size(output) > MAX_BYTES:
        problem = too_large(state.resource.service or state.resource.arn)
        failed(run, frame, problem.error, problem.cause)
        return
    run.cancel_task_timers(frame)
    details = _named(state, {"output": output, "outputDetails": WHOLE})
    run.emit(frame, f"{_WORDS[state.resource.kind]}Succeeded", details)
    scope = run.scope(frame)
    scope.result, scope.has_result = result, True
    try:
        left = state.flow.leave(scope, scope.result)
        run.leave(frame, left.output, left.assigned, state.next)
    except StatesError as error:
        evaluation_failed(run, frame, error)


def failed(run: Run, frame: Frame, error: str | None, cause: str | None) -> None:
    _ended_badly(run, frame, "Failed", error, cause, is_heartbeat=False)


def timed_out(run: Run, frame: Frame, kind: TimerKind) -> None:
    if frame.task is not None:
        run.cancel(frame)
        _ended_badly(run, frame, "TimedOut", errors.TIMEOUT, None, is_heartbeat=kind is TimerKind.HEARTBEAT)


def _ended_badly(run: Run, frame: Frame, how: str, error: str | None, cause: str | None, *, is_heartbeat: bool) -> None:
    state = frame.definition
    if isinstance(state, MapState):
        distributed.failed(run, frame, error, cause)
        return
    if not isinstance(state, TaskState):
        return
    run.cancel_task_timers(frame)
    said = {name: text for name, text in (("error", error), ("cause", cause)) if text is not None}
    run.emit(frame, f"{_WORDS[state.resource.kind]}{how}", _named(state, said))
    fail(run, frame, error, cause, heartbeat=is_heartbeat)
