"""The one port: our health page, the stack's HTTP API and our own services in front, every other service behind.

`/v1/...` cannot be a bucket (names have three letters at least), so the API answers at the endpoint itself.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from local.ministack import AsgiApp, Handler

Health = Callable[[], Mapping[str, object]]
"""What `GET /_headrace/health` answers; `status` is `ready` once the stack is deployed."""

_TARGET = b"x-amz-target"
_MAX_REQUEST = 8 * 1024 * 1024
"""Bytes; no request to one of our services is larger."""

# MiniStack's own switches (reset, reconfigure) ask for no credentials, and any web page can send a POST here.
_REFUSED = "/_ministack/"


def front(
    behind: AsgiApp, health: Health, api_id: Callable[[], str | None], services: Mapping[bytes, Handler]
) -> AsgiApp:
    """An ASGI application that answers for the local cloud itself and passes on all the rest.

    `services` are ours: the first part of their X-Amz-Target (`AWSStepFunctions`), and who answers. Their requests
    need not be routed, which takes longer than most of the answers.
    """

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await behind(scope, receive, send)
            return
        service = services.get(_target(scope))
        if service is not None:
            await _serve(service, scope, receive, send)
            return
        path = scope["path"]
        if path == "/_headrace/health":
            body = health()
            await _answer(send, 200 if body["status"] == "ready" else 503, body)
        elif path.startswith(_REFUSED):
            await _answer(send, 403, {"message": f"{path} is not served by headrace"})
        elif path == "/v1" or path.startswith("/v1/"):
            await _pass_to_api(behind, scope, receive, send, api_id())
        else:
            await behind(scope, receive, send)

    return app


def _target(scope: dict[str, Any]) -> bytes:
    for name, value in scope["headers"]:
        if name == _TARGET:
            target: bytes = value.partition(b".")[0]
            return target
    return b""


async def _serve(service: Handler, scope: dict[str, Any], receive: Any, send: Any) -> None:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _MAX_REQUEST:
            await _answer(send, 413, {"message": f"expected a request of at most {_MAX_REQUEST} bytes"})
            return
        if not message.get("more_body"):
            break
    asked = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = parse_qs(scope["query_string"].decode("latin-1"))
    status, headers, body = await service(scope["method"], scope["path"], asked, b"".join(parts), query)
    await _send(send, status, headers, body)


async def _pass_to_api(behind: AsgiApp, scope: dict[str, Any], receive: Any, send: Any, api: str | None) -> None:
    if api is None:
        await _answer(send, 503, {"message": "the stack is not deployed yet; see /_headrace/health"})
        return
    prefix = f"/_aws/execute-api/{api}/$default"
    raw_path = scope.get("raw_path") or scope["path"].encode()
    moved = {**scope, "path": prefix + scope["path"], "raw_path": prefix.encode() + raw_path}
    await behind(moved, receive, send)


async def _answer(send: Any, status: int, body: Mapping[str, object]) -> None:
    await _send(send, status, {"Content-Type": "application/json"}, json.dumps(body).encode())


async def _send(send: Any, status: int, headers: Mapping[str, str], body: bytes) -> None:
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
