import json
from typing import Any

import pytest

from local.stepfunctions.teststate import teststate
from local.stepfunctions.teststate.request import Refused
from tests.unit.local.stepfunctions.world import LAMBDA, FixedEffects, task


def answer(state: dict[str, Any], **request: Any) -> dict[str, Any]:
    given = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in request.items()
        if name == "input"
    }
    rest = {name: value for name, value in request.items() if name != "input"}
    return teststate.answer({"definition": json.dumps(state), **given, **rest}, 0.0, FixedEffects())


def test_inspection_shows_what_each_field_made_of_the_data() -> None:
    state = task(
        InputPath="$.in", Parameters={"p.$": "$.a"}, ResultSelector={"s.$": "$.Payload"}, ResultPath="$.out", End=True
    )
    found = answer(state, input={"in": {"a": 1}}, mock={"result": '{"Payload":2}'}, inspectionLevel="DEBUG")
    shown = {name: json.loads(value) for name, value in found["inspectionData"].items()}
    assert shown == {
        "input": {"in": {"a": 1}},
        "afterInputPath": {"a": 1},
        "afterParameters": {"p": 1},
        "result": {"Payload": 2},
        "afterResultSelector": {"s": 2},
        "afterResultPath": {"in": {"a": 1}, "out": {"s": 2}},
    }


def test_retry_and_catch_are_told_not_carried_out() -> None:
    retry = [{"ErrorEquals": ["E"], "MaxAttempts": 1, "IntervalSeconds": 4}]
    state = task(Retry=retry, Catch=[{"ErrorEquals": ["E"], "Next": "Caught"}], End=True)
    failing = {"errorOutput": {"error": "E", "cause": "C"}}
    first = answer(state, mock=failing, inspectionLevel="DEBUG")
    assert first["status"] == "RETRIABLE"
    assert first["inspectionData"]["errorDetails"] == {"retryIndex": 0, "retryBackoffIntervalSeconds": 4}
    second = answer(state, mock=failing, stateConfiguration={"retrierRetryCount": 1})
    assert (second["status"], second["nextState"]) == ("CAUGHT_ERROR", "Caught")


@pytest.mark.parametrize(
    ("state", "request_", "says"),
    [
        ({"Type": "Pass", "End": True}, {"mock": {"result": "1"}}, "State type 'Pass' is not supported"),
        ({"Type": "Pass", "End": True}, {"input": "{"}, "Invalid State Machine Execution Input"),
        (task(End=True), {"mock": {"result": '{"StatusCode":"200"}'}}, "Field 'StatusCode' must be a number"),
        ({"Type": "Task", "Resource": LAMBDA, "End": True}, {}, "RoleArn must be specified"),
        ({"Type": "Task", "Resource": LAMBDA, "End": True}, {"roleArn": "r"}, "without a mock"),
        ({"Type": "Task", "Resource": f"{LAMBDA}.waitForTaskToken", "End": True}, {"roleArn": "r"}, "does not support"),
    ],
)
def test_wrong_request_is_refused(state: dict[str, Any], request_: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says):
        answer(state, **request_)
