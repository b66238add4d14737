"""`apigateway:invoke`: an HTTP call of an API, which the local endpoint serves under `/_aws/execute-api`.

Source: the Developer Guide, "Create API Gateway REST APIs with Step Functions".
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from local.documents import Json
from local.stepfunctions.asl.documents import encode
from local.stepfunctions.integrations import web
from local.stepfunctions.integrations.call import Call
from local.stepfunctions.integrations.task import TaskError

_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_FIELDS = frozenset(
    {"ApiEndpoint", "Method", "Headers", "Stage", "Path", "QueryParameters", "RequestBody", "AllowNullValues",
     "AuthType"}
)  # fmt: skip
_API = re.compile(r"(?:https?://)?([0-9a-z]+)\.execute-api\.[\w.-]+(?::\d+)?")
_KEPT_BACK = re.compile(
    r"(?i)x-forwarded.*|x-amz.*|authorization|connection|content-md5|expect|host|max-forwards|proxy-authenticate"
    r"|server|te|transfer-encoding|trailer|upgrade|via|www-authenticate"
)
"""Headers that a task may not set."""


def invoke(call: Call) -> str:
    fields = call.fields
    problems = _problems(fields)
    if problems:
        raise call.refused(problems)
    method, api = fields["Method"], _API.fullmatch(fields["ApiEndpoint"])
    assert api is not None
    parts = (str(fields.get("Stage") or "$default"), str(fields.get("Path") or "").strip("/"))
    path = "/".join(quote(part, safe="/$-._~") for part in parts)
    request = web.Request(
        method=method,
        url=f"{call.client('sts').meta.endpoint_url}/_aws/execute-api/{api[1]}/{path}",
        headers=web.pairs(fields.get("Headers")),
        query=web.pairs(fields.get("QueryParameters")),
        body=_body(fields) if method in _WITH_BODY else None,
    )
    response = web.send(request, "ApiGateway")
    if not 200 <= response.status < 300:
        raise TaskError(f"ApiGateway.{response.status}", encode(response.body))
    return encode(response.told())


def _problems(fields: Mapping[str, Json]) -> list[str]:
    problems = [f'The field "{name}" is not supported by Step Functions' for name in fields if name not in _FIELDS]
    for name in ("ApiEndpoint", "Method"):
        if not isinstance(fields.get(name), str):
            problems.append(f"The value for the field '{name}' must be a STRING")
    if problems:
        return problems
    if _API.fullmatch(fields["ApiEndpoint"]) is None:
        problems.append("The value of the field 'ApiEndpoint' has an invalid format")
    if fields["Method"] not in _METHODS:
        problems.append("The value of the field 'Method' has an invalid format")
    for name in ("Headers", "QueryParameters"):
        if not isinstance(fields.get(name) or {}, dict):
            problems.append(f"The value of the field '{name}' has an invalid format")
        elif name == "Headers":
            problems += [
                f"The header '{header}' is not allowed"
                for header in fields.get("Headers") or {}
                if _KEPT_BACK.fullmatch(header)
            ]
    return problems


def _body(fields: Mapping[str, Json]) -> bytes | None:
    body = fields.get("RequestBody")
    if body is None:
        return None
    if isinstance(body, str):
        return body.encode()
    return encode(body if fields.get("AllowNullValues") else _without_nulls(body)).encode()


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
