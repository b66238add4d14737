"""The request of TestState: which state, what its work is made to give, and what it is told about its execution."""

from collections.abc import Iterator, Mapping
from typing import Any

from local.documents import Json
from local.stepfunctions.asl import compiler, timestamps
from local.stepfunctions.asl.documents import decode
from local.stepfunctions.asl.machine.machine import TYPES, Flow, MapState, ParallelState, State, StateType, TaskState
from local.stepfunctions.asl.resources import Pattern, ResourceKind
from local.stepfunctions.asl.scope import Effects
from local.stepfunctions.asl.validation import InvalidDefinition
from local.stepfunctions.teststate import mocks

_MOCKED = (StateType.TASK, StateType.MAP, StateType.PARALLEL)
_CONTEXT_TYPES: Mapping[str, Mapping[str, type]] = {
    "Execution": {"Id": str, "Input": dict, "Name": str, "RoleArn": str, "StartTime": str},
    "State": {"EnteredTime": str, "Name": str, "RetryCount": int},
    "StateMachine": {"Id": str, "Name": str},
    "Task": {"Token": str},
}
_TYPE_NAMES: Mapping[type, str] = {str: "a string", dict: "an object", int: "a number"}


class Refused(Exception):
    """The request itself is wrong; the text is AWS's message."""

    def __init__(self, message: str, code: str = "ValidationException") -> None:
        super().__init__(message)
        self.code = code


def tested_state(request: Mapping[str, Json]) -> State:
    """Raises Refused, also where the mock is not one for this state."""
    mock = request.get("mock", {})
    if "result" in mock and "errorOutput" in mock:
        raise Refused("A test mock should have only one of the following fields: [result, errorOutput].")
    state = _state(request)
    if not mock and isinstance(state, TaskState) and "roleArn" not in request:
        raise Refused("RoleArn must be specified when testing a Task state")
    _check_mock(state, TYPES[type(state)], mock)
    return state


def json_of(text: str, name: str) -> Any:
    try:
        return decode(text)
    except ValueError as error:
        if name == "input":
            raise Refused(f"Invalid State Machine Execution Input: '{error}'", "InvalidExecutionInput") from error
        raise Refused(f"Invalid {name}: it is not JSON: {error}") from error


def _state(request: Mapping[str, Json]) -> State:
    text = request["definition"]
    if "stateName" not in request:
        state, problems = compiler.compile_state(text)
        if state is None or problems:
            raise Refused(str(InvalidDefinition(problems)), "InvalidDefinition")
        return state
    machine, problems = compiler.check(text)
    if machine is None or problems:
        raise Refused(str(InvalidDefinition(problems)), "InvalidDefinition")
    for state in _states(machine.flow):
        if state.name == request["stateName"]:
            return state
    raise Refused(f"State not found: {request['stateName']}")


def _states(flow: Flow) -> Iterator[State]:
    for state in flow.states.values():
        yield state
        if isinstance(state, MapState):
            yield from _states(state.processor)
        elif isinstance(state, ParallelState):
            for branch in state.branches:
                yield from _states(branch)


def _check_mock(state: State, kind: StateType, mock: Mapping[str, Json]) -> None:
    if not mock:
        if kind in (StateType.MAP, StateType.PARALLEL):
            raise Refused(
                "TestState API does not support Map or Parallel states. Supported state types include: "
                "[Task, Wait, Pass, Succeed, Fail, Choice]",
                "InvalidDefinition",
            )
        if isinstance(state, TaskState) and _lasts(state):
            raise Refused(
                f"TestState API does not support '{state.resource.arn}' without a mock: one request does not answer it",
                "InvalidDefinition",
            )
        return
    if kind not in _MOCKED:
        raise Refused(f"State type '{kind}' is not supported when a mock is specified")
    if "result" in mock:
        _check_result(state, json_of(mock["result"], "mock result"), mock.get("fieldValidationMode", "STRICT"))


def _lasts(state: TaskState) -> bool:
    """Tells whether a task ends by a worker, a token or a job."""
    resource = state.resource
    return resource.kind is ResourceKind.ACTIVITY or resource.pattern is not Pattern.REQUEST_RESPONSE


def _check_result(state: State, result: Any, mode: str) -> None:
    written = isinstance(state, MapState) and state.distribution is not None and state.distribution.writer is not None
    if written and not isinstance(result, dict):
        raise Refused("Mocked result must be a JSON object.")
    if isinstance(state, MapState | ParallelState) and not written and not isinstance(result, list):
        raise Refused("Mocked result must be an array.")
    if isinstance(state, TaskState) and mode != "NONE":
        try:
            mocks.check(state.resource, result, strict=mode == "STRICT")
        except mocks.Mismatch as mismatch:
            raise Refused(f"Mock result schema validation error: {mismatch}") from mismatch


def context_of(
    request: Mapping[str, Json], value: Any, kind: StateType, name: str, now: float, effects: Effects
) -> dict[str, Json]:
    if "context" in request:
        context = json_of(request["context"], "context")
        _check_context(context)
        return context if isinstance(context, dict) else {}
    moment, machine, execution = timestamps.write(now), effects.uuid(), effects.uuid()
    told = {"Id": f"{_ARN}:express:{machine}:{execution}", "Input": value, "Name": execution, "StartTime": moment}
    if "roleArn" in request:
        told["RoleArn"] = request["roleArn"]
    state: dict[str, Json] = {"Name": name, "EnteredTime": moment}
    if kind in _MOCKED:
        state["RetryCount"] = request.get("stateConfiguration", {}).get("retrierRetryCount", 0)
    return {
        "Execution": told,
        "StateMachine": {"Id": f"{_ARN}:stateMachine:{machine}", "Name": machine},
        "State": state,
    }


_ARN = "arn:aws:states:us-east-1:123456789012"


def _check_context(context: Any) -> None:
    if not isinstance(context, dict):
        raise Refused("Invalid Context object provided: it must be an object")
    for part, members in _CONTEXT_TYPES.items():
        section = context.get(part, {})
        if not isinstance(section, dict):
            raise Refused(f"Invalid Context object provided: {part} must be an object")
        for name, kind in members.items():
            if name in section and (not isinstance(section[name], kind) or isinstance(section[name], bool)):
                raise Refused(f"Invalid Context object provided: {part}.{name} must be {_TYPE_NAMES[kind]}")
