"""No input, of any shape, makes an execution do anything but end."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from local.stepfunctions.asl.compiler import compile_machine
from local.stepfunctions.asl.documents import decode
from tests.conformance import driver

_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6)
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
_INPUTS = _JSON | st.fixed_dictionaries({"a": _JSON, "b": _JSON})
_PATHS = st.sampled_from(
    ["$", "$.a", "$.a[*]", "$.a[0]", "$..a", "$.a[?(@.b > 1)]", "$$.Execution", "$$.Map.Item.Value", "$v", "$.a[1:]"]
)
_VALUES = _PATHS | st.sampled_from(
    ["States.Array($.a, 1)", "States.Format('{}', $)", "States.MathAdd($.a, $.b)", "States.JsonToString($)"]
)
_QUERIES = st.sampled_from(
    [
        "$states.input ",
        " $states.input.a ",
        " $v ",
        " $states.input.a + 1 ",
        " $states.context ",
        " [1..3] ",
        " $sum($states.input)\n    ",
        " $map($states.input, function($x){$x}) ",
        " $states.input.* ",
        " $keys($states.input) ",
        " $sort($states.input.a)\n    ",
        " $string($states.input) & 'a' ",
        " $states.input ~> $count ",
        " $toMillis($states.input.a) ",
        " $states.input.a / 0\n    ",
        " $formatNumber($states.input.a, '#') ",
        " $substring($states.input.a, 1) ",
        " $split($states.input.a, '') ",
        " **.a\n    ",
        " $number($states.input.a) ",
        " $power(10, 400) ",
        " $parse($states.input.a) ",
        " $range(1, $states.input.a, 1)\n    ",
        " $partition($states.input.a, 2) ",
        " $hash($states.input.a, 'MD5') ",
        " $merge($states.input.a)\n    ",
        " $reduce($states.input.a, function($x, $y){$x + $y}) ",
        " $fromMillis($states.input.a)",
    ]
).map(lambda text: f"{{% {text.strip()} %}}")


def ends(definition: dict[str, Any], value: Any) -> None:
    outcome = driver.run(compile_machine(json.dumps(definition)), json.dumps(value))
    assert outcome.result is not None
    for record in outcome.records:
        for text in (record.details.get("input"), record.details.get("output")):
            if text is not None:
                decode(text)


@settings(deadline=None)
@given(_INPUTS, _PATHS, _VALUES, _VALUES, st.sampled_from(["$.r", "$.a.b", "$.a[0]", None, "$"]))
def test_jsonpath_states_end(value: Any, path: str, first: str, second: str, result_path: str | None) -> None:
    states: dict[str, Any] = {
        "A": {"Type": "Pass", "InputPath": path, "Parameters": {"p.$": first, "q": [{"r.$": second}]}, "Next": "M",
              "ResultPath": result_path, "Assign": {"v.$": "$"}},
        "M": {"Type": "Map", "ItemsPath": path, "ItemSelector": {"v.$": first}, "OutputPath": path, "Next": "C",
              "ItemProcessor": {"StartAt": "W", "States": {"W": {"Type": "Wait", "SecondsPath": path, "End": True}}}},
        "C": {"Type": "Choice", "Default": "F",
              "Choices": [{"Variable": path, "NumericEqualsPath": "$.a", "Next": "F"}]},
        "F": {"Type": "Fail", "ErrorPath": first, "CausePath": second},
    }  # fmt: skip
    for start in states:
        ends({"StartAt": start, "States": _from(states, start)}, value)


@settings(deadline=None)
@given(_INPUTS, _QUERIES, _QUERIES, _QUERIES)
def test_jsonata_states_end(value: Any, first: str, second: str, third: str) -> None:
    inner = {"StartAt": "I", "States": {"I": {"Type": "Pass", "Output": third, "End": True}}}
    states: dict[str, Any] = {
        "A": {"Type": "Pass", "Output": {"a": first, "l": [second]}, "Assign": {"v": third}, "Next": "W"},
        "W": {"Type": "Wait", "Seconds": first, "Next": "T"},
        "T": {"Type": "Wait", "Timestamp": second, "Next": "M"},
        "M": {"Type": "Map", "Items": first, "MaxConcurrency": second, "ItemSelector": {"v": second},
              "ItemProcessor": inner, "Next": "C"},
        "C": {"Type": "Choice", "Choices": [{"Condition": first, "Output": second, "Next": "F"}], "Default": "F"},
        "F": {"Type": "Fail", "Error": second, "Cause": third},
    }  # fmt: skip
    for start in states:
        ends({"QueryLanguage": "JSONata", "StartAt": start, "States": _from(states, start)}, value)


def _from(states: dict[str, Any], start: str) -> dict[str, Any]:
    """The states that can be reached from there."""
    names = list(states)
    return {name: states[name] for name in names[names.index(start) :]}
