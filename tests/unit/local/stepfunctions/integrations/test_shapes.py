"""What a task's arguments become, by the shape of the member that they are for."""

from typing import Any

import pytest

from local import wire
from local.stepfunctions.integrations import s3, shapes


def made(service: str, operation: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    return shapes.request(wire.model(service).operation_model(operation).input_shape, arguments)


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "expected"),
    [
        ("stepfunctions", "StartExecution", {"Input": {"n": [1]}}, {"input": '{"n":[1]}'}),
        ("stepfunctions", "SendTaskSuccess", {"Output": [1, "a"]}, {"output": '[1,"a"]'}),
        ("sqs", "SendMessage", {"MessageBody": {"a": None}}, {"MessageBody": '{"a":null}'}),
        ("sns", "Publish", {"Message": {"a": 1}}, {"Message": '{"a":1}'}),
        ("events", "PutEvents", {"Entries": [{"Detail": {"a": 1}}]}, {"Entries": [{"Detail": '{"a":1}'}]}),
        ("secretsmanager", "PutSecretValue", {"SecretString": {"k": "v"}}, {"SecretString": '{"k":"v"}'}),
        ("ssm", "PutParameter", {"Value": {"on": True}}, {"Value": '{"on":true}'}),
        ("dynamodb", "PutItem", {"Item": {"a": "plain"}}, {"Item": {"a": {"S": "plain"}}}),
        ("dynamodb", "PutItem", {"Item": {"a": {"L": ["x"]}}}, {"Item": {"a": {"L": [{"S": "x"}]}}}),
        ("dynamodb", "PutItem", {"Item": {"a": {"BOOL": "false"}}}, {"Item": {"a": {"BOOL": False}}}),
        ("dynamodb", "GetItem", {"ConsistentRead": "True"}, {"ConsistentRead": True}),
    ],
)
def test_a_value_becomes_what_its_member_holds(
    service: str, operation: str, arguments: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert made(service, operation, arguments) == (expected, [])


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "problem"),
    [
        ("dynamodb", "PutItem", {"Item": {"a": {"S": {"o": 1}}}}, "'S' must be a STRING"),
        ("dynamodb", "PutItem", {"Item": {"a": {"N": 1}}}, "'N' must be a STRING"),
        ("dynamodb", "PutItem", {"Item": {"a": 1}}, "'a' must be an OBJECT"),
        ("dynamodb", "GetItem", {"ConsistentRead": "yes"}, "'ConsistentRead' must be a BOOLEAN"),
        # One of some values is no free text.
        ("dynamodb", "PutItem", {"ReturnValues": {"a": 1}}, "'ReturnValues' must be a STRING"),
        ("sqs", "SendMessage", {"MessageBody": 1}, "'MessageBody' must be a STRING"),
    ],
)
def test_what_aws_does_not_convert_is_refused(
    service: str, operation: str, arguments: dict[str, Any], problem: str
) -> None:
    (said,) = made(service, operation, arguments)[1]
    assert problem in said


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        ("b/a%20b/%C3%BC%2Bx", "b/a b/ü+x"),
        ("b/plain+x", "b/plain+x"),
        ("b/k%20?versionId=a%2Bb", "b/k ?versionId=a%2Bb"),
        ({"Bucket": "b"}, {"Bucket": "b"}),
    ],
)
def test_a_copy_source_is_encoded_once(source: Any, sent: Any) -> None:
    assert s3.as_botocore_sends({"CopySource": source}) == {"CopySource": sent}
