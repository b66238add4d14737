"""The one port: our health page, the stack's HTTP API and our own services in front, every other service behind.

`/v1/...` cannot be a bucket (names have three letters at least), so the API answers at the endpoint itself.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from local.ministack import AsgiApp, Handler

Health = Callable[[], Mapping[str, object]]
"""What `GET /_headrace/health` answers; `status` is `ready` once the stack is deployed."""

Streaming = Callable[
    [str, str, Mapping[str, str], bytes, Mapping[str, list[str]]],
    Awaitable[tuple[int, dict[str, str], bytes | AsyncIterator[bytes]]],
]
"""A service whose answer may come in parts."""

_TARGET = b"x-amz-target"
_INVOCATION = re.compile(r"/endpoints/[^/]+/(invocations|async-invocations|invocations-response-stream)/?")
_SIGNED_FOR = b"/sagemaker/aws4_request"
_MAX_INVOCATION = 26 * 1024 * 1024
"""Bytes; a little more than an endpoint takes, so that the service itself says that it is too much."""
_MAX_REQUEST = 8 * 1024 * 1024
"""Bytes; no request to one of our services is larger."""

# MiniStack's own switches (reset, reconfigure) ask for no credentials, and any web page can send a POST here.
_REFUSED = "/_ministack/"


def front(
    behind: AsgiApp,
    health: Health,
    api_id: Callable[[], str | None],
    services: Mapping[bytes, Handler],
    invocations: Streaming | None = None,
) -> AsgiApp:
    """Returns an ASGI application that answers for the local cloud itself and passes on all the rest.

    `services` are ours: the first part of their X-Amz-Target (`AWSStepFunctions`), and who answers. Their requests
    need not be routed, which takes longer than most of the answers. `invocations` answers those of endpoints.
    """

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await behind(scope, receive, send)
            return
        service = services.get(_target(scope))
        if service is not None:
            await _serve(service, scope, receive, send, _MAX_REQUEST)
            return
        if invocations is not None and _is_invocation(scope):
            await _serve(invocations, scope, receive, send, _MAX_INVOCATION)
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


def _is_invocation(scope: dict[str, Any]) -> bool:
    """Tells an invocation: a bucket may be called `endpoints`, but nobody signs for SageMaker what is meant for S3."""
    if scope["method"] != "POST" or _INVOCATION.fullmatch(scope["path"]) is None:
        return False
    return any(name == b"authorization" and _SIGNED_FOR in value for name, value in scope["headers"])


async def _serve(service: Streaming, scope: dict[str, Any], receive: Any, send: Any, most: int) -> None:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            await _answer(send, 413, {"message": f"expected a request of at most {most} bytes"})
            return
        if not message.get("more_body"):
            break
    asked = {name.decode("latin-1"): _text(value) for name, value in scope["headers"]}
    query = parse_qs(scope["query_string"].decode("latin-1"))
    status, headers, body = await service(scope["method"], scope["path"], asked, b"".join(parts), query)
    if isinstance(body, bytes):
        await _send(send, status, headers, body)
    else:
        await _stream(receive, send, status, headers, body)


def _text(value: bytes) -> str:
    """boto3 puts the letters of an S3 key into a header as UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _stream(receive: Any, send: Any, status: int, headers: Mapping[str, str], body: AsyncIterator[bytes]) -> None:
    """Part by part; ended when the caller goes away."""
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})

    async def parts() -> None:
        async for part in body:
            await send({"type": "http.response.body", "body": part, "more_body": True})

    sending = asyncio.ensure_future(parts())
    leaving = asyncio.ensure_future(receive())
    try:
        await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        sending.cancel()
        await asyncio.wait([sending])
        if not sending.cancelled():
            # Sending fails when the caller is gone, which is no news here.
            sending.exception()
        close = getattr(body, "aclose", None)
        if close is not None:
            await close()
    await send({"type": "http.response.body", "body": b""})


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
