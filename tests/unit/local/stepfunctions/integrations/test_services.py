"""Calls of services, by both kinds of integrations, against the local cloud's base."""

import json
from typing import Any
from uuid import uuid4

import pytest

from local.clients import LocalClients
from local.stepfunctions.asl.documents import MAX_BYTES
from local.stepfunctions.integrations import Integrations, TaskError
from tests.unit.local.stepfunctions.integrations.conftest import Perform
from tests.unit.local.stepfunctions.integrations.endpoints import Endpoint, answer
from tests.unit.local.stepfunctions.integrations.tasks import RecordedWorld, command

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("base")


def named(prefix: str) -> str:
    return f"{prefix}-{uuid4().hex[:8]}"


def create_table(clients: LocalClients) -> str:
    name = named("table")
    clients.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


@pytest.fixture(scope="session")
def table(aws: LocalClients) -> str:
    return create_table(aws)


@pytest.fixture(scope="session")
def bucket(aws: LocalClients) -> str:
    name = named("bucket")
    aws.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def queue(aws: LocalClients) -> str:
    return str(aws.client("sqs").create_queue(QueueName=named("queue"))["QueueUrl"])


def received(aws: LocalClients, queue: str) -> str:
    (message,) = aws.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=2)["Messages"]
    aws.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return str(message["Body"])


# DynamoDB.


def test_optimized_dynamodb_tells_the_http_answer_beside_the_item(call: Perform, table: str) -> None:
    item = {"id": {"S": "a"}, "sold": {"BOOL": True}}
    assert "SdkHttpMetadata" in call("dynamodb:putItem", {"TableName": table, "Item": item}).output()
    output = json.loads(call("dynamodb:getItem", {"TableName": table, "Key": {"id": {"S": "a"}}}).output())
    assert output["Item"] == item
    assert set(output) == {"Item", "SdkHttpMetadata", "SdkResponseMetadata"}
    assert set(output["SdkHttpMetadata"]["HttpHeaders"]) == {
        "Connection", "Content-Length", "Content-Type", "Date", "Server", "x-amz-crc32", "x-amzn-RequestId",
    }  # fmt: skip


def test_sdk_dynamodb_tells_the_answer_alone_in_the_java_sdks_spelling(call: Perform, table: str) -> None:
    item = {"id": {"S": "b"}, "sold": {"Bool": True}}
    assert call("aws-sdk:dynamodb:putItem", {"TableName": table, "Item": item}).output() == "{}"
    key = {"id": {"S": "b"}}
    output = call("aws-sdk:dynamodb:getItem", {"TableName": table, "Key": key}).output()
    assert json.loads(output) == {"Item": item}


CONDITION = {"Item": {"id": {"S": "c"}}, "ConditionExpression": "attribute_not_exists(id)"}


def test_failed_condition_is_named_for_the_integration_that_asked(call: Perform, table: str) -> None:
    arguments = {"TableName": table, **CONDITION}
    call("dynamodb:putItem", arguments).output()
    error, cause = call("dynamodb:putItem", arguments).failure()
    assert error == "DynamoDB.ConditionalCheckFailedException"
    assert cause.startswith(
        "The conditional request failed (Service: AmazonDynamoDBv2; Status Code: 400; "
        "Error Code: ConditionalCheckFailedException; Request ID: "
    )
    error, cause = call("aws-sdk:dynamodb:putItem", arguments).failure()
    assert error == "DynamoDb.ConditionalCheckFailedException"
    assert cause.startswith("The conditional request failed (Service: DynamoDb, Status Code: 400, Request ID: ")
    assert cause.endswith(") (SDK Attempt Count: 1)")


def test_error_that_the_model_does_not_have_is_the_services_own(call: Perform) -> None:
    arguments = {"TableName": "/none", "Item": {"id": {"S": "a"}}}
    assert call("dynamodb:putItem", arguments).failure()[0] == "DynamoDB.AmazonDynamoDBException"
    assert call("aws-sdk:dynamodb:putItem", arguments).failure()[0] == "DynamoDb.DynamoDbException"


def test_missing_argument_is_told_as_the_service_tells_it(call: Perform) -> None:
    error, cause = call("dynamodb:putItem", {"TableName": "t", "Item": None}).failure()
    assert error == "DynamoDB.AmazonDynamoDBException"
    assert cause.startswith(
        "1 validation error detected: Value null at 'item' failed to satisfy constraint: Member must not be null "
        "(Service: AmazonDynamoDBv2; Status Code: 400; Error Code: ValidationException; Request ID: "
    )


def test_number_where_a_text_belongs_cannot_start_the_task(call: Perform, table: str) -> None:
    error, cause = call("dynamodb:putItem", {"TableName": table, "Item": {"id": {"N": 1}}}).failure()
    assert error == "States.Runtime"
    assert cause.endswith("could not be used to start the Task: [The value for the field 'N' must be a STRING]")


# SQS, SNS, EventBridge.


def test_message_bodies_may_be_objects(call: Perform, aws: LocalClients, queue: str) -> None:
    output = json.loads(call("sqs:sendMessage", {"QueueUrl": queue, "MessageBody": {"a": [1]}}).output())
    assert set(output) == {"MD5OfMessageBody", "MessageId", "SdkHttpMetadata", "SdkResponseMetadata"}
    assert output["SdkHttpMetadata"]["HttpHeaders"]["Content-Length"] == "106"
    assert received(aws, queue) == '{"a":[1]}'


def test_message_without_a_body_is_refused_by_sqs(call: Perform, queue: str) -> None:
    error, cause = call("sqs:sendMessage", {"QueueUrl": queue, "MessageBody": None}).failure()
    assert error == "SQS.AmazonSQSException"
    assert cause.startswith("The request must contain the parameter MessageBody. (Service: AmazonSQS; Status Code: 400")


def test_unknown_queue_is_named_by_the_class_of_its_error(call: Perform, queue: str) -> None:
    error, _ = call("sqs:sendMessage", {"QueueUrl": f"{queue}-none", "MessageBody": "a"}).failure()
    assert error == "SQS.QueueDoesNotExistException"


def test_task_that_waits_for_its_token_is_submitted_and_no_more(call: Perform, aws: LocalClients, queue: str) -> None:
    task = call("sqs:sendMessage.waitForTaskToken", {"QueueUrl": queue, "MessageBody": {"token": "token"}})
    said = task.wait("submitted", "failed")
    assert "MessageId" in str(said[1])
    assert [one[0] for one in task.log] == ["started", "submitted"]
    assert received(aws, queue) == '{"token":"token"}'


def test_published_message_may_be_an_object(call: Perform, aws: LocalClients) -> None:
    topic = aws.client("sns").create_topic(Name=named("topic"))["TopicArn"]
    output = json.loads(call("sns:publish", {"TopicArn": topic, "Message": {"a": 1}}).output())
    assert output["SdkHttpMetadata"]["HttpHeaders"]["Content-Length"] == "294"
    error, cause = call("sns:publish", {"TopicArn": f"{topic}-none", "Message": "a"}).failure()
    assert error == "SNS.NotFoundException"
    assert cause.startswith("Topic does not exist (Service: AmazonSNS; Status Code: 404; Error Code: NotFound; ")


def test_event_entries_are_put_with_details_encoded(call: Perform) -> None:
    entry = {"Source": "a.b", "DetailType": "d"}
    entries = [{**entry, "Detail": {"a": 1}}, {**entry, "Detail": '{"a": 2}'}]
    output = json.loads(call("events:putEvents", {"Entries": entries}).output())
    assert output["FailedEntryCount"] == 0
    assert [set(one) for one in output["Entries"]] == [{"EventId"}, {"EventId"}]


def test_one_entry_that_fails_is_a_failure_of_the_task(call: Perform) -> None:
    entries = [
        {"Source": "a.b", "DetailType": "d", "Detail": {}},
        {"DetailType": "d", "Detail": {}},
        {"Source": "a.b", "DetailType": "d", "Detail": "no json"},
    ]
    error, cause = call("events:putEvents", {"Entries": entries}).failure()
    assert error == "EventBridge.FailedEntry"
    told = json.loads(cause)
    assert told["FailedEntryCount"] == 2
    assert set(told["Entries"][0]) == {"EventId"}
    assert told["Entries"][1] == {
        "ErrorCode": "InvalidArgument",
        "ErrorMessage": "Parameter Source is not valid. Reason: Source is a required argument.",
    }
    assert told["Entries"][2]["ErrorCode"] == "MalformedDetail"


# S3 and others, by the AWS SDK.


@pytest.mark.parametrize(("body", "text"), [("text", "text"), ({"a": 1}, '{"a":1}'), ([1], "[1]"), (False, "false")])
def test_object_is_put_as_text_and_got_as_text(call: Perform, bucket: str, body: Any, text: str) -> None:
    put = json.loads(call("aws-sdk:s3:putObject", {"Bucket": bucket, "Key": "k", "Body": body}).output())
    assert set(put) == {"ChecksumCRC32", "ChecksumType", "ETag", "ServerSideEncryption"}
    got = json.loads(call("aws-sdk:s3:getObject", {"Bucket": bucket, "Key": "k"}).output())
    assert got["Body"] == text
    assert got["LastModified"].endswith("Z")
    assert set(got) == {
        "AcceptRanges", "Body", "ContentLength", "ContentType", "ETag", "LastModified", "Metadata",
        "ServerSideEncryption",
    }  # fmt: skip


def test_object_that_no_state_could_carry_is_not_read(call: Perform, aws: LocalClients, bucket: str) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key="large", Body=b"a" * (MAX_BYTES + 1))
    error, _ = call("aws-sdk:s3:getObject", {"Bucket": bucket, "Key": "large"}).failure()
    assert error == "States.DataLimitExceeded"


def test_errors_of_s3_tell_both_request_ids(call: Perform, bucket: str) -> None:
    error, cause = call("aws-sdk:s3:getObject", {"Bucket": bucket, "Key": "none"}).failure()
    assert error == "S3.NoSuchKeyException"
    assert cause.startswith("The specified key does not exist. (Service: S3, Status Code: 404, Request ID: ")
    assert ", Extended Request ID: " in cause
    assert (
        call("aws-sdk:s3:getObject", {"Bucket": named("none"), "Key": "k"}).failure()[0] == "S3.NoSuchBucketException"
    )
    assert call("aws-sdk:s3:headObject", {"Bucket": bucket, "Key": "none"}).failure()[0] == "S3.NoSuchKeyException"


def test_services_go_by_the_names_of_the_java_sdk(call: Perform) -> None:
    assert "SecretList" in call("aws-sdk:secretsmanager:listSecrets", {}).output()
    arn = "arn:aws:states:us-east-1:000000000000:execution:none:none"
    error, cause = call("aws-sdk:sfn:describeExecution", {"ExecutionArn": arn}).failure()
    assert error == "Sfn.ExecutionDoesNotExistException"
    assert "(Service: Sfn, Status Code: 400, " in cause


@pytest.mark.parametrize("resource", ["aws-sdk:nonesuch:doIt", "aws-sdk:s3:doIt"])
def test_action_that_nobody_knows_fails_clearly(call: Perform, resource: str) -> None:
    error, cause = call(resource, {}).failure()
    assert error == "States.Runtime"
    assert cause == f"The resource 'arn:aws:states:::{resource}' is not known to the local cloud"


def test_queue_url_of_aws_is_asked_for_at_the_local_endpoint(endpoint: Endpoint, perform: Perform) -> None:
    endpoint.replies["SendMessage"] = lambda _: answer({"MessageId": "m", "MD5OfMessageBody": "0" * 32})
    url = "https://sqs.us-east-1.amazonaws.com/000000000000/q"
    perform("sqs:sendMessage", {"QueueUrl": url, "MessageBody": "m"}).output()
    assert endpoint.operations() == ["SendMessage"]


def test_action_that_the_endpoint_does_not_speak_fails_clearly(perform: Perform) -> None:
    error, cause = perform("aws-sdk:textract:getDocumentAnalysis", {"JobId": "j"}).failure()
    assert error == "Textract.TextractException"
    assert cause.startswith("The local endpoint does not speak textract:GetDocumentAnalysis")


# Roles and TestState.


def test_role_of_another_account_reaches_that_account(call: Perform) -> None:
    role = "arn:aws:iam::111111111111:role/theirs"
    output = call("aws-sdk:sts:getCallerIdentity", {}, credentials=role).output()
    assert json.loads(output)["Account"] == "111111111111"
    assert json.loads(call("aws-sdk:sts:getCallerIdentity", {}).output())["Account"] == "000000000000"


def test_answer_gives_the_result_or_raises_the_failure(aws: LocalClients, table: str) -> None:
    integrations = Integrations(RecordedWorld(aws))
    got = integrations.answer(command("aws-sdk:dynamodb:getItem", {"TableName": table, "Key": {"id": {"S": "zz"}}}))
    assert got == "{}"
    with pytest.raises(TaskError) as failure:
        integrations.answer(command("aws-sdk:dynamodb:getItem", {"TableName": "none", "Key": {"id": {"S": "a"}}}))
    assert failure.value.error == "DynamoDb.ResourceNotFoundException"
    integrations.close()
