"""Whatever a state machine makes its arguments of, a task ends, and by a failure that has a name."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.stepfunctions.integrations import Integrations, TaskError
from tests.unit.local.stepfunctions.integrations.endpoints import Endpoint, answer
from tests.unit.local.stepfunctions.integrations.tasks import command

NAMES = st.sampled_from(
    ["TableName", "Item", "Key", "FunctionName", "Payload", "Entries", "Detail", "Source", "DetailType", "Resources",
     "StateMachineArn", "Input", "Name", "MessageBody", "QueueUrl", "Message", "TopicArn", "Bucket", "Body", "S", "N",
     "Headers", "ApiEndpoint", "Method", "Tags", "ModelName", "ExecutionRoleArn", "Authentication"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)
RESOURCES = st.sampled_from(
    ["lambda:invoke", "dynamodb:putItem", "events:putEvents", "states:startExecution", "sqs:sendMessage",
     "sns:publish", "sagemaker:createModel", "apigateway:invoke", "http:invoke", "glue:startJobRun",
     "elasticmapreduce:addStep", "aws-sdk:s3:putObject", "aws-sdk:dynamodb:query", "aws-sdk:sfn:sendTaskSuccess"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(resource=RESOURCES, arguments=VALUES | st.dictionaries(NAMES, VALUES, max_size=5))
def test_any_arguments_end_in_json_or_in_a_named_failure(
    endpoint: Endpoint, integrations: Integrations, resource: str, arguments: Any
) -> None:
    endpoint.replies["DescribeConnection"] = lambda _: answer({"AuthorizationType": "OAUTH_CLIENT_CREDENTIALS"})
    failure = _carried_out(integrations, resource, arguments)
    if failure is not None:
        assert failure.error
        assert "Error:" not in (failure.cause or ""), failure.cause  # An exception of Python's nobody foresaw.


def _carried_out(integrations: Integrations, resource: str, arguments: Any) -> TaskError | None:
    try:
        json.loads(integrations.answer(command(resource, arguments)))
    except TaskError as failure:
        return failure
    return None


def test_texts_that_no_encoding_has_fail_the_task(integrations: Integrations) -> None:
    with pytest.raises(TaskError):
        integrations.answer(command("dynamodb:putItem", {"TableName": "\ud800", "Item": {}}))
