"""Requests that MiniStack does not know: refused by name, in the shape that the service's SDK reads.

MiniStack says "Unsupported service" in a shape of its own, tells a path where a REST operation is meant, and takes a
few REST operations for others of which theirs is a longer path (`DELETE .../stages/x/accesslogsettings` deletes the
stage). S3 has a file of its own (`subresources.py`).
"""

import asyncio
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import botocore.session

from local import wire
from local.ministack.operations import action
from local.surroundings import Response

Query = Mapping[str, list[str]]

TAKEN_FOR_OTHERS = {
    "lambda": (
        "CreateCodeSigningConfig",
        "DeleteCodeSigningConfig",
        "DeleteFunctionCodeSigningConfig",
        "GetCodeSigningConfig",
        "ListCodeSigningConfigs",
        "ListFunctionsByCodeSigningConfig",
        "PutFunctionCodeSigningConfig",
        "UpdateCodeSigningConfig",
    ),
    "apigatewayv2": (
        "DeleteAccessLogSettings",
        "DeleteRouteRequestParameter",
        "DeleteRouteSettings",
        "ResetAuthorizersCache",
    ),
    "apigateway": ("ImportApiKeys", "ImportRestApi"),
}
"""By botocore's name of the service: the operations that MiniStack answers as if they were others."""

_MAY_BE_ONE = re.compile(
    r"/2020-04-22/code-signing-configs.*|.*/code-signing-config"
    r"|/v2/apis/[^/]+/(stages|routes)/[^/]+/(accesslogsettings|routesettings|requestparameters|cache)(/.*)?|/apikeys|/restapis"
)
_UNKNOWN = re.compile(
    rb"Unsupported service: |No route for |Function not found: /|Unknown [\w ]*(path|route)\b"
    rb"|Unsupported [\w -]+ path\b",
    re.IGNORECASE,
)
_SCOPE = re.compile(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/")
_RPC = re.compile(r"/service/[^/]+/operation/([A-Za-z0-9]+)")
_MODELS = {"apigateway": ("apigatewayv2", "apigateway"), "monitoring": ("cloudwatch",), "states": ("stepfunctions",)}


@dataclass(frozen=True, slots=True)
class Request:
    """What an operation is told by."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Query

    @property
    def scope(self) -> str:
        """Returns the service's signing name; nothing where the request is not signed."""
        scope = _SCOPE.search(self.headers.get("authorization", ""))
        return scope[1] if scope else ""


class EveryName:
    """The names that requests are signed for: whatever it is, S3 is not meant."""

    def __contains__(self, _: object) -> bool:
        return True


def install() -> None:
    """Look at what MiniStack is asked, and at what it answers."""
    from ministack import app as ministack_app
    from ministack.core import router

    # Left alone, the first request for a service that MiniStack does not have makes it read every model that botocore
    # ships, to learn whether there is such a service (430 MB and some seconds), and takes what is none for S3.
    router._KNOWN_AWS_SERVICE_NAMES = EveryName()
    dispatch = ministack_app._dispatch_service_request

    async def dispatch_or_refuse(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Query, request_id: str
    ) -> Any:
        request = Request(method, path, headers, body, query)
        if _MAY_BE_ONE.fullmatch(path) and (name := await asyncio.to_thread(taken_for_another, request)):
            return refusal(request, name)
        return await _by_name(request, *await dispatch(method, path, headers, body, query, request_id))

    ministack_app._dispatch_service_request = dispatch_or_refuse


async def _by_name(request: Request, status: int, headers: dict[str, str], body: Any) -> Any:
    if not 400 <= status < 500 or not isinstance(body, bytes) or request.scope in ("", "s3"):
        return status, headers, body
    if _UNKNOWN.search(body):
        # A model that nobody asked for yet is read: not on the event loop.
        return refusal(request, await asyncio.to_thread(operation, request))
    if _RPC.match(request.path) and "json" in str(headers):
        return _in_cbor(status, json.loads(body))
    return status, headers, body


def taken_for_another(request: Request) -> str | None:
    """Returns the operation that a request means, where MiniStack would answer as if it were another."""
    for service in _models(request.scope):
        name = _operation_of(service, request)
        if name:
            return name if name in TAKEN_FOR_OTHERS.get(service, ()) else None
    return None


def operation(request: Request) -> str:
    """Returns the name of the operation that a request means; its method and path where no model knows it."""
    if name := action(request.method, request.path, request.headers, request.body, request.query):
        return name
    for service in _models(request.scope):
        if name := _operation_of(service, request) or "":
            return name
    return f"{request.method} {request.path}"


@functools.cache
def _models(scope: str) -> tuple[str, ...]:
    """Returns botocore's names of the services that sign with a name: mostly that name, hyphens aside."""
    if scope in _MODELS:
        return _MODELS[scope]
    plain = scope.replace("-", "")
    names = botocore.session.get_session().get_available_services()
    return tuple(name for name in names if name.replace("-", "") == plain)


def _operation_of(service: str, request: Request) -> str | None:
    matches = [
        (literals, name)
        for name, method, path, query, literals in _operations(service)
        if method == request.method and path.fullmatch(request.path) and query.items() <= _first(request.query).items()
    ]
    return max(matches)[1] if matches else None


def _first(query: Query) -> dict[str, str]:
    return {name: values[0] for name, values in query.items()}


@functools.cache
def _operations(service: str) -> tuple[tuple[str, str, re.Pattern[str], dict[str, str], int], ...]:
    """Returns the operations of a service: name, method, path, what the query must say, how much of both is fixed."""
    model = wire.model(service)
    operations = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path, _, query = http["requestUri"].partition("?")
        fixed = dict(literal.partition("=")[::2] for literal in query.split("&") if literal)
        operations.append(
            (name, http["method"], _pattern(path), fixed, len(re.sub(r"\{[^}]+\}", "", path)) + len(query))
        )
    return tuple(operations)


def _pattern(uri: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]+\})", uri.rstrip("/"))
    words = [(".+" if part.endswith("+}") else "[^/]+") if part.startswith("{") else re.escape(part) for part in parts]
    return re.compile("".join(words) + "/?")


def refusal(request: Request, name: str) -> Response:
    """Returns 501 NotImplemented, as each protocol writes an error."""
    why = f"{request.scope}: {name} is not implemented by this cloud"
    if _RPC.match(request.path):
        return _in_cbor(501, {"__type": "NotImplemented", "message": why})
    if request.headers.get("x-amz-target"):
        payload = json.dumps({"__type": "NotImplemented", "message": why}).encode()
        version = "1.1" if "1.1" in request.headers.get("content-type", "") else "1.0"
        return 501, {"Content-Type": f"application/x-amz-json-{version}", "x-amzn-errortype": "NotImplemented"}, payload
    if action(request.method, request.path, request.headers, request.body, request.query) or _speaks_xml(request.scope):
        error = f"<Error><Type>Sender</Type><Code>NotImplemented</Code><Message>{escape(why)}</Message></Error>"
        return 501, {"Content-Type": "text/xml"}, f"<ErrorResponse>{error}</ErrorResponse>".encode()
    payload = json.dumps({"__type": "NotImplemented", "message": why, "Message": why}).encode()
    return 501, {"Content-Type": "application/json", "x-amzn-errortype": "NotImplemented"}, payload


def _speaks_xml(scope: str) -> bool:
    return any(wire.model(name).protocol == "rest-xml" for name in _models(scope))


def _in_cbor(status: int, error: Mapping[str, object]) -> Response:
    """https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html#operation-error-serialization."""
    text = {name: str(value) for name, value in error.items() if name in ("__type", "message")}
    payload = bytes([0xA0 + len(text)]) + b"".join(_cbor(name) + _cbor(value) for name, value in text.items())
    return status, {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}, payload


def _cbor(text: str) -> bytes:
    encoded = text.encode()
    return b"\x79" + len(encoded).to_bytes(2, "big") + encoded
