import json
from typing import Any

import pytest

from tests.unit.local.stepfunctions.integrations.conftest import Perform
from tests.unit.local.stepfunctions.integrations.endpoints import Asked, Endpoint, Reply, answer, refuse

API: dict[str, Any] = {
    "ApiEndpoint": "abcd1234.execute-api.us-east-1.amazonaws.com",
    "Method": "POST",
    "Stage": "prod",
    "Path": "bills/add",
}


def test_api_is_called_with_what_the_task_says(endpoint: Endpoint, perform: Perform) -> None:
    seen: list[Asked] = []

    def take(asked: Asked) -> Reply:
        seen.append(asked)
        return answer({"id": 7}, 201, {"X-Made": "yes"})

    endpoint.replies["/_aws/execute-api/abcd1234/prod/bills/add"] = take
    told = json.loads(
        perform(
            "apigateway:invoke",
            {
                **API,
                "Headers": {"X-A": ["1"]},
                "QueryParameters": {"q": ["a b"]},
                "RequestBody": {"n": 1, "none": None},
            },
        ).output()
    )
    assert (told["StatusCode"], told["StatusText"], told["ResponseBody"]) == (201, "Created", {"id": 7})
    assert told["Headers"]["X-Made"] == ["yes"]
    assert set(told) == {"Headers", "ResponseBody", "StatusCode", "StatusText"}
    (asked,) = seen
    assert (asked.method, asked.path.partition("?")[2], asked.json) == ("POST", "q=a+b", {"n": 1})
    assert asked.headers["X-A"] == "1"


def test_error_of_an_api_is_named_by_its_status(endpoint: Endpoint, perform: Perform) -> None:
    endpoint.replies["/_aws/execute-api/abcd1234/prod/bills/add"] = lambda _: answer({"message": "Forbidden"}, 403)
    assert perform("apigateway:invoke", API).failure() == ("ApiGateway.403", '{"message":"Forbidden"}')


@pytest.mark.parametrize(
    "wrong", [{"ApiEndpoint": "elsewhere"}, {"Method": "BREW"}, {"Headers": {"Host": ["h"]}}, {"Pathe": "p"}]
)
def test_api_call_that_aws_would_not_make_is_not_made(
    endpoint: Endpoint, perform: Perform, wrong: dict[str, Any]
) -> None:
    error, cause = perform("apigateway:invoke", API | wrong).failure()
    assert error == "States.Runtime"
    assert "could not be used to start the Task" in cause
    assert endpoint.asked == []


def called(endpoint: Endpoint) -> dict[str, Any]:
    connection = "arn:aws:events:us-east-1:000000000000:connection/c/1"
    url = f"{endpoint.url}/orders"
    return {"ApiEndpoint": url, "Method": "GET", "Authentication": {"ConnectionArn": connection}}


def test_http_call_goes_through_its_connection(endpoint: Endpoint, perform: Perform) -> None:
    added = {"HeaderParameters": [{"Key": "X-Added", "Value": "v", "IsValueSecret": False}]}
    parameters = {"AuthParameters": {"InvocationHttpParameters": added}, "AuthorizationType": "BASIC"}
    endpoint.replies["DescribeConnection"] = lambda _: answer(parameters)
    endpoint.replies["/orders"] = lambda asked: answer({"added": asked.headers["X-Added"]})
    told = json.loads(perform("http:invoke", called(endpoint)).output())
    assert (told["StatusCode"], told["ResponseBody"]) == (200, {"added": "v"})
    task = called(endpoint)
    task["InvocationConfig"] = task.pop("Authentication")
    assert json.loads(perform("http:invoke", task).output())["ResponseBody"] == {"added": "v"}
    endpoint.replies["/orders"] = lambda _: answer({"message": "none"}, 404)
    assert perform("http:invoke", called(endpoint)).failure() == ("States.Http.StatusCode.404", '{"message":"none"}')


def test_http_call_without_a_connection_fails_clearly(endpoint: Endpoint, perform: Perform) -> None:
    endpoint.replies["DescribeConnection"] = lambda _: refuse("ResourceNotFoundException", "Connection 'c' not found")
    error, cause = perform("http:invoke", called(endpoint)).failure()
    assert error == "Events.ConnectionResource.InvalidConnectionState"
    assert "Connection 'c' not found" in cause
    assert endpoint.operations() == ["DescribeConnection"]
