"""Actions and fields that no service has, found before a definition is created."""

from typing import Any

import pytest

from local.stepfunctions.asl import resources
from local.stepfunctions.integrations import checking, naming


def task(resource: str, **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "End": True, **fields}


def said(state: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in checking.problems({"StartAt": "A", "States": {"A": state}})]


@pytest.mark.parametrize("name", ["nosuch", "stepfunctions", "states", "logs", "events"])
def test_a_service_has_its_name_in_the_java_sdk_and_no_other(name: str) -> None:
    (problem,) = said(task(f"aws-sdk:{name}:doIt"))
    assert "is not recognized" in problem
    assert problem.endswith(" at /States/A/Resource")


@pytest.mark.parametrize(
    ("name", "botocore"),
    [
        ("sfn", "stepfunctions"),
        ("cloudwatchlogs", "logs"),
        ("eventbridge", "events"),
        ("s3", "s3"),
        ("cognitoidentityprovider", "cognito-idp"),
        ("dynamodbstreams", "dynamodbstreams"),
        ("bedrockruntime", "bedrock-runtime"),
    ],
)
def test_services_that_definitions_name(name: str, botocore: str) -> None:
    assert naming.sdk_service(name) == botocore


def test_an_action_that_a_service_has_not_is_named() -> None:
    assert said(task("aws-sdk:sfn:startExecution")) == []
    assert "startExecutions is not recognized" in said(task("aws-sdk:sfn:startExecutions"))[0]


@pytest.mark.parametrize(
    ("resource", "parameters", "unknown"),
    [
        ("sagemaker:createTrainingJob.sync", {"Tags": [{"key": "a", "value": "b"}]}, ["key", "value"]),
        ("sagemaker:createTrainingJob", {"Tags.$": "$.tags", "HyperParameters": {"any": "1"}}, []),
        ("dynamodb:putItem", {"TableName": "t", "Item": {"id": {"S.$": "$.id"}}}, []),
        ("dynamodb:putItem", {"Table.$": "$.t"}, ["Table"]),
        ("aws-sdk:s3:getObject", {"Bucket": "b", "Key.$": "$.k"}, []),
        ("aws-sdk:s3:getObject", {"bucket": "b"}, ["bucket"]),
        ("glue:startJobRun", {"JobName": "j", "Arguments": {"--a": "b"}}, []),
        # Step Functions' own fields.
        ("states:startExecution.sync:2", {"StateMachineArn": "m", "Input": {"a": 1}}, []),
        ("lambda:invoke", {"FunctionName": "f", "Payload": {"a": 1}}, []),
        ("elasticmapreduce:addStep", {"ClusterId": "c", "Step": {"Name": "n"}}, []),
    ],
)
def test_a_field_that_an_operation_has_not_is_named(
    resource: str, parameters: dict[str, Any], unknown: list[str]
) -> None:
    place = "at /States/A/Parameters"
    expected = [
        f'SCHEMA_VALIDATION_FAILED: The field "{name}" is not supported by Step Functions {place}' for name in unknown
    ]
    assert said(task(resource, Parameters=parameters)) == expected


def test_tasks_are_found_wherever_they_stand() -> None:
    inner = {
        "StartAt": "T",
        "States": {"T": task("aws-sdk:nosuch:doIt"), "J": task("sns:publish", Arguments={"a": "{% 1 %}"})},
    }
    definition = {
        "StartAt": "P",
        "States": {
            "P": {"Type": "Parallel", "Branches": [inner], "Next": "M"},
            "M": {"Type": "Map", "ItemProcessor": inner, "Next": "O"},
            "O": {"Type": "Map", "Iterator": inner, "End": True},
        },
    }
    places = [problem.location for problem in checking.problems(definition)]
    assert places == [
        "/States/P/Branches[0]/States/T/Resource",
        "/States/M/ItemProcessor/States/T/Resource",
        "/States/O/Iterator/States/T/Resource",
    ]
    shapeless: tuple[Any, ...] = (
        None,
        [],
        {"States": []},
        {"States": {"A": None}},
        {"States": {"A": {"Type": "Parallel", "Branches": 1}}},
    )
    for malformed in shapeless:
        assert list(checking.problems(malformed)) == []


@pytest.mark.parametrize(
    ("arn", "service"),
    [
        ("arn:aws:states:us-east-1:123456789012:aws-sdk:s3:getObject", "aws-sdk:s3"),
        ("arn:aws:states:eu-central-1:123456789012:lambda:invoke.waitForTaskToken", "lambda"),
        ("arn:aws-cn:states:::sns:publish", "sns"),
        ("arn:aws:states:us-east-1:123456789012:activity:a", ""),
    ],
)
def test_an_integration_may_name_region_and_account(arn: str, service: str) -> None:
    resource = resources.parse(arn)
    assert resource is not None
    assert resource.service == service
