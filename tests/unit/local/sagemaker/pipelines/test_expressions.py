"""Expressions and conditions, over values that hypothesis makes up."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.sagemaker.pipelines.conditions import holds
from local.sagemaker.pipelines.expressions import ExpressionError, Scope, evaluate, references, split

NUMBERS = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6, allow_nan=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text().filter(lambda k: k != "Get" and ":" not in k), inner),
)


def scope(**more: Any) -> Scope:
    steps = {
        "P": {
            "ProcessingOutputConfig": {
                "Outputs": [
                    {"OutputName": "train", "S3Output": {"S3Uri": "s3://b/t"}},
                    {"OutputName": "test", "S3Output": {"S3Uri": "s3://b/e"}},
                ]
            }
        },
        "L": {"OutputParameters": {"a b": 1}},
    }
    given: dict[str, Any] = {"parameters": {"n": 4}, "execution": {"PipelineExecutionId": "x1"}, "steps": steps, **more}
    return Scope(**given)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"Get": "Parameters.n"}, 4),
        ({"Get": "Execution.PipelineExecutionId"}, "x1"),
        ({"Get": "Steps.P.ProcessingOutputConfig.Outputs['test'].S3Output.S3Uri"}, "s3://b/e"),
        ({"Get": "Steps.P.ProcessingOutputConfig.Outputs[0].OutputName"}, "train"),
        ({"Get": "Steps.L.OutputParameters['a b']"}, 1),
        ({"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Parameters.n"}, 0.5, True]}}, "s3://4/0.5/true"),
    ],
)
def test_an_expression_stands_for_a_value(expression: Any, value: Any) -> None:
    assert evaluate(expression, scope()) == value
    assert evaluate({"a": [expression]}, scope()) == {"a": [value]}


@pytest.mark.parametrize("path", ["Parameters.x", "Steps.P.None", "Steps.P[0", "Nowhere.x", "Parameters"])
def test_a_reference_to_nothing_is_an_error_that_names_it(path: str) -> None:
    with pytest.raises(ExpressionError, match=path.split(".")[0]):
        evaluate({"Get": path}, scope())


@given(PLAIN)
def test_a_value_without_expressions_stays_as_it_is(value: Any) -> None:
    assert evaluate(value, scope()) == value
    assert list(references(value)) == []


@given(st.lists(st.integers(0, 9) | st.from_regex(r"[a-z]{1,5}", fullmatch=True), min_size=1, max_size=6))
def test_a_path_is_taken_apart_as_it_was_put_together(parts: list[str | int]) -> None:
    text = "".join(f"[{part}]" if isinstance(part, int) else f"['{part}']" for part in parts)
    assert split(text) == parts


@given(PLAIN, st.floats(allow_nan=False, allow_infinity=False))
def test_a_property_file_is_read_at_its_path(beside: Any, value: float) -> None:
    text = json.dumps({"metrics": {"accuracy": {"value": value}}, "beside": beside})
    expression = {
        "Std:JsonGet": {"PropertyFile": {"Get": "Steps.E.PropertyFiles.report"}, "Path": "metrics.accuracy.value"}
    }
    assert evaluate(expression, scope(read_property_file=lambda _step, _name: text)) == value
    assert list(references(expression)) == ["Steps.E.PropertyFiles.report"]


def test_a_property_file_that_is_no_json_says_so() -> None:
    expression = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.E.PropertyFiles.report"}, "Path": "a"}}
    with pytest.raises(ExpressionError, match="is not JSON"):
        evaluate(expression, scope(read_property_file=lambda _step, _name: "<html>"))


def compare(kind: str, left: Any, right: Any) -> bool:
    return holds({"Type": kind, "LeftValue": left, "RightValue": right}, scope())


@given(NUMBERS, NUMBERS)
def test_comparisons_are_those_of_numbers(left: float, right: float) -> None:
    assert compare("Equals", left, right) == (left == right)
    assert compare("GreaterThan", left, right) == (left > right)
    assert compare("GreaterThanOrEqualTo", left, right) == (left >= right)
    assert compare("LessThan", left, right) == (left < right)
    assert compare("LessThanOrEqualTo", left, right) == (left <= right)


@given(NUMBERS, st.lists(NUMBERS))
def test_in_not_and_or(value: float, values: list[float]) -> None:
    inside = {"Type": "In", "QueryValue": value, "Values": values}
    assert holds(inside, scope()) == (value in values)
    assert holds({"Type": "Not", "Condition": inside}, scope()) != holds(inside, scope())
    assert holds({"Type": "Not", "Expression": inside}, scope()) != holds(inside, scope())
    false = {"Type": "Equals", "LeftValue": 1, "RightValue": 2}
    true = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}
    assert holds({"Type": "Or", "Conditions": [false, inside]}, scope()) == (value in values)
    assert holds({"Type": "And", "Conditions": [true, inside]}, scope()) == (value in values)
    assert not holds({"Type": "And", "Conditions": [inside, false]}, scope())
    nested = {"Type": "Not", "Condition": {"Type": "Or", "Conditions": [{"Type": "And", "Conditions": [inside, true]}]}}
    assert holds(nested, scope()) == (value not in values)


def test_true_is_not_one_and_words_are_not_numbers() -> None:
    assert not compare("Equals", True, 1)
    with pytest.raises(ExpressionError, match="cannot be compared"):
        compare("GreaterThan", "0.9", 0.5)
