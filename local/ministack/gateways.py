"""REST APIs that call Step Functions themselves, as SAM's event `Api` of a state machine writes them.

MiniStack sends an integration of the type AWS to a queue or, whatever it names, to a function, which there is none.
An integration `arn:aws:apigateway:<region>:states:action/<operation>` is asked of our engine instead, with what its
request template makes of the request; the integration's responses are MiniStack's work as they are for queues.
https://docs.aws.amazon.com/step-functions/latest/dg/tutorial-api-gateway.html
"""

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from local.surroundings import Handler, Request

_LONGEST_SECONDS = 29.0
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html"""
_TARGET = "AWSStepFunctions"
_OPERATION = re.compile(r"\w+")
_ESCAPED = re.compile(r"[\"'\\/\x00-\x1f\x80-\uffff]|[\U00010000-\U0010ffff]")
_SHORT = {"\b": r"\b", "\n": r"\n", "\t": r"\t", "\f": r"\f", "\r": r"\r"}

Answer = tuple[int, dict[str, str], bytes]


def install(handle: Handler) -> None:
    """Take the place of what MiniStack does with an integration of the type AWS that is no queue's."""
    from ministack.services import apigateway_v1 as service

    otherwise = service._invoke_lambda_custom_v1

    async def invoke(integration: Mapping[str, Any], *args: Any, **options: Any) -> Answer:
        target = service._parse_service_integration_uri(integration.get("uri", ""))
        if target is None or target[1:3] != ("states", "action") or not _OPERATION.fullmatch(target[3]):
            result: Answer = await otherwise(integration, *args, **options)
            return result
        headers, body, query, path = args[6:10]
        return await _ask(handle, target[3], integration, _Call(headers, body, query, path, options))

    service._invoke_lambda_custom_v1 = invoke
    service._import_operation = _with_the_whole_integration(service._import_operation)
    service._import_path_item = _with_any_method(service._import_path_item)
    service._OPENAPI_HTTP_METHODS = {*service._OPENAPI_HTTP_METHODS, "any"}
    service._vtl_util = _with_more_of_util(service._vtl_util)
    service._vtl_input = _with_quotes(service._vtl_input)


_ANY = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"
_MEMBERS = (
    "requestTemplates", "requestParameters", "passthroughBehavior", "timeoutInMillis", "contentHandling", "credentials",
    "cacheKeyParameters", "connectionType",
)  # fmt: skip


def _with_the_whole_integration(load: Callable[..., None]) -> Callable[..., None]:
    """Reads of a document's integration what MiniStack leaves: what it makes of the request, and of the answer.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html
    """

    def load_whole(api: str, resource: str, method: str, operation: Any, *args: Any) -> None:
        from ministack.services import apigateway_v1 as service

        load(api, resource, method, operation, *args)
        settings = (operation or {}).get(_INTEGRATION) or {}
        made = service._resources[api][resource]["resourceMethods"][method].get("methodIntegration")
        if made is None:
            return
        made.update({name: settings[name] for name in _MEMBERS if settings.get(name) is not None})
        for pattern, response in (settings.get("responses") or {}).items():
            selected = {} if pattern == "default" else {"selectionPattern": str(pattern)}
            status = str(response.get("statusCode", "200"))
            service._put_integration_response(api, resource, method, status, {**response, **selected})

    return load_whole


def _with_any_method(load: Callable[..., None]) -> Callable[..., None]:
    def load_with_any(api: str, path: str, item: Mapping[str, Any], *args: Any) -> None:
        load(api, path, {"any" if name == _ANY else name: operation for name, operation in item.items()}, *args)

    return load_with_any


class _Call:
    """One request to a method of an API."""

    def __init__(
        self,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, Any],
        path: Mapping[str, str] | None,
        options: Mapping[str, Any],
    ) -> None:
        self.headers = {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
        self.body = body.decode("utf-8", "replace") if body else ""
        asked = {name: value[0] if isinstance(value, list | tuple) else value for name, value in query.items()}
        # A name counts as the path's, then the query's, then a header's.
        self.parameters = {**headers, **asked, **(path or {})}
        authorizer = options.get("authorizer_context")
        self.context = {"authorizer": authorizer} if authorizer else {}

    def media_type(self, header: str) -> str:
        text = self.headers.get(header) or "application/json"
        return text.split(",", 1)[0].split(";", 1)[0].strip().lower()


async def _ask(handle: Handler, operation: str, integration: Mapping[str, Any], call: _Call) -> Answer:
    from ministack.services import apigateway_v1 as service

    templates = integration.get("requestTemplates") or {}
    named = {name.split(";", 1)[0].strip().lower(): template for name, template in templates.items()}
    template = named.get(call.media_type("content-type"))
    body = call.body
    if template is not None:
        body = service._render_request_template_v1(template, call.body, call.parameters, call.context)
    headers = {"X-Amz-Target": f"{_TARGET}.{operation}", "Content-Type": "application/x-amz-json-1.0"}
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            status, _, answered = await handle(Request("POST", "/", headers, body.encode(), {}))
    except TimeoutError:
        message = {"message": "Endpoint request timed out"}
        return 504, {"Content-Type": "application/json"}, json.dumps(message).encode()
    mapped: Answer = service._service_integration_response(
        integration,
        status,
        answered.decode("utf-8", "replace"),
        call.media_type("accept"),
        call.parameters,
        call.context,
    )
    return mapped


def _with_quotes(read: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Lets `$input.json(...)` answer JSON for a text as well, quotes included; MiniStack answers the text."""

    def read_with_quotes(steps: Any, state: Any) -> Any:
        from ministack.services import apigateway_v1 as service

        if len(steps) != 1 or steps[0][0] != "json" or steps[0][1] is None:
            return read(steps, state)
        arguments = service._vtl_split_args(steps[0][1])
        path = str(service._vtl_value(arguments[0], state)) if arguments else "$"
        return json.dumps(service._vtl_json_path(state["body"], path), separators=(",", ":"), ensure_ascii=False)

    return read_with_quotes


def _with_more_of_util(util: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Adds the functions of `$util` that MiniStack leaves out, of which SAM's own template uses one.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
    """

    def util_with_more(steps: Any, state: Any) -> Any:
        from ministack.services import apigateway_v1 as service

        name, source = steps[0] if steps else ("", None)
        if name not in _UTIL or source is None:
            return util(steps, state)
        arguments = service._vtl_split_args(source)
        text = service._vtl_str(service._vtl_value(arguments[0], state)) if arguments else ""
        value = _UTIL[name](text)
        return service._vtl_walk(value, steps[1:], state) if steps[1:] else value

    return util_with_more


def _escape(text: str) -> str:
    """Escapes as Java's StringEscapeUtils.escapeJavaScript does: quotes of both kinds, and all but printable ASCII."""
    return _ESCAPED.sub(lambda match: _escaped(match[0]), text)


def _escaped(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if character in "\"'\\/":
        return "\\" + character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[place]:02X}{units[place + 1]:02X}" for place in range(0, len(units), 2))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except binascii.Error:
        return ""


_UTIL: Mapping[str, Callable[[str], Any]] = {
    "escapeJavaScript": _escape,
    "parseJson": _parsed,
    "urlDecode": unquote_plus,
    "base64Encode": lambda text: base64.b64encode(text.encode()).decode(),
    "base64Decode": _decoded,
}
