"""State machines for a whole local cloud, the smallest project that it boots from, and how each execution must end."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.workload import each, flow, spread, wait

_TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
Globals:
  Function: {Runtime: python3.13, Timeout: 30, MemorySize: 128}
Resources:
  Uploads: {Type: AWS::S3::Bucket}
  Artifacts: {Type: AWS::S3::Bucket}
  Work:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: work, Handler: work.handler.handle}
  Algorithms:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub headrace-${Stage}-algorithms
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: name, AttributeType: S}]
      KeySchema: [{AttributeName: name, KeyType: HASH}]
  Tokens:
    Type: AWS::SQS::Queue
    Properties: {QueueName: tokens}
Outputs:
  ApiUrl: {Value: "https://none.execute-api.us-east-1.amazonaws.com"}
  UploadsBucket: {Value: !Ref Uploads}
  ArtifactsBucket: {Value: !Ref Artifacts}
"""
_HANDLER = """
class NotYet(Exception):
    pass


def handle(event, context):
    if event.get("tried", 0) < event.get("times", 0):
        raise NotYet(f"tried {event['tried']} times")
    return event["value"] * 2
"""
_PASS = {"Type": "Pass"}
_WORK = "arn:aws:lambda:us-east-1:000000000000:function:work"

Value = Mapping[str, Any]


def project(folder: Path) -> Path:
    """A project of one function and one queue."""
    (folder / "algorithms").mkdir(parents=True)
    (folder / "work").mkdir()
    (folder / "template.yaml").write_text(_TEMPLATE)
    (folder / "work" / "__init__.py").touch()
    (folder / "work" / "handler.py").write_text(_HANDLER)
    return folder


@dataclass(frozen=True, slots=True)
class Machine:
    name: str
    definition: Mapping[str, Any]
    made: Callable[[random.Random], Value]
    """An input."""
    expected: Callable[[Value, Any], Any]
    """Of an input and what the test answers its task tokens: the output, or the error of one that fails."""
    status: str = "SUCCEEDED"


def _function(payload: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": _WORK, "Parameters": payload, **fields}


_RETRY = [{"ErrorEquals": ["NotYet"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 5}]
_TRIED = {"value.$": "$.value", "times.$": "$.times", "tried.$": "$$.State.RetryCount"}

MACHINES = [
    Machine(
        "waits",
        flow({"A": {"Type": "Pass"}, "B": {"Type": "Wait", "SecondsPath": "$.seconds"}, "C": wait(1), "D": _PASS}),
        lambda draw: {"seconds": draw.randint(1, 6)},
        lambda value, _: value,
    ),
    Machine(
        "retries",
        flow({"A": _function(_TRIED, Retry=_RETRY, ResultPath="$.result"), "B": wait(1)}),
        lambda draw: {"value": draw.randint(0, 99), "times": draw.randint(0, 3)},
        lambda value, _: {**value, "result": value["value"] * 2},
    ),
    Machine(
        "fails",
        flow({"A": wait(2), "B": _function(_TRIED, ResultPath="$.result")}),
        lambda draw: {"value": 1, "times": draw.randint(1, 3)},
        lambda _value, _: "NotYet",
        "FAILED",
    ),
    Machine(
        "maps",
        flow({"A": each("$.values", {"B": wait(1), "C": _function({"value.$": "$"}), "D": {"Type": "Pass"}},
                        MaxConcurrency=2)}),
        lambda draw: {"values": [draw.randint(0, 99) for _ in range(draw.randint(0, 5))]},
        lambda value, _: [one * 2 for one in value["values"]],
    ),
    Machine(
        "spread",
        flow({"A": wait(1), "B": spread({"C": {"Type": "Pass", "Parameters": {"value.$": "$"}}, "D": wait(1),
                                         "E": _function({"value.$": "$.value"})},
                                        ItemsPath="$.values", MaxConcurrency=4)}),
        lambda draw: {"values": [draw.randint(0, 99) for _ in range(draw.randint(5, 10))]},
        lambda value, _: [one * 2 for one in value["values"]],
    ),
    Machine(
        "counts",
        {
            "QueryLanguage": "JSONata",
            "StartAt": "A",
            "States": {
                "A": {"Type": "Pass", "Assign": {"n": 0, "seen": []}, "Next": "B"},
                "B": {"Type": "Choice", "Choices": [{"Condition": "{% $n < $states.input.to %}", "Next": "C"}],
                      "Default": "E"},
                "C": {"Type": "Wait", "Seconds": 1, "Next": "D"},
                "D": {"Type": "Task", "Resource": _WORK, "Arguments": {"value": "{% $n %}"}, "Next": "B",
                      "Assign": {"n": "{% $n + 1 %}", "seen": "{% $append($seen, [$states.result]) %}"},
                      "Output": "{% $states.input %}"},
                "E": {"Type": "Succeed", "Output": {"seen": "{% $seen %}"}},
            },
        },
        lambda draw: {"to": draw.randint(0, 4)},
        lambda value, _: {"seen": [number * 2 for number in range(value["to"])]},
    ),
    Machine(
        "tokens",
        flow({
            "A": {"Type": "Parallel", "ResultPath": "$.both", "Branches": [
                flow({"B": wait(1), "C": {
                    "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                    "Parameters": {"QueueUrl": "http://127.0.0.1/000000000000/tokens", "MessageBody": {
                        "token.$": "$$.Task.Token", "name.$": "$$.Execution.Name"}},
                }}),
                flow({"D": wait(3), "E": {"Type": "Pass", "Result": "E"}}),
            ]},
            "F": {"Type": "Pass", "OutputPath": "$.both"},
        }),
        lambda draw: {"value": draw.randint(0, 99)},
        lambda _value, answer: [answer, "E"],
    ),
]  # fmt: skip
