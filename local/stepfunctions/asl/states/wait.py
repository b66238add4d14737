"""Wait and Fail states: the moment to wait for, and what is said at the end."""

from collections.abc import Callable, Mapping
from typing import Any

from local.stepfunctions.asl import timestamps
from local.stepfunctions.asl.documents import is_number
from local.stepfunctions.asl.errors import QueryEvaluationError, runtime
from local.stepfunctions.asl.fields import MOST_SECONDS, Fields, shown, text_of
from local.stepfunctions.asl.jsonpath.expressions import UnknownPath, compile_path
from local.stepfunctions.asl.machine.machine import Evaluate, FailState, State, WaitState
from local.stepfunctions.asl.scope import Scope
from local.stepfunctions.asl.states.flow_fields import end_of, flow_of


def compile_fail(name: str, fields: Fields) -> State:
    for field in ("Error", "Cause"):
        if field in fields and f"{field}Path" in fields:
            fields.problem(f"Only one of the fields [{field}, {field}Path] can be set")
    return FailState(
        name=name,
        jsonata=fields.jsonata,
        flow=flow_of(fields),
        error=_said(fields, "Error"),
        cause=_said(fields, "Cause"),
    )


def _said(fields: Fields, name: str) -> Evaluate | None:
    """Error or Cause of a Fail state."""
    if f"{name}Path" in fields:
        expression = fields.path(f"{name}Path")
        return None if expression is None else text_of(expression, f"{name}Path")
    text = fields.text(name)
    query = fields.query(name) if fields.jsonata else None
    if query is None:
        return None if text is None else lambda _scope, _root: text

    return lambda scope, _root: query.evaluate_as(str, "string", scope)


def compile_wait(name: str, fields: Fields) -> State | None:
    chosen = [field for field in ("Seconds", "SecondsPath", "Timestamp", "TimestampPath") if field in fields]
    next_state, flow = end_of(fields), flow_of(fields)
    if len(chosen) != 1:
        fields.problem("Exactly one of the fields [Seconds, SecondsPath, Timestamp, TimestampPath] is required")
        return None
    until = _WAITS[chosen[0]](fields)
    if until is None:
        return None
    return WaitState(name=name, next=next_state, jsonata=fields.jsonata, flow=flow, until=until)


def _seconds(fields: Fields) -> Evaluate | None:
    query = fields.query("Seconds") if fields.jsonata else None
    if query is None:
        seconds = fields.number("Seconds", 0, least=0, most=MOST_SECONDS)
        return lambda scope, _root: scope.now + seconds

    def evaluate(scope: Scope, _root: Any) -> float:
        value = query.evaluate(scope, scope.states())
        if not is_number(value) or (isinstance(value, float) and not value.is_integer()):
            raise query.expected("integer", value)
        if not 0 <= value <= MOST_SECONDS:
            raise QueryEvaluationError(f"The Seconds field must be between 0 and {MOST_SECONDS}: {value}", "Seconds")
        return scope.now + float(value)

    return evaluate


def _seconds_path(fields: Fields) -> Evaluate | None:
    text = fields.text("SecondsPath") or ""
    refer = _reference(fields, "SecondsPath", text)
    if refer is None:
        return None

    def evaluate(scope: Scope, root: Any) -> float:
        value = refer(scope, root)
        if not isinstance(value, int) or isinstance(value, bool):
            raise runtime(f"The SecondsPath parameter cannot be parsed as a long value: {text} == {shown(value)}")
        if value < 0:
            raise runtime(f"The SecondsPath parameter references a negative value: {text} == {value}")
        if value > MOST_SECONDS:
            raise runtime(f"The SecondsPath parameter references a value above {MOST_SECONDS}: {text} == {value}")
        return scope.now + value

    return evaluate


def _timestamp(fields: Fields) -> Evaluate | None:
    query = fields.query("Timestamp") if fields.jsonata else None
    if query is None:
        moment = timestamps.parse(fields.values["Timestamp"])
        if moment is None:
            fields.problem("String does not match RFC3339 timestamp", "Timestamp")
        return lambda _scope, _root: moment

    def evaluate(scope: Scope, _root: Any) -> float:
        value = query.evaluate_as(str, "string", scope)
        moment = timestamps.parse(value)
        if moment is None:
            raise QueryEvaluationError(
                f"The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {value}",
                "Timestamp",
            )
        return moment

    return evaluate


def _timestamp_path(fields: Fields) -> Evaluate | None:
    text = fields.text("TimestampPath") or ""
    refer = _reference(fields, "TimestampPath", text)
    if refer is None:
        return None

    def evaluate(scope: Scope, root: Any) -> float:
        value = refer(scope, root)
        moment = timestamps.parse(value)
        if moment is None:
            raise runtime(
                "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format "
                f"string: {text} == {shown(value)}"
            )
        return moment

    return evaluate


def _reference(fields: Fields, name: str, text: str) -> Evaluate | None:
    """Compiles a field that is a path to what is waited for."""
    expression = fields.attempt(name, lambda: compile_path(text))
    if expression is None:
        return None

    def evaluate(scope: Scope, root: Any) -> Any:
        try:
            return expression(root, scope)
        except UnknownPath:
            raise runtime(f"The {name} parameter does not reference an input value: {text}") from None

    return evaluate


_WAITS: Mapping[str, Callable[[Fields], Evaluate | None]] = {
    "Seconds": _seconds,
    "SecondsPath": _seconds_path,
    "Timestamp": _timestamp,
    "TimestampPath": _timestamp_path,
}
