"""The OpenAPI document: what each route can answer, by whom, and who may ask.

The router writes what it knows from types. Here stands what it cannot know: that API Gateway answers before the
function does, that some answers have no body, and how a request is signed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from functions.http import models, problems

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse

JSON = "application/json"

TAGS = {
    "uploads": "Announce a file, or put a photo",
    "jobs": "Follow what an upload or a training became, and fetch its results",
    "trainings": "Train on what is uploaded already",
    "algorithms": "The published catalogue",
    "models": "What was registered, and what a person decides about it",
    "endpoints": "What answers, with which model",
}

PHOTO = {
    "requestBody": {
        "description": "the photo; an Expect: 100-continue spares sending it twice",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

ANY_BODY = {
    "requestBody": {
        "description": "what the model is asked, as it takes it; Content-Type says how, and may be any",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}

ANY_ANSWER: OpenAPIResponse = {
    "description": "What the model answers; Content-Type says how, and may be any",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}

_SECURITY = {
    "sigv4": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS Signature Version 4 for the service execute-api, where ApiAuthorization is AWS_IAM "
        "(the default). With NONE, and in the local cloud, nothing is asked.",
        # API Gateway's own word for it:
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authtype.html
        "x-amazon-apigateway-authtype": "awsSigv4",
    }
}

_PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "The body is no JSON",
    HTTPStatus.NOT_FOUND: "There is no such thing",
    HTTPStatus.CONFLICT: "It is not in a state for that, which the reason names",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is of another type than application/json",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A field is wrong, or a query parameter unknown",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong; it is in the log",
    HTTPStatus.BAD_GATEWAY: "The model answered with a fault of its own",
    HTTPStatus.GATEWAY_TIMEOUT: "The model gave no answer in time",
}

# What API Gateway says itself, with a body of its own:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
_GATEWAYS = {
    HTTPStatus.FORBIDDEN: "The request is not signed, or its signer may not ask this",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request is larger than the gateway takes (10 MB)",
    HTTPStatus.TOO_MANY_REQUESTS: "More requests than ApiRequestsPerSecond and ApiBurst let through",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong; it is in the log",
    HTTPStatus.SERVICE_UNAVAILABLE: "The function did not answer in time",
}

_ALWAYS = (
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)

_NEVER_SENT = ("HTTPValidationError", "ResponseValidationError", "ValidationError")
"""The router's own error bodies, which it adds to every document."""

OF_ONE_THING = (HTTPStatus.NOT_FOUND,)
WITH_A_BODY = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
OF_AN_ENDPOINT = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
OF_A_MODEL = (*OF_AN_ENDPOINT, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
WITH_A_FILE = (HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def answer(description: str, model: type | None = None, headers: Mapping[str, str] | None = None) -> OpenAPIResponse:
    """Returns a response of a route: its body (none without a model), and its headers with what each tells."""
    response: OpenAPIResponse = {"description": description, "content": {JSON: {"model": model}} if model else {}}
    if headers:
        response["headers"] = {
            name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in headers.items()
        }
    return response


def conflict(description: str) -> OpenAPIResponse:
    """Returns the response of a route that what is asked for does not fit as things stand."""
    return {"description": description, "content": {problems.CONTENT_TYPE: {"model": models.ProblemBody}}}


def answers(good: Mapping[int, OpenAPIResponse], *more: HTTPStatus) -> dict[int, OpenAPIResponse]:
    """Returns every response of a route: its own, what any route can answer, and `more` statuses."""
    return {**good, **{status.value: _refusal(status) for status in sorted({*_ALWAYS, *more})}}


def _refusal(status: HTTPStatus) -> OpenAPIResponse:
    content: dict[str, Any] = {}
    if status in _PROBLEMS:
        content[problems.CONTENT_TYPE] = {"model": models.ProblemBody}
    if status in _GATEWAYS:
        content[JSON] = {"model": models.GatewayMessage}
    return {"description": _PROBLEMS.get(status) or _GATEWAYS[status], "content": content}


def completed(text: str) -> str:
    """Returns the router's document as it is published."""
    document = json.loads(text)
    document["tags"] = [{"name": name, "description": description} for name, description in TAGS.items()]
    document["components"]["securitySchemes"] = _SECURITY
    document["security"] = [{"sigv4": []}, {}]
    for schema in _NEVER_SENT:
        document["components"]["schemas"].pop(schema, None)
    for methods in document["paths"].values():
        for operation in methods.values():
            _drop_empty_bodies(operation["responses"])
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _drop_empty_bodies(responses: dict[str, dict[str, Any]]) -> None:
    for response in responses.values():
        if not response.get("content"):
            response.pop("content", None)
