"""The port without a socket: requests put straight to its ASGI application."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.front.app import Behind, front
from local.ministack import AsgiApp

HOST = "127.0.0.1:4566"
ORIGIN = "http://127.0.0.1:4566"
ELSEWHERE = "https://elsewhere.example"
SIGNED = "AWS4-HMAC-SHA256 Credential=made-up/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
NOW = datetime.now(UTC)
PRESIGNED = (
    f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=made-up%2F{NOW:%Y%m%d}%2Fus-east-1%2Fs3%2Faws4_request"
    f"&X-Amz-Date={NOW:%Y%m%dT%H%M%SZ}&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=0"
)
"""The query of a URL that is presigned with a made-up key."""


def presigned(method: str, url: str) -> str:
    """A URL of the port presigned with `test` and `test`: MiniStack checks the signatures of S3's."""
    request = AWSRequest(method, f"http://{HOST}{url}")
    S3SigV4QueryAuth(Credentials("test", "test"), "s3", "us-east-1", expires=3600).add_auth(request)
    return str(request.url).removeprefix(f"http://{HOST}")


def signed_for(service: str) -> dict[str, str]:
    """The headers of a request that is signed with a made-up key."""
    return {"Authorization": SIGNED.format(service)}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    read: bool
    """Whether anything of the request's body was asked for."""

    @property
    def cors(self) -> Mapping[str, str]:
        return {name: value for name, value in self.headers.items() if name.startswith("access-control-")}


@dataclass(slots=True)
class Recorder:
    """Stands for MiniStack: remembers the paths that came to it, and answers as it does, open to every page."""

    passed: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, _: Any, send: Any) -> None:
        self.passed.append(scope["path"])
        headers = [(b"Access-Control-Allow-Origin", b"*"), (b"Access-Control-Expose-Headers", b"*")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


class Port:
    """Our front before something; `served` are the services of ours that answered."""

    def __init__(self, behind: AsgiApp, *allow_hosts: str, api: str | None = "abcd1234") -> None:
        self.served: list[str] = []
        services = {b"AWSStepFunctions": self._service("states"), b"SageMaker": self._service("sagemaker")}
        health = {"status": "ready"}
        self._app = front(
            Behind(behind, lambda: health, lambda: api, services, self._service("invocations")), allow_hosts
        )

    def _service(self, name: str) -> Any:
        async def handle(*_: Any) -> tuple[int, dict[str, str], bytes]:
            self.served.append(name)
            return 200, {}, b"{}"

        return handle

    def ask(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """One request; `Host` is the port's own where the headers name no other."""
        path, _, query = url.partition("?")
        sent = {"Host": HOST, **(headers or {})}
        if body and "Transfer-Encoding" not in sent:
            sent.setdefault("Content-Length", str(len(body)))
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        }
        return asyncio.run(self._ask(scope, body))

    async def _ask(self, scope: Any, body: bytes) -> Answer:
        messages: list[Any] = []
        read = False

        async def receive() -> Any:
            nonlocal read
            read = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            messages.append(message)

        await self._app(scope, receive, send)
        start = messages[0]
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], headers, b"".join(m.get("body", b"") for m in messages[1:]), read)

    def connect(self, url: str, headers: Mapping[str, str]) -> list[Any]:
        """What the port says to a WebSocket that wants to be opened."""
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        raw = [(name.lower().encode(), value.encode()) for name, value in {"Host": HOST, **headers}.items()]
        scope = {"type": "websocket", "path": url, "query_string": b"", "headers": raw}

        async def run() -> None:
            await self._app(scope, receive, send)

        asyncio.run(run())
        return sent
