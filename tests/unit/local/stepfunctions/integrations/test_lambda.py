import io
import json
import zipfile
from typing import Any

import pytest

from local.clients import LocalClients
from local.stepfunctions.asl.documents import MAX_BYTES
from local.stepfunctions.integrations.lambdas import MAX_ANSWER_BYTES
from tests.unit.local.stepfunctions.integrations.conftest import Perform
from tests.unit.local.stepfunctions.integrations.endpoints import Asked, Endpoint, Reply, cut_off, refuse

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("base")

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
FAILURE = {
    "errorMessage": "no such flower",
    "errorType": "UnknownFlower",
    "requestId": "5e2f0d0a-0000-4000-8000-000000000000",
    "stackTrace": ['  File "/var/task/handler.py", line 2, in handler\n    raise UnknownFlower()\n'],
}


def invoked(payload: bytes, error: str | None = None, **headers: str) -> Any:
    failed = {"X-Amz-Function-Error": error} if error else {}
    return lambda _: (200, {"X-Amz-Executed-Version": "$LATEST", **failed, **headers}, payload)


def at(endpoint: Endpoint, reply: Any, name: str = "f") -> None:
    endpoint.replies[f"/2015-03-31/functions/{name}/invocations"] = reply


@pytest.fixture(scope="session")
def echo(aws: LocalClients) -> str:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("handler.py", "def handler(event, context):\n    return event\n")
    made = aws.client("lambda").create_function(
        FunctionName="echo", Runtime="python3.11", Handler="handler.handler", Role="arn:aws:iam::000000000000:role/r",
        Code={"ZipFile": packed.getvalue()},
    )  # fmt: skip
    return str(made["FunctionArn"])


def test_function_named_by_its_arn_answers_its_payload_as_it_is(call: Perform, echo: str) -> None:
    assert json.loads(call(echo, {"a": 1, "b": "ü"}).output()) == {"a": 1, "b": "ü"}


def test_invoke_answers_the_payload_and_what_lambda_said(call: Perform, echo: str) -> None:
    output = json.loads(call("lambda:invoke", {"FunctionName": echo, "Payload": {"body": "string body"}}).output())
    assert output["Payload"] == {"body": "string body"}
    assert (output["StatusCode"], output["ExecutedVersion"]) == (200, "$LATEST")
    http = output["SdkHttpMetadata"]
    assert http["HttpStatusCode"] == 200
    assert http["HttpHeaders"]["Content-Length"] == "23"
    assert http["AllHttpHeaders"]["x-amzn-RequestId"] == [output["SdkResponseMetadata"]["RequestId"]]
    assert set(output) == {
        "ExecutedVersion", "Payload", "SdkHttpMetadata", "SdkResponseMetadata", "StatusCode",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["echo", "000000000000:function:echo", "function:echo:$LATEST", "echo:$LATEST"])
def test_function_may_be_named_in_every_way_lambda_knows(call: Perform, echo: str, name: str) -> None:
    assert json.loads(call("lambda:invoke", {"FunctionName": name}).output())["Payload"] == {}
    assert echo.endswith(":echo")


@pytest.mark.parametrize(
    ("given", "payload"), [('{"a":1}', {"a": 1}), ("0.5", 0.5), ("[]", []), ([1], [1]), (None, {})]
)
def test_text_payload_is_the_payload_itself(call: Perform, echo: str, given: Any, payload: Any) -> None:
    assert json.loads(call("lambda:invoke", {"FunctionName": echo, "Payload": given}).output())["Payload"] == payload


def test_text_payload_that_is_no_json_is_refused(call: Perform, echo: str) -> None:
    error, cause = call("lambda:invoke", {"FunctionName": echo, "Payload": "hello"}).failure()
    assert error == "Lambda.InvalidRequestContentException"
    assert cause.startswith("Could not parse request body into json: ")


def test_unknown_function_fails_as_aws_words_it(call: Perform, echo: str) -> None:
    error, cause = call("lambda:invoke", {"FunctionName": "none"}).failure()
    assert error == "Lambda.ResourceNotFoundException"
    arn = echo.replace(":echo", ":none")
    said = f"Function not found: {arn}:$LATEST (Service: AWSLambda; Status Code: 404; Error Code: "
    assert cause.startswith(said)
    assert cause.endswith("; Proxy: null)")


def test_exception_of_a_function_is_named_by_its_class(endpoint: Endpoint, perform: Perform) -> None:
    at(endpoint, invoked(json.dumps(FAILURE).encode(), "Unhandled"))
    at(endpoint, invoked(json.dumps(FAILURE).encode(), "Unhandled"), ARN.replace(":", "%3A"))
    assert perform("lambda:invoke", {"FunctionName": "f"}).failure() == (
        "UnknownFlower",
        json.dumps(FAILURE, separators=(",", ":")),
    )
    assert perform(ARN, {}).failure() == ("UnknownFlower", json.dumps(FAILURE))


def test_function_that_ran_out_of_time_says_so(endpoint: Endpoint, perform: Perform) -> None:
    said = {"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: 1 Error: Task timed out after 1.00 seconds"}
    at(endpoint, invoked(json.dumps(said).encode(), "Unhandled"))
    error, cause = perform("lambda:invoke", {"FunctionName": "f"}).failure()
    assert error == "Sandbox.Timedout"
    assert json.loads(cause) == said


def test_failure_without_a_type_is_lambda_unknown(endpoint: Endpoint, perform: Perform) -> None:
    at(endpoint, invoked(b'{"errorMessage":"Process exited before completing request"}', "Unhandled"))
    error, cause = perform("lambda:invoke", {"FunctionName": "f"}).failure()
    assert error == "Lambda.Unknown"
    assert cause.startswith("The cause could not be determined because Lambda did not return an error type.")


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("TooManyRequestsException", 429, "Lambda.TooManyRequestsException"),
        ("ServiceException", 500, "Lambda.ServiceException"),
        ("AccessDeniedException", 403, "Lambda.AWSLambdaException"),
    ],
)
def test_errors_of_lambda_itself_are_named_as_its_sdk_names_them(
    endpoint: Endpoint, perform: Perform, code: str, status: int, error: str
) -> None:
    at(endpoint, lambda _: refuse(code, "Rate exceeded", status))
    named, cause = perform("lambda:invoke", {"FunctionName": "f"}).failure()
    assert named == error
    assert cause.startswith(f"Rate exceeded (Service: AWSLambda; Status Code: {status}; Error Code: {code}; Request")


def test_event_invocation_is_not_waited_for(endpoint: Endpoint, perform: Perform) -> None:
    seen: list[Asked] = []

    def take(asked: Asked) -> Reply:
        seen.append(asked)
        return 202, {}, b""

    at(endpoint, take)
    arguments = {"FunctionName": "f", "InvocationType": "Event", "Payload": {}}
    output = json.loads(perform("lambda:invoke", arguments).output())
    assert (output["StatusCode"], output["Payload"]) == (202, "")
    assert seen[0].headers["X-Amz-Invocation-Type"] == "Event"


def test_answer_larger_than_lambda_allows_is_not_read(endpoint: Endpoint, perform: Perform) -> None:
    at(endpoint, invoked(b'"' + b"a" * MAX_ANSWER_BYTES + b'"'))
    error, cause = perform("lambda:invoke", {"FunctionName": "f"}).failure()
    assert error == "States.DataLimitExceeded"
    assert cause.startswith("The state/task 'lambda' returned a result with a size exceeding")


def test_answer_larger_than_a_state_may_carry_is_too_large_whatever_it_is(endpoint: Endpoint, perform: Perform) -> None:
    at(endpoint, invoked(b"a" * (MAX_BYTES + 1)), ARN.replace(":", "%3A"))
    assert perform(ARN, {}).failure() == (
        "States.DataLimitExceeded",
        f"The state/task '{ARN}' returned a result with a size exceeding the maximum number of bytes service limit.",
    )


def test_answer_that_breaks_off_fails_the_task(endpoint: Endpoint, perform: Perform) -> None:
    at(endpoint, lambda _: cut_off())
    error, _ = perform("lambda:invoke", {"FunctionName": "f"}).failure()
    assert error == "Lambda.SdkClientException"


def test_argument_that_lambda_does_not_know_is_refused(perform: Perform) -> None:
    error, cause = perform("lambda:invoke", {"FunctionName": "f", "Pauload": 1}).failure()
    assert error == "States.Runtime"
    assert cause == (
        "An error occurred while executing the state 'S0' (entered at the event id #2). The Parameters "
        '\'{"FunctionName":"f","Pauload":1}\' could not be used to start the Task: '
        '[The field "Pauload" is not supported by Step Functions]'
    )
