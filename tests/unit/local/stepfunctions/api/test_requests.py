"""Requests of any shape: an answer of the operation's shape, or an error that is the client's."""

import json
from typing import Any

import pytest
from botocore.model import ListShape, StructureShape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local import wire
from local.stepfunctions.api.operations import OPERATIONS
from tests.unit.local.stepfunctions.api.cloud import ENDLESS, PASS, ROLE, ask, definition
from tests.unit.local.stepfunctions.api.conftest import World

_MODEL = wire.model("stepfunctions")
_BASE = "arn:aws:states:us-east-1:000000000000"
_M = f"{_BASE}:stateMachine:m"
_TEXTS = st.sampled_from(
    [
        "", "x", "{}", "[]", "null", '{"a": 1}', "{", "\ud800", "\x00", "n" * 81, "ü" * 200, PASS, ENDLESS, ROLE,
        "INITIAL",
        definition({"Type": "Fail", "Error": "E"}), '{"Type": "Pass", "End": true}', '{"StartAt": 1, "States": []}',
        "arn", "arn:", "arn:aws:states:::", f"{_BASE}:stateMachine:", _M, f"{_M}:", f"{_M}:1", f"{_M}:live", f"{_M}/l",
        f"{_M}:0x1", f"{_M}:²", f"{_BASE}:stateMachine:x", f"{_BASE}:execution:m", f"{_BASE}:execution:m:e",
        f"{_BASE}:execution:m:e:more:parts", f"{_BASE}:express:x:e:u", f"{_BASE}:mapRun:m/l:u",
        f"{_BASE}:activity:gone",
        "bm90IGpzb24=", "WzEsIDJd", "STANDARD", "EXPRESS", "ALL", "OFF", "DEBUG", "TRACE", "m", "e", "live", "1",
    ]
)  # fmt: skip
_ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 2**70), st.floats(allow_nan=False), _TEXTS, st.just([]), st.just({})
)


def _value(shape: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Often of the shape, sometimes of none."""
    match shape:
        case StructureShape() if depth < 3:
            members = {name: _value(inner, depth + 1) | st.none() for name, inner in shape.members.items()}
            required = {name: members.pop(name) for name in list(shape.required_members)}
            return st.fixed_dictionaries(required, optional=members)
        case ListShape():
            return st.lists(_value(shape.member, depth + 1), max_size=3)
        case _:
            known = {
                "string": _TEXTS,
                "boolean": st.booleans(),
                "integer": st.integers(-1, 101),
                "long": st.integers(-1, 9),
            }
            if shape.metadata.get("enum"):
                return st.sampled_from(shape.metadata["enum"])
            found = known.get(shape.type_name, _ODD)
            return st.one_of(found, found, found, found, _ODD)


@pytest.fixture
def full(world: World) -> World:
    """With something of each kind."""
    machine = world.machine("m", ENDLESS, publish=True)
    world.client.create_state_machine_alias(
        name="live", routingConfiguration=[{"stateMachineVersionArn": f"{machine}:1", "weight": 100}]
    )
    world.machine("x", type="EXPRESS")
    world.execution(machine, name="e")
    assert world.service._context is not None
    world.service._context.call = lambda _: "{}"
    return world


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_request_makes_an_operation_fail(full: World, operation: str) -> None:
    shape, output = _MODEL.operation_model(operation).input_shape, _MODEL.operation_model(operation).output_shape

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(_value(shape))
    def check(request: Any) -> None:
        headers = {"x-amz-target": f"AWSStepFunctions.{operation}"}
        status, _, body = ask(full.service, full.loop, headers, json.dumps(request).encode())
        answer = json.loads(body)
        if status == 200:
            assert wire.problems(output, answer) == []
        else:
            assert status == 400, answer
            assert answer["__type"]
            assert answer["message"]

    check()
