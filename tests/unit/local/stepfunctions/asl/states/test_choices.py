import time
from typing import Any

import pytest

from local.stepfunctions.asl.errors import StatesError, SyntaxProblem
from local.stepfunctions.asl.scope import Scope
from local.stepfunctions.asl.states.choice_rules import compile_rule
from tests.unit.local.stepfunctions.world import FixedEffects

_DATA: Any = {"n": 5, "f": 5.0, "s": "log-2.txt", "t": "2024-02-29T12:00:00Z", "b": True, "z": None, "m": 6}


def holds(rule: dict[str, Any]) -> bool:
    return compile_rule(rule)(_DATA, Scope(_DATA, dict, {"v": 5}, FixedEffects(), 0.0))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"Variable": "$.n", "NumericEquals": 5.0}, True),
        ({"Variable": "$.n", "NumericLessThanPath": "$.m"}, True),
        ({"Variable": "$.b", "NumericEquals": 1}, False),
        ({"Variable": "$.s", "StringMatches": "log-*.txt"}, True),
        ({"Variable": "$.s", "StringMatches": "log-\\*.txt"}, False),
        ({"Variable": "$.s", "StringGreaterThan": "log"}, True),
        ({"Variable": "$.t", "TimestampEquals": "2024-02-29T13:00:00+01:00"}, True),
        ({"Variable": "$.s", "TimestampLessThan": "2024-02-29T13:00:00Z"}, False),
        ({"Variable": "$.t", "IsTimestamp": True}, True),
        ({"Variable": "$.b", "BooleanEquals": True}, True),
        ({"Variable": "$.z", "IsNull": True}, True),
        ({"Variable": "$.none", "IsPresent": False}, True),
        ({"Variable": "$v", "NumericEquals": 5}, True),
        ({"Not": {"Variable": "$.b", "BooleanEquals": True}}, False),
        ({"And": [{"Variable": "$.n", "IsNumeric": True}, {"Variable": "$.s", "IsString": True}]}, True),
        ({"Or": [{"Variable": "$.n", "IsString": True}, {"Variable": "$.n", "IsBoolean": True}]}, False),
    ],
)
def test_rule(rule: dict[str, Any], expected: bool) -> None:
    assert holds(rule) is expected


def test_value_that_is_not_there_fails_the_state() -> None:
    with pytest.raises(StatesError) as raised:
        holds({"Variable": "$.none", "NumericEquals": 1})
    assert raised.value.cause == "Invalid path '$.none': The choice state's condition path references an invalid value."


@pytest.mark.parametrize(
    "rule",
    [{}, [], {"Variable": "$.n"}, {"And": []}, {"Not": 1}, {"Variable": "$.n", "IsNull": "yes"},
     {"Variable": 1, "IsNull": True},
     {"Variable": "$.t", "TimestampEquals": "today"}, {"Variable": "$.n", "NumericEqualsPath": 1},
     {"Variable": "$.n", "IsNull": True, "IsString": True}],
)  # fmt: skip
def test_what_is_no_rule_is_refused(rule: Any) -> None:
    with pytest.raises(SyntaxProblem):
        compile_rule(rule)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [("*", "", True), ("a*", "a", True), ("*a*b*", "xxaxxb", True), ("*b*a*", "ab", False), ("ab*ba", "aba", False),
     ("a\\*b", "a*b", True), ("**a**", "ba", True), ("\\\\*", "\\x", True), ("a*b", "acbd", False)],
)  # fmt: skip
def test_star_stands_for_any_text(pattern: str, text: str, expected: bool) -> None:
    rule = compile_rule({"Variable": "$", "StringMatches": pattern})
    assert rule(text, Scope(text, dict, {}, FixedEffects(), 0.0)) is expected


def test_many_stars_are_matched_at_once() -> None:
    text = "a" * 250_000
    rule = compile_rule({"Variable": "$", "StringMatches": "*a" * 20 + "*b"})
    began = time.thread_time()
    assert not rule(text, Scope(text, dict, {}, FixedEffects(), 0.0))
    assert time.thread_time() - began < 0.5


@pytest.mark.parametrize("operator", ["NumericEquals", "NumericLessThan", "NumericGreaterThanEquals"])
def test_an_integer_that_no_float_holds_is_compared(operator: str) -> None:
    data = {"a": 10**400}
    rule = compile_rule({"Variable": "$.a", operator: 1.5})
    assert rule(data, Scope(data, dict, {}, FixedEffects(), 0.0)) is (operator == "NumericGreaterThanEquals")
