"""Whatever a definition says and whatever happens, an execution holds together and waits for something, or is over."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.stepfunctions.asl.compiler import compile_machine
from local.stepfunctions.asl.documents import MAX_BYTES, size
from local.stepfunctions.interpreter import interpreter, redriving, run
from tests.conformance import driver
from tests.property.lives import EFFECTS, Life
from tests.property.strategies import INPUTS, NOT_QUITE_JSON, definitions
from tests.unit.local.stepfunctions.world import IDENTITY, machine_of

_MOST_STEPS = 25
_REDRIVES = 2
_PASS = compile_machine(json.dumps(machine_of({"Type": "Pass"})))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(definitions(), INPUTS, st.data())
def test_an_execution_holds_together_whatever_happens(definition: Any, value: Any, data: st.DataObject) -> None:
    lived_through(definition, value, data)


@settings(max_examples=75, deadline=None, derandomize=True)
@given(st.integers(5, 40), definitions(), INPUTS, st.data())
def test_an_execution_whose_history_is_full_ends(most: int, definition: Any, value: Any, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "MAX_EVENTS", most)
        patch.setattr(redriving, "MAX_EVENTS", most)
        life = lived_through(definition, value, data)
    assert life.execution.last <= most


def lived_through(definition: Any, value: Any, data: st.DataObject) -> Life:
    life = Life.begun(definition, value)
    life.holds_together()
    redrives = _REDRIVES
    for _ in range(data.draw(st.integers(0, _MOST_STEPS))):
        if life.end is None:
            life.something(data.draw)
        elif redrives:
            redrives -= 1
            life.redriven()
        life.holds_together()
    return life


@settings(max_examples=300, deadline=None, derandomize=True)
@given(NOT_QUITE_JSON)
def test_an_input_that_is_not_json_is_refused_and_nothing_else_is(text: str) -> None:
    try:
        json.loads(text, parse_constant=_refused, parse_float=_finite)
        is_json = "[" * 151 not in text
    except (ValueError, RecursionError):
        is_json = False
    if is_json:
        interpreter.start(_PASS, IDENTITY, text, 1.0, EFFECTS)
    else:
        with pytest.raises(ValueError, match=r"."):
            interpreter.start(_PASS, IDENTITY, text, 1.0, EFFECTS)


def _refused(name: str) -> None:
    raise ValueError(name)


def _finite(text: str) -> float:
    if float(text) in (float("inf"), float("-inf")):
        raise ValueError(text)
    return float(text)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(-3, 3), st.sampled_from(["x", "é", "…", "😀", "\\n", "\ud800"]), st.booleans())
def test_an_output_may_have_so_many_bytes_and_not_one_more(over: int, letter: str, assigned: bool) -> None:
    room = MAX_BYTES + over - len('{"t":""}')
    each = size(json.dumps(letter, ensure_ascii=False)) - 2
    text = letter * (room // each) + "y" * (room % each)
    made = {"t": text}
    state = {"Type": "Pass", "QueryLanguage": "JSONata", **({"Assign": {"v": made}} if assigned else {"Output": made})}
    outcome = driver.run(compile_machine(json.dumps(machine_of(state))))
    assert outcome.result is not None
    # A variable is measured without its name.
    error = "States.DataLimitExceeded" if over > 0 else None
    assert outcome.result.error == error
