from typing import Any

import pytest

from local.stepfunctions.asl.errors import QueryEvaluationError, SyntaxProblem
from local.stepfunctions.asl.queries import Query
from local.stepfunctions.asl.scope import Scope
from tests.unit.local.stepfunctions.world import FixedEffects

_INPUT: Any = {"a": 1, "none": None, "list": [1, None, 2], "empty": [], "nested": {"x": None}}


def value_of(text: str) -> Any:
    scope = Scope(_INPUT, lambda: {"State": {"Name": "S"}}, {"v": None, "w": [1, 2]}, FixedEffects(), 1.5)
    return Query(f"{{% {text} %}}", "Output").evaluate(scope, scope.states())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$states.input.a + 1", 2),
        ("$states.input.none", None),
        ("$states.input.list", [1, None, 2]),
        ("$states.input.list.{'x': $}", [{"x": 1}, {"x": None}, {"x": 2}]),
        ("$states.input.nested", {"x": None}),
        ("$states.input", _INPUT),
        ("$states.context.State.Name", "S"),
        ("$v", None),
        ("$sum($w)", 3),
        ("[]", []),
        ("$partition([1..5], 2)", [[1, 2], [3, 4], [5]]),
        ("$range(0, 6, 3)", [0, 3, 6]),
        ("$hash('AWS', 'MD5')", "4847e034bb0a55fcbc8a3380d6a3ab80"),
        ("$parse('{\"a\": [null]}')", {"a": [None]}),
        ("$random()", 0.5),
        ("$random(1) = $random(1)", True),
        ("$uuid()", "00000000-0000-4000-8000-000000000000"),
        ("$now()", "1970-01-01T00:00:01.500Z"),
        ("$millis()", 1500),
    ],
)
def test_query_gives(text: str, value: Any) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("$missing", "returned nothing (undefined)."),
        ("$states.input.missing", "returned nothing (undefined)."),
        ("$nosuch(1)", "threw an error during evaluation. T1006: Attempted to invoke a non-function"),
        ("$eval('1')", "threw an error during evaluation. T1006: Attempted to invoke a non-function"),
        ("1 / 0", "threw an error during evaluation. D1001: Number out of range: Infinity"),
        ("function($x){$x}", "returned an unsupported result type."),
        ("{'f': $sum}", "returned an unsupported result type."),
        ("/a/", "returned an unsupported result type."),
        ("$parse('{')", "threw an error during evaluation."),
        ("$partition([1], 0)", "threw an error during evaluation."),
        ("($f := function($x){1 + $f($x)}; $f(1))", "threw an error during evaluation."),
    ],
)
def test_failure_names_expression_and_field(text: str, says: str) -> None:
    with pytest.raises(QueryEvaluationError) as raised:
        value_of(text)
    assert str(raised.value.cause).startswith(
        f"The JSONata expression '{text}' specified for the field 'Output' {says}"
    )
    assert raised.value.location == "Output"


def test_endless_expression_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.stepfunctions.asl.queries.MAX_STEPS", 10_000)
    with pytest.raises(QueryEvaluationError):
        value_of("($f := function($x){$f($x)}; $f(1))")


def test_input_is_not_changed_by_what_is_made_of_it() -> None:
    before = {"a": [None, {"b": None}]}
    scope = Scope(before, dict, {}, FixedEffects(), 0.0)
    Query("{% $merge([$states.input, {'c': null}]) %}", "Output").evaluate(scope, scope.states())
    assert before == {"a": [None, {"b": None}]}


@pytest.mark.parametrize("text", ["{% $sum( %}", "{% %}", "{% 'a %}"])
def test_what_is_no_jsonata_is_refused(text: str) -> None:
    with pytest.raises(SyntaxProblem):
        Query(text, "Output")
