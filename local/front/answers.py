"""What the port itself answers, and what it takes from and adds to what others answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from local.documents import Json
from local.front.asgi import Headers, Message, RawHeaders, Receive, Scope, Send, raw

_KEPT_OPEN = 64 * 1024
"""Bytes of a refused request's body that are read over, so that its connection can be used again."""

_POLICY_VIOLATION = 1008
"""Close code of a WebSocket, which becomes a 403 before it is accepted."""

SANDBOX: RawHeaders = [
    (b"content-security-policy", b"sandbox allow-downloads allow-forms allow-modals allow-popups allow-scripts")
]
"""A page that lies in a bucket is of no origin, whatever runs in it: else it would be of the port's own."""
_UNTOUCHED = b"application/pdf"
"""Runs apart in every browser, and a sandbox would not show it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served, and what to do about it; `code` is AWS's word for it."""

    code: str
    message: str
    status: int = 403
    headers: Mapping[str, str] | None = None


async def refuse(scope: Scope, headers: Headers, receive: Receive, send: Send, refusal: Refusal) -> None:
    """Answers without reading the body. A long one ends the connection, and nobody has to take it.

    So does one that waits to be asked for: nobody can tell whether it still comes, or another request in its place.
    """
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": refusal.message[:120]})
        return
    extra = dict(refusal.headers or {})
    if _length(headers) > _KEPT_OPEN or b"transfer-encoding" in headers or b"expect" in headers:
        extra["Connection"] = "close"
    await send_json(send, refusal.status, {"__type": refusal.code, "message": refusal.message}, extra)


def is_too_long(headers: Headers, most: int) -> bool:
    """Tells by its Content-Length whether a body is longer than `most` bytes; one without a length is counted later."""
    return _length(headers) > most


def _length(headers: Headers) -> int:
    length = headers.get(b"content-length")
    return int(length) if length is not None and length.isdigit() else 0


def counted(headers: Headers, receive: Receive, most: int) -> Receive:
    """Returns what reads a body that comes without a length; to its reader one that is too long is cut off."""
    if b"transfer-encoding" not in headers:
        return receive
    size = 0

    async def count() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        return {"type": "http.disconnect"} if size > most else message

    return count


def without_wildcards(send: Send, added: RawHeaders) -> Send:
    """Returns what sends an answer without MiniStack's `Access-Control-Allow-Origin: *` and its like."""

    async def send_without(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered: RawHeaders = message["headers"]
            kept = [pair for pair in answered if not pair[0].lower().startswith(b"access-control-")]
            message = {**message, "headers": kept + added}
        await send(message)

    return send_without


def sandboxed(send: Send) -> Send:
    """Returns what sends an answer that a browser may show."""

    async def send_sandboxed(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered: RawHeaders = message["headers"]
            if not any(name.lower() == b"content-type" and value.startswith(_UNTOUCHED) for name, value in answered):
                message = {**message, "headers": answered + SANDBOX}
        await send(message)

    return send_sandboxed


async def stream(receive: Receive, send: Send, status: int, headers: RawHeaders, body: AsyncIterator[bytes]) -> None:
    """Sends part by part; ended when the caller goes away."""
    await send({"type": "http.response.start", "status": status, "headers": headers})

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


async def send_json(send: Send, status: int, document: Json, headers: Mapping[str, str] | None = None) -> None:
    body = json.dumps(document).encode()
    await send_bytes(send, status, raw({"Content-Type": "application/json", **(headers or {})}), body)


async def send_bytes(send: Send, status: int, headers: RawHeaders, body: bytes) -> None:
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
