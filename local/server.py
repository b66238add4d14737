"""The one port: our health page and the stack's HTTP API in front, every AWS service behind.

`/v1/...` cannot be a bucket (names have three letters at least), so the API answers at the endpoint itself.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from local.ministack import AsgiApp

Health = Callable[[], Mapping[str, object]]
"""What `GET /_headrace/health` answers; `status` is `ready` once the stack is deployed."""

# MiniStack's own switches (reset, reconfigure) ask for no credentials, and any web page can send a POST here.
_REFUSED = "/_ministack/"


def front(behind: AsgiApp, health: Health, api_id: Callable[[], str | None]) -> AsgiApp:
    """An ASGI application that answers for the local cloud itself and passes on all the rest."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await behind(scope, receive, send)
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


async def _pass_to_api(behind: AsgiApp, scope: dict[str, Any], receive: Any, send: Any, api: str | None) -> None:
    if api is None:
        await _answer(send, 503, {"message": "the stack is not deployed yet; see /_headrace/health"})
        return
    prefix = f"/_aws/execute-api/{api}/$default"
    raw_path = scope.get("raw_path") or scope["path"].encode()
    moved = {**scope, "path": prefix + scope["path"], "raw_path": prefix.encode() + raw_path}
    await behind(moved, receive, send)


async def _answer(send: Any, status: int, body: Mapping[str, object]) -> None:
    payload = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(payload)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": payload})
