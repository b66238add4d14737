"""APIs made from OpenAPI documents: REST APIs that call Step Functions, and the routes of HTTP APIs."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ministack.services import apigateway, apigateway_v1
from ministack.services.cloudformation import provisioners

from local.ministack import gateways, http_apis
from local.surroundings import Request, Response

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
# As SAM 1.100 writes it for the event Api of a state machine.
TEMPLATE = '{"input": "$util.escapeJavaScript($input.json(\'$\'))", "stateMachineArn": "' + MACHINE + '"}'


class Engine:
    """Step Functions: notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.status = 200

    async def handle(self, request: Request) -> Response:
        operation = request.headers["X-Amz-Target"].removeprefix("AWSStepFunctions.")
        self.asked.append((operation, json.loads(request.body)))
        body = {"executionArn": "e"} if self.status == 200 else {"__type": "ExecutionAlreadyExists", "message": "no"}
        return self.status, {}, json.dumps(body).encode()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    names = ("_invoke_lambda_custom_v1", "_import_operation", "_import_path_item", "_OPENAPI_HTTP_METHODS", "_vtl_util")
    for name in names:
        monkeypatch.setattr(apigateway_v1, name, getattr(apigateway_v1, name))
    monkeypatch.setattr(provisioners, "_RESOURCE_HANDLERS", dict(provisioners._RESOURCE_HANDLERS))
    engine = Engine()
    gateways.install(engine.handle)
    http_apis.install()
    yield engine
    apigateway_v1.reset()
    apigateway.reset()


def integration(**settings: Any) -> dict[str, Any]:
    return {
        "type": "aws",
        "httpMethod": "POST",
        "uri": "arn:aws:apigateway:us-east-1:states:action/StartExecution",
        "requestTemplates": {"application/json": TEMPLATE},
        "responses": {"200": {"statusCode": "200"}, "400": {"statusCode": "400"}},
        **settings,
    }


def called(settings: dict[str, Any], body: str, name: str = "post", method: str = "POST") -> tuple[int, Any]:
    """The status and body of a call of the one method of an API made from such an integration."""
    document = {"info": {"title": "t"}, "paths": {"/go/{x}": {name: {"x-amazon-apigateway-integration": settings}}}}
    api = apigateway_v1._import_rest_api(document, {})
    (resource,) = [made for made in apigateway_v1._resources[api].values() if made["path"] == "/go/{x}"]
    made = resource["resourceMethods"][method]["methodIntegration"]
    headers = {"Content-Type": "application/json; charset=utf-8", "X-Who": "me"}
    work = apigateway_v1._invoke_lambda_custom_v1(
        made, api, "Prod", {}, resource, "/go/1", method, headers, body.encode(), {"q": ["7"]}, {"x": "1"}
    )
    status, _, answered = asyncio.run(work)
    return status, json.loads(answered)


@pytest.mark.parametrize("value", [{"a": 1}, {"t": 'quotes " and \\ and /'}, {"ü": "😀\n"}, [], "x"])
def test_a_request_starts_an_execution_as_sam_writes_it(engine: Engine, value: Any) -> None:
    assert called(integration(), json.dumps(value)) == (200, {"executionArn": "e"})
    ((operation, request),) = engine.asked
    assert (operation, request["stateMachineArn"]) == ("StartExecution", MACHINE)
    assert json.loads(request["input"]) == value


def test_the_engines_refusal_is_mapped_by_its_status(engine: Engine) -> None:
    engine.status = 400
    responses = {"default": {"statusCode": "502"}, "4\\d{2}": {"statusCode": "409"}}
    assert called(integration(responses=responses), "{}")[0] == 409
    assert called(integration(responses={"default": {"statusCode": "502"}}), "{}")[0] == 502


def test_every_operation_and_parameter_may_be_named(engine: Engine) -> None:
    template = "{\"executionArn\": \"$input.params('x')-$input.params('q')-$input.params('X-Who')\"}"
    uri = "arn:aws:apigateway:us-east-1:states:action/DescribeExecution"
    settings = integration(uri=uri, requestTemplates={"application/json": template})
    called(settings, "", "x-amazon-apigateway-any-method", "ANY")
    assert engine.asked == [("DescribeExecution", {"executionArn": "1-7-me"})]


def test_a_template_of_the_answer_is_filled(engine: Engine) -> None:
    template = '{"arn": $input.json(\'$.executionArn\'), "b": "$util.base64Encode(\'x\')"}'
    responses = {"default": {"statusCode": "201", "responseTemplates": {"application/json": template}}}
    assert called(integration(responses=responses), "{}") == (201, {"arn": "e", "b": "eA=="})
    assert len(engine.asked) == 1


def test_other_integrations_go_where_they_went(engine: Engine) -> None:
    uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations"
    assert called(integration(uri=uri), "{}")[0] == 504
    assert engine.asked == []


FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
INTEGRATION = "x-amazon-apigateway-integration"
ANY = "x-amazon-apigateway-any-method"
ORDER = {
    INTEGRATION: {"type": "aws_proxy", "uri": FUNCTION, "payloadFormatVersion": "2.0"},
    "security": [{"login": ["read"]}],
}
DOCUMENT: dict[str, Any] = {
    "info": {"title": "shop"},
    "paths": {
        "/orders/{id}": {"get": ORDER, "parameters": []},
        "/$default": {ANY: {INTEGRATION: {"type": "http_proxy", "uri": "http://127.0.0.1:9"}}},
        "/own": {ANY: {"security": [{"AWS_IAM": []}]}},
    },
    "components": {
        "securitySchemes": {
            "login": {
                "x-amazon-apigateway-authorizer": {
                    "type": "jwt",
                    "identitySource": "$request.header.Authorization",
                    "jwtConfiguration": {"issuer": "https://i", "audience": "a"},
                }
            }
        }
    },
    "x-amazon-apigateway-cors": {"allowOrigins": ["*"], "maxAge": 5},
}


def made(body: Any, api: str | None = None, old: Any = None) -> str:
    handler = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    if api is None:
        name: str = handler["create"]("Api", {"Body": body}, "stack")[0]
        return name
    handler["update"](api, {"Body": old}, {"Body": body}, "stack", "Api")
    return api


def routes(api: str) -> dict[str, dict[str, Any]]:
    return {route["routeKey"]: route for route in apigateway._routes[api].values()}


def test_an_http_api_has_the_routes_of_its_document(engine: Engine) -> None:
    assert engine.asked == []
    api = made(DOCUMENT)
    known = routes(api)
    assert set(known) == {"GET /orders/{id}", "$default", "ANY /own"}
    target = known["GET /orders/{id}"]["target"].removeprefix("integrations/")
    assert apigateway._integrations[api][target]["integrationUri"] == FUNCTION
    assert known["GET /orders/{id}"]["authorizationType"] == "JWT"
    (authorizer,) = apigateway._authorizers[api].values()
    assert authorizer["jwtConfiguration"] == {"issuer": "https://i", "audience": ["a"]}
    assert known["ANY /own"]["authorizationType"] == "AWS_IAM"
    assert apigateway._apis[api]["name"] == "shop"
    assert apigateway._apis[api]["corsConfiguration"] == {"allowOrigins": ["*"], "maxAge": 5}


def test_a_changed_document_replaces_its_routes_and_no_others(engine: Engine) -> None:
    assert engine.asked == []
    api = made(DOCUMENT)
    apigateway._create_route(api, {"routeKey": "GET /mine"})
    document = {**DOCUMENT, "paths": {"/new": DOCUMENT["paths"]["/orders/{id}"]}}
    made(document, api, DOCUMENT)
    assert set(routes(api)) == {"GET /new", "GET /mine"}
    assert len(apigateway._integrations[api]) == len(apigateway._authorizers[api]) == 1
