"""No text makes the compiler do anything but compile, or say what is wrong."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.stepfunctions.asl.compiler import compile_machine
from local.stepfunctions.asl.validation import InvalidDefinition
from local.stepfunctions.interpreter import interpreter
from tests.property.lives import EFFECTS
from tests.property.strategies import INPUTS, JSON, NOT_QUITE_JSON, definitions, nested, spoilt
from tests.unit.local.stepfunctions.world import IDENTITY


@settings(max_examples=75, deadline=None, derandomize=True)
@given(definitions(), st.booleans())
def test_a_definition_that_was_made_right_is_taken(definition: Any, indented: bool) -> None:
    compile_machine(json.dumps(definition, indent=2 if indented else None))


@settings(max_examples=75, deadline=None, derandomize=True)
@given(spoilt(), st.booleans(), INPUTS)
def test_a_definition_that_was_spoilt_is_refused_or_runs(definition: Any, express: bool, value: Any) -> None:
    try:
        machine = compile_machine(json.dumps(definition), express=express)
    except InvalidDefinition as error:
        problems = error.problems
        assert problems
        assert all(problem.message and problem.location.startswith("/") for problem in problems)
    else:
        interpreter.start(machine, IDENTITY, json.dumps(value), 1.0, EFFECTS)


@settings(max_examples=75, deadline=None, derandomize=True)
@given(NOT_QUITE_JSON | JSON.map(json.dumps) | spoilt().map(json.dumps).flatmap(
    lambda text: st.integers(0, len(text)).map(lambda cut: text[:cut])
))  # fmt: skip
def test_any_text_is_compiled_or_refused(text: str) -> None:
    with suppress(InvalidDefinition):
        compile_machine(text)


@pytest.mark.parametrize("depth", [20, 148, 151, 400, 5_000])
def test_states_inside_states_are_compiled_or_refused_however_deep(depth: int) -> None:
    definition: Any = {"StartAt": "S", "States": {"S": {"Type": "Pass", "End": True}}}
    text = json.dumps(definition)
    for level in range(depth):
        text = f'{{"StartAt":"P{level}","States":{{"P{level}":{{"Type":"Parallel","End":true,"Branches":[{text}]}}}}}}'
    with suppress(InvalidDefinition):
        machine = compile_machine(text)
        interpreter.start(machine, IDENTITY, "{}", 1.0, EFFECTS)


@pytest.mark.parametrize(
    "field",
    ["Parameters", "Result", "ResultSelector", "Assign", "InputPath", "Output", "Comment"],
)
@pytest.mark.parametrize("depth", [100, 149, 200, 20_000])
def test_values_inside_values_are_compiled_or_refused_however_deep(field: str, depth: int) -> None:
    text = f'{{"StartAt":"S","States":{{"S":{{"Type":"Pass","End":true,"{field}":{nested(depth)}}}}}}}'
    with suppress(InvalidDefinition):
        compile_machine(text)


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 5_000 + "1" + ")" * 5_000,
        "[" * 2_000 + "]" * 2_000,
        "-" * 3_000 + "1",
        "1" * 5_000,
        "'" + "x" * 100_000 + "'",
        "$f := function($x){$f($x)}; $f(1)",
        "($f := function($x){$f($x + 1)}; $f(1))",
        "($f := function($x){1 + $f($x)}; $f(1))",
        "[1..100000]",
        "$join([1..10000].($string($)))",
        "a." * 3_000 + "a",
    ],
)
def test_an_expression_that_asks_for_too_much_fails(expression: str) -> None:
    state = {"Type": "Pass", "End": True, "Output": f"{{% {expression} %}}"}
    definition = {"QueryLanguage": "JSONata", "StartAt": "S", "States": {"S": state}}
    with suppress(InvalidDefinition):
        execution, _ = interpreter.start(compile_machine(json.dumps(definition)), IDENTITY, "{}", 1.0, EFFECTS)
        assert execution.error is None or execution.error.startswith("States.")
