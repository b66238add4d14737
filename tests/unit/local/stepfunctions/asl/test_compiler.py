import json
from typing import Any

import pytest

from local.stepfunctions.asl.compiler import compile_machine, validate
from local.stepfunctions.asl.documents import MAX_DEPTH
from local.stepfunctions.asl.validation import InvalidDefinition

LAMBDA = "arn:aws:states:::lambda:invoke"
INNER = {"StartAt": "I", "States": {"I": {"Type": "Pass", "End": True}}}
SPREAD = {**INNER, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
_TYPES = "[Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]"
_NOT_AN_EXPRESSION = "The value for the field '{}' must be a valid JSONPath or a valid intrinsic function call at {}"
_NOT_RECOGNIZED = (
    "The resource provided {} is not recognized. The value is not a valid resource ARN, or the resource is not "
    "available in this region. at {}"
)


def problems(definition: Any, *, express: bool = False) -> list[str]:
    return [str(problem) for problem in validate(json.dumps(definition), express=express)]


def test_every_problem_is_told_with_its_place() -> None:
    found = problems(
        {
            "StartAt": "A",
            "States": {
                "A": {"Type": "Pass", "InputPath": "x", "Parameters": {"in": {"a.$": "nonsense"}}, "Next": "B"},
                "B": {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:query", "End": True},
                "C": {
                    "Type": "Parallel",
                    "Branches": [{"StartAt": "D", "States": {"D": {"Type": "Nap"}}}],
                    "End": True,
                },
            },
        }
    )
    assert [problem.split(": ", 1)[1] for problem in found] == [
        "'x' is not a path: it does not begin with '$' at /States/A/InputPath",
        _NOT_AN_EXPRESSION.format("a.$", "/States/A/Parameters/in"),
        _NOT_RECOGNIZED.format("arn:aws:states:::dynamodb:query", "/States/B/Resource"),
        f"The field 'Type' should have one of these values: {_TYPES} at /States/C/Branches[0]/States/D/Type",
    ]


def test_targets_must_be_there_and_states_must_be_reached() -> None:
    states = {"A": {"Type": "Pass", "Next": "B"}, "C": {"Type": "Succeed"}}
    assert problems({"StartAt": "A", "States": states}) == [
        "MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Next",
        'MISSING_TRANSITION_TARGET: State "C" is not reachable. at /States/C',
    ]
    assert problems({"StartAt": "Z", "States": {"C": {"Type": "Succeed"}}}) == [
        "MISSING_TRANSITION_TARGET: Missing 'StartAt' target: Z at /StartAt"
    ]


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass"},
        {"Type": "Pass", "End": True, "Next": "S"},
        {"Type": "Pass", "End": True, "Output": {}},
        {"Type": "Pass", "End": True, "QueryLanguage": "JSONata", "Parameters": {}},
        {"Type": "Pass", "End": True, "QueryLanguage": "JSONata", "Output": "{% $sum( %}"},
        {"Type": "Pass", "End": True, "ResultPath": "$.a[*]"},
        {"Type": "Wait", "End": True},
        {"Type": "Wait", "Seconds": -1, "End": True},
        {"Type": "Wait", "Seconds": 1, "Timestamp": "2024-01-01T00:00:00Z", "End": True},
        {"Type": "Choice", "Choices": []},
        {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": True}]},
        {"Type": "Fail", "Error": "a", "ErrorPath": "$.b"},
        {"Type": "Map", "End": True},
        {
            "Type": "Map",
            "ItemProcessor": {"ProcessorConfig": {"Mode": "FAST"}, "StartAt": "I", "States": {}},
            "End": True,
        },
        {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "TimeoutSeconds": 0, "End": True},
        {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Retry": [{"MaxAttempts": 1}], "End": True},
        {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Catch": [{"ErrorEquals": []}], "End": True},
        {"Type": "Task", "Resource": LAMBDA, "Retry": [{"ErrorEquals": ["States.ALL", "E"]}], "End": True},
        {
            "Type": "Task",
            "Resource": LAMBDA,
            "Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["E"]}],
            "End": True,
        },
        {"Type": "Task", "Resource": LAMBDA, "TimeoutSeconds": 1, "TimeoutSecondsPath": "$.a", "End": True},
        {"Type": "Pass", "Assign": {"states": 1}, "End": True},
        {"Type": "Pass", "Assign": {"1a": 1}, "End": True},
        {"Type": "Pass", "Assign": {"a" * 81: 1}, "End": True},
        {"Type": "Map", "MaxConcurrency": 1, "MaxConcurrencyPath": "$.a", "ItemProcessor": INNER, "End": True},
        {"Type": "Map", "ItemProcessor": INNER, "Iterator": INNER, "End": True},
        {"Type": "Map", "ItemProcessor": SPREAD, "ItemReader": {"Parameters": {}}, "End": True},
        {"Type": "Map", "ItemProcessor": SPREAD, "ItemReader": {"Resource": LAMBDA}, "End": True},
        {"Type": "Map", "ItemProcessor": SPREAD, "ItemBatcher": {"BatchInput": {}}, "End": True},
        {"Type": "Map", "ItemProcessor": SPREAD, "ResultWriter": {}, "End": True},
    ],
)
def test_wrong_state_is_refused(state: dict[str, Any]) -> None:
    assert problems({"StartAt": "S", "States": {"S": state}})


def test_express_machines_do_not_wait_for_callbacks() -> None:
    state = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "End": True}
    definition = {"StartAt": "S", "States": {"S": state}}
    assert not problems(definition)
    assert problems(definition, express=True)


def test_express_children_of_a_map_run_do_not_either() -> None:
    waiting = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "End": True}
    inner = {"StartAt": "I", "States": {"I": waiting}}
    for kind, refused in (("STANDARD", False), ("EXPRESS", True)):
        processor = {**inner, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind}}
        spread = {"StartAt": "S", "States": {"S": {"Type": "Map", "ItemProcessor": processor, "End": True}}}
        assert bool(problems(spread)) is refused
        assert problems(spread, express=True)


def test_no_two_states_of_a_machine_have_one_name() -> None:
    inner = {"StartAt": "S", "States": {"S": {"Type": "Pass", "End": True}}}
    found = problems({"StartAt": "S", "States": {"S": {"Type": "Parallel", "Branches": [inner], "End": True}}})
    assert found == ["DUPLICATE_STATE_NAME: Duplicate State name: S at /States/S/Branches[0]/States/S"]


def test_text_that_is_no_json_is_a_problem_of_the_whole() -> None:
    assert validate("{")[0].code == "INVALID_JSON_DESCRIPTION"
    assert validate("[" * 100_000)[0].code == "INVALID_JSON_DESCRIPTION"
    assert validate("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))[0].code == "INVALID_JSON_DESCRIPTION"
    assert validate("NaN")[0].code == "INVALID_JSON_DESCRIPTION"
    with pytest.raises(InvalidDefinition, match="Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: "):
        compile_machine("1")
