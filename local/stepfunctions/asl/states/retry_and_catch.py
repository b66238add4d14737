"""The fields Retry and Catch."""

from collections.abc import Callable, Sequence
from typing import Any

from local.stepfunctions.asl.errors import ALL
from local.stepfunctions.asl.fields import MOST_SECONDS, Fields
from local.stepfunctions.asl.machine.dataflow import Left, QueryFlow, ResultPath
from local.stepfunctions.asl.machine.retries import Catcher, Retrier
from local.stepfunctions.asl.scope import Scope

_MOST_DELAY = 31_622_399
"""Seconds: AWS takes less than a leap year."""


def faults(fields: Fields) -> tuple[tuple[Retrier, ...], tuple[Catcher, ...]]:
    retriers = [_retrier(fields, entry, f"Retry[{index}]") for index, entry in enumerate(fields.items("Retry"))]
    catchers = [_catcher(fields, entry, f"Catch[{index}]") for index, entry in enumerate(fields.items("Catch"))]
    _catch_all_is_last(fields, "Retry", retriers)
    _catch_all_is_last(fields, "Catch", catchers)
    return tuple(entry for entry in retriers if entry is not None), tuple(
        entry for entry in catchers if entry is not None
    )


def _catch_all_is_last(fields: Fields, name: str, rules: Sequence[Retrier | Catcher | None]) -> None:
    for index, rule in enumerate(rules):
        if rule is None or ALL not in rule.errors:
            continue
        if len(rule.errors) > 1:
            fields.problem(f"{ALL} must appear alone", f"{name}[{index}]/ErrorEquals")
        if index + 1 < len(rules):
            fields.problem(f"{ALL} must appear in the last element of {name}", f"{name}[{index}]/ErrorEquals")


def _names(fields: Fields) -> tuple[str, ...]:
    fields.require("ErrorEquals")
    names = fields.items("ErrorEquals", least=1 if "ErrorEquals" in fields else 0)
    if not all(isinstance(name, str) for name in names):
        fields.problem("Value is not a String", "ErrorEquals")
    return tuple(name for name in names if isinstance(name, str))


def _retrier(state: Fields, value: Any, name: str) -> Retrier | None:
    if not isinstance(value, dict):
        state.problem("Value is not an Object", name)
        return None
    fields = state.below(value, name)
    fields.only(("ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy"))
    capped = "MaxDelaySeconds" in fields
    jitter = fields.text("JitterStrategy") or "NONE"
    if jitter not in ("NONE", "FULL"):
        fields.problem("The field 'JitterStrategy' should have one of these values: [NONE, FULL]", "JitterStrategy")
    return Retrier(
        errors=_names(fields),
        interval=fields.number("IntervalSeconds", 1, least=1, most=MOST_SECONDS),
        attempts=int(fields.number("MaxAttempts", 3, least=0, most=MOST_SECONDS)),
        backoff=fields.number("BackoffRate", 2.0, least=1, whole=False),
        max_delay=fields.number("MaxDelaySeconds", 1, least=1, most=_MOST_DELAY) if capped else None,
        full_jitter=jitter == "FULL",
    )


def _catcher(state: Fields, value: Any, name: str) -> Catcher | None:
    if not isinstance(value, dict):
        state.problem("Value is not an Object", name)
        return None
    fields = state.below(value, name)
    names, target = _names(fields), fields.text("Next")
    if not fields.require("Next") or target is None:
        return None
    if fields.jsonata:
        fields.only(("ErrorEquals", "Next", "Output", "Assign"))
        flow = QueryFlow(None, fields.jsonata_template("Output"), fields.jsonata_template("Assign"))
        return Catcher(names, target, flow.leave)
    fields.only(("ErrorEquals", "Next", "ResultPath", "Assign"))
    return Catcher(names, target, _caught(fields.result_path(), fields))


def _caught(result_path: ResultPath | None, fields: Fields) -> Callable[[Scope, Any], Left]:
    assign = fields.template("Assign")

    def leave(scope: Scope, error_output: Any) -> Left:
        output = error_output if result_path is None else result_path.combine(scope.input, error_output)
        return Left(output, None if assign is None else assign(error_output, scope))

    return leave
