"""TestState: one state, run on its own, with what each of its fields made of the data.

Source: the Developer Guide, "Using TestState API to test a state in Step Functions". The work of a Task, Map or
Parallel state is mocked; a Task without a mock is handed to the caller.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from local.documents import Json
from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import decode, encode
from local.stepfunctions.asl.errors import StatesError
from local.stepfunctions.asl.machine.dataflow import Left, QueryFlow
from local.stepfunctions.asl.machine.machine import (
    TYPES,
    ChoiceState,
    FailState,
    MapState,
    ParallelState,
    PassState,
    RetryingState,
    State,
    StateType,
    TaskState,
    WaitState,
)
from local.stepfunctions.asl.machine.retries import matches
from local.stepfunctions.asl.scope import Effects, Scope
from local.stepfunctions.interpreter.distributed import tolerated
from local.stepfunctions.teststate.request import Refused, context_of, json_of, tested_state

_SHOWN: Mapping[StateType, frozenset[str]] = {
    StateType.PASS: frozenset({"afterInputPath", "afterParameters", "result", "afterResultSelector",
                               "afterResultPath"}),
    StateType.TASK: frozenset({"afterInputPath", "afterParameters", "afterArguments", "result", "afterResultSelector",
                               "afterResultPath"}),
    StateType.MAP: frozenset({"afterInputPath", "afterItemsPath", "afterItemSelector", "afterResultSelector",
                              "afterResultPath", "maxConcurrency", "toleratedFailureCount",
                              "toleratedFailurePercentage"}),
    StateType.PARALLEL: frozenset({"afterResultSelector", "afterResultPath"}),
    **dict.fromkeys((StateType.WAIT, StateType.CHOICE, StateType.SUCCEED), frozenset({"afterInputPath"})),
    StateType.FAIL: frozenset(),
}  # fmt: skip
_NUMBERS = frozenset({"maxConcurrency", "toleratedFailureCount", "toleratedFailurePercentage"})


class Status(StrEnum):
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    RETRIABLE = "RETRIABLE"
    CAUGHT_ERROR = "CAUGHT_ERROR"


@dataclass(frozen=True, slots=True)
class WorkFailed(Exception):
    """What the state does has failed."""

    error: str | None
    cause: str | None


Perform = Callable[[TaskState, Any], Any]
"""(state, arguments) -> result of a Task without a mock. Raises WorkFailed."""


@dataclass(slots=True)
class _Test:
    request: Mapping[str, Json]
    state: State
    scope: Scope
    trace: dict[str, Json]
    perform: Perform | None

    @property
    def mock(self) -> Mapping[str, Json]:
        mock: Mapping[str, Json] = self.request.get("mock", {})
        return mock

    @property
    def configuration(self) -> Mapping[str, Json]:
        configuration: Mapping[str, Json] = self.request.get("stateConfiguration", {})
        return configuration


def answer(
    request: Mapping[str, Json], now: float, effects: Effects, perform: Perform | None = None
) -> dict[str, Json]:
    """Answers TestState's request. Raises Refused."""
    state = tested_state(request)
    kind = TYPES[type(state)]
    value = json_of(request.get("input", "{}"), "input")
    context = context_of(request, value, kind, state.name, now, effects)
    variables = json_of(request.get("variables", "{}"), "variables")
    trace: dict[str, Json] = {}
    test = _Test(request, state, Scope(value, lambda: context, variables, effects, now, trace), trace, perform)
    document = _answer(test)
    details = document.pop("errorDetails", None)
    if request.get("inspectionLevel", "INFO") != "INFO":
        document["inspectionData"] = _inspection(test, kind, details)
    return document


def _answer(test: _Test) -> dict[str, Json]:
    try:
        left, target = _run(test)
    except StatesError as error:
        return _failed(test, error.error, error.cause)
    except WorkFailed as failure:
        return _failed(test, failure.error, failure.cause)
    document: dict[str, Json] = {"output": encode(left.output), "status": Status.SUCCEEDED.value}
    if target is not None:
        document["nextState"] = target
    return document


def _run(test: _Test) -> tuple[Left, str | None]:
    state, scope = test.state, test.scope
    match state:
        case PassState():
            return _pass(test, state), state.next
        case ChoiceState():
            return _choice(state, scope)
        case FailState():
            error = None if state.error is None else state.error(scope, scope.input)
            raise WorkFailed(error, None if state.cause is None else state.cause(scope, scope.input))
        case WaitState():
            value = state.flow.enter(scope)
            state.until(scope, value)
            return state.flow.leave(scope, value), state.next
        case TaskState() | MapState() | ParallelState():
            result = _work(test)
            scope.result, scope.has_result = result, True
            return state.flow.leave(scope, result), state.next
        case _:
            return state.flow.leave(scope, state.flow.enter(scope)), None


def _pass(test: _Test, state: PassState) -> Left:
    if state.has_result:
        test.trace["result"] = state.result
        return state.flow.leave(test.scope, state.result)
    value = state.flow.enter(test.scope)
    if not state.jsonata:
        test.trace["afterParameters"] = value
    return state.flow.leave(test.scope, value)


def _choice(state: ChoiceState, scope: Scope) -> tuple[Left, str | None]:
    value = state.flow.enter(scope)
    for branch in state.branches:
        if branch.holds(scope, value):
            return branch.leave(scope, value), branch.next
    if state.default is None:
        raise StatesError(errors.NO_CHOICE_MATCHED, "No Choice rule matched and the state has no Default.")
    return state.flow.leave(scope, value), state.default


def _work(test: _Test) -> Any:
    """Returns the result, mocked or performed."""
    state = test.state
    if isinstance(state, MapState):
        return _map(test, state)
    arguments = state.flow.enter(test.scope)
    if isinstance(state, TaskState):
        if not state.jsonata:
            test.trace["afterParameters"] = arguments
        elif isinstance(state.flow, QueryFlow) and state.flow.arguments is not None:
            test.trace["afterArguments"] = arguments
        if not test.mock:
            if test.perform is None:
                raise Refused("A Task state without a mock cannot be tested here")
            test.trace["result"] = test.perform(state, arguments)
            return test.trace["result"]
    result = _mocked(test)
    test.trace["result"] = result
    return result


def _mocked(test: _Test) -> Any:
    failure = test.mock.get("errorOutput")
    if failure is not None:
        raise WorkFailed(failure.get("error"), failure.get("cause"))
    return decode(test.mock["result"])


def _map(test: _Test, state: MapState) -> Any:
    scope, trace = test.scope, test.trace
    effective = state.flow.enter(scope)
    items = _items(test, state, effective)
    trace["maxConcurrency"] = 0 if state.max_concurrency is None else state.max_concurrency(scope, effective)
    count, percentage = tolerated(state, scope, effective)
    if count is not None:
        trace["toleratedFailureCount"] = count
    if percentage is not None:
        trace["toleratedFailurePercentage"] = percentage
    if state.selector is not None:
        trace["afterItemSelector"] = _selected(scope, state, effective, items)
    result = _mocked(test)
    failures = test.configuration.get("mapIterationFailureCount", 0)
    if failures > len(items):
        raise Refused("Map iteration failure count must be less than or equal to the number of Map iterations")
    too_many = count is not None and failures > count
    too_large = percentage is not None and failures * 100 > percentage * len(items)
    if too_many or too_large:
        raise WorkFailed(
            errors.EXCEED_TOLERATED_FAILURE_THRESHOLD, "The specified tolerated failure threshold was exceeded"
        )
    return result


def _items(test: _Test, state: MapState, effective: Any) -> list[Json]:
    if state.distribution is not None and state.distribution.reader is not None:
        mocked = json_of(test.configuration.get("mapItemReaderData", "[]"), "mapItemReaderData")
        return mocked if isinstance(mocked, list) else [mocked]
    items: list[Json] = state.items(test.scope, effective)
    if not state.jsonata:
        test.trace["afterItemsPath"] = items
    return items


def _selected(scope: Scope, state: MapState, effective: Any, items: list[Json]) -> list[Json]:
    chosen = []
    for index, item in enumerate(items):
        inner = _with_item(scope, index, item)
        chosen.append(item if state.selector is None else state.selector(inner, effective))
    return chosen


def _with_item(scope: Scope, index: int, item: Any) -> Scope:
    context = {**scope.context, "Map": {"Item": {"Index": index, "Value": item}}}
    return Scope(scope.input, lambda: context, scope.variables, scope.effects, scope.now)


# Its failure.


def _failed(test: _Test, error: str | None, cause: str | None) -> dict[str, Json]:
    document: dict[str, Json] = {"status": Status.FAILED.value}
    if error is not None:
        document["error"] = error
    if cause is not None:
        document["cause"] = cause
    if not isinstance(test.state, RetryingState):
        return document
    done = test.configuration.get("retrierRetryCount", 0)
    for index, retrier in enumerate(test.state.retriers):
        if retrier.takes(error):
            document["errorDetails"] = {"retryIndex": index}
            if done < retrier.attempts:
                delay = replace(retrier, full_jitter=False).delay(done, 0.0)
                document["errorDetails"]["retryBackoffIntervalSeconds"] = int(delay)
                document["status"] = Status.RETRIABLE.value
                return document
            break
    return _caught(test, test.state, document, error, cause)


def _caught(
    test: _Test, state: RetryingState, document: dict[str, Json], error: str | None, cause: str | None
) -> dict[str, Json]:
    for index, catcher in enumerate(state.catchers):
        if matches(catcher.errors, error):
            scope = test.scope
            scope.has_result = False
            scope.error_output = {"Error": error, "Cause": cause}
            try:
                left = catcher.leave(scope, scope.error_output)
            except StatesError as failure:
                return {"status": Status.FAILED.value, "error": failure.error, "cause": failure.cause}
            return {
                **document,
                "status": Status.CAUGHT_ERROR.value,
                "output": encode(left.output),
                "nextState": catcher.next,
                "errorDetails": {"catchIndex": index},
            }
    return document


def _inspection(test: _Test, kind: StateType, error_details: dict[str, Json] | None) -> dict[str, Json]:
    shown: dict[str, Json] = {"input": test.request.get("input", "{}")}
    for name, value in test.trace.items():
        if name in _SHOWN[kind]:
            shown[name] = value if name in _NUMBERS else encode(value)
    if error_details is not None:
        shown["errorDetails"] = error_details
    return shown
