"""The one port: its walls, our health page, the stack's HTTP API and our own services, every other service behind."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from local.front import credentials, forms, origins, refusals
from local.front.answers import (
    Refusal,
    counted,
    is_too_long,
    refuse,
    sandboxed,
    send_bytes,
    send_json,
    stream,
    without_wildcards,
)
from local.front.asgi import Headers, Receive, Scope, Send, raw, words
from local.front.doors import Door, door_of
from local.front.hosts import Hosts
from local.ministack import AsgiApp, addresses, cors
from local.surroundings import Handler, Request, Streaming

Health = Callable[[], Mapping[str, object]]
"""What `GET /_headrace/health` answers; `status` is `ready` once the stack is deployed."""

_TARGET = b"x-amz-target"
_INVOCATION = re.compile(r"/endpoints/[^/]+/(invocations|async-invocations|invocations-response-stream)/?")
_SIGNED_FOR = b"/sagemaker/aws4_request"

_MAX_INVOCATION = 26 * 1024 * 1024
"""Bytes; a little more than an endpoint takes, so that the service itself says that it is too much."""
_MAX_REQUEST = 8 * 1024 * 1024
"""Bytes; no request to one of our services is larger."""
_MAX_API = 10 * 1024 * 1024
"""Bytes: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html."""
_MAX_OBJECT = 5 * 1024 * 1024 * 1024
"""Bytes that S3 takes in one request; no other service takes as many."""


@dataclass(frozen=True, slots=True)
class Behind:
    """Who answers what the walls let through.

    `services` are ours: the first part of their X-Amz-Target (`AWSStepFunctions`), and who answers. Their requests
    need not be routed, which takes longer than most of the answers. `invocations` answers those of endpoints.
    """

    app: AsgiApp
    health: Health
    api_id: Callable[[], str | None]
    services: Mapping[bytes, Handler]
    invocations: Streaming | None = None


def front(behind: Behind, allow_hosts: Sequence[str] = ()) -> AsgiApp:
    """Returns an ASGI application that answers for the local cloud itself and passes on all the rest.

    Raises LocalCloudError where one of `allow_hosts` is no name.
    """
    hosts = Hosts(allow_hosts)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await behind.app(scope, receive, send)
            return
        # The last of headers of one name counts, as it does to nobody who is not the caller himself.
        headers: Headers = dict(scope["headers"])
        host = headers.get(b"host", b"")
        named = hosts.named(host)
        if named is None:
            await refuse(scope, headers, receive, send, refusals.unknown_host(headers))
            return
        visit = _Visit(behind, scope, headers, receive, send)
        door, foreign = door_of(named, host, scope["path"]), origins.is_foreign(headers)
        if door is Door.API and not foreign and credentials.are_for_another_service(headers):
            # Pipes, Batch, AppSync and others have paths below /v1, too; their callers say whom they mean.
            door = Door.AWS
        await visit.enter(door, foreign=foreign)

    return app


@dataclass(slots=True)
class _Visit:
    """One request, from its door to who answers it."""

    behind: Behind
    scope: Scope
    headers: Headers
    receive: Receive
    send: Send

    async def enter(self, door: Door, *, foreign: bool) -> None:
        match door:
            case Door.AWS:
                await self._enter_aws(foreign=foreign)
            case Door.API | Door.APPLICATION:
                await self._enter_application(door, foreign=foreign)
            case _ if foreign:
                await self._refuse(refusals.foreign(self.headers, door))
            case Door.HEALTH if self.scope["type"] == "http":
                page = self.behind.health()
                await send_json(self.send, 200 if page["status"] == "ready" else 503, page)
            case _:
                await self._refuse(refusals.CLOSED)

    async def _refuse(self, refusal: Refusal) -> None:
        await refuse(self.scope, self.headers, self.receive, self.send, refusal)

    # The stack's HTTP API, and applications of anybody's stack.

    async def _enter_application(self, door: Door, *, foreign: bool) -> None:
        """Lets them ask for credentials, and answer preflights, by their own configuration."""
        if door is Door.API:
            api = self.behind.api_id()
            if api is None:
                await self._refuse(refusals.NOT_DEPLOYED)
                return
            self.scope = _to_api(self.scope, api)
        if is_too_long(self.headers, _MAX_API):
            await self._refuse(refusals.too_long(_MAX_API))
        elif foreign and not await self._application_allows():
            await self._refuse(refusals.foreign(self.headers, door))
        elif self._lacks_signature():
            await self._refuse(refusals.no_credentials(self.scope))
        else:
            await self._pass_on(self.send, _MAX_API)

    def _lacks_signature(self) -> bool:
        """Tells what an API with AWS_IAM refuses; MiniStack leaves that out."""
        method = self.scope.get("method", "GET")
        if method == "OPTIONS" or credentials.AUTHORIZATION in self.headers or credentials.is_presigned(self.scope):
            return False
        host = self.headers[b"host"].decode("latin-1")
        return addresses.needs_signature(host, method, self.scope["path"])

    async def _application_allows(self) -> bool:
        if self.scope.get("method") == "OPTIONS":
            return True
        return await origins.application_allows(self.behind.app, self.scope, self.headers)

    async def _pass_on(self, send: Send, most: int) -> None:
        if credentials.AUTHORIZATION not in self.headers and self.scope["type"] == "http":
            send = sandboxed(send)
        await self.behind.app(self.scope, counted(self.headers, self.receive, most), send)

    # The API of AWS.

    async def _enter_aws(self, *, foreign: bool) -> None:
        if self.scope.get("method") == "OPTIONS":
            await self._answer_preflight()
            return
        if foreign:
            presigned = credentials.is_presigned(self.scope)
            if not origins.may_reach_s3(self.scope, self.headers, presigned=presigned):
                await self._refuse(refusals.foreign(self.headers, Door.AWS))
                return
        if credentials.AUTHORIZATION not in self.headers and not await self._has_credentials():
            return
        if foreign:
            # Judged as a request for S3, it must not reach one of ours by what it names in a header.
            await self._pass_to_aws()
        else:
            await self._serve_aws()

    async def _has_credentials(self) -> bool:
        if credentials.are_there(self.scope, self.headers):
            return True
        if not forms.is_upload(self.scope, self.headers):
            await self._refuse(refusals.no_credentials(self.scope))
            return False
        signed = await forms.signed(self.receive)
        if signed is None:
            await self._refuse(refusals.UNSIGNED_FORM)
            return False
        self.receive = signed
        return True

    async def _answer_preflight(self) -> None:
        target = origins.bucket_of({**self.scope, "query_string": b""}, self.headers)
        if target is None:
            await self._refuse(refusals.NO_PREFLIGHT)
            return
        status, headers, body = cors.s3_preflight(*target, words(self.headers))
        headers.pop("Content-Length", None)
        await send_bytes(self.send, status, raw(headers), body)

    async def _serve_aws(self) -> None:
        service = self.behind.services.get(self.headers.get(_TARGET, b"").partition(b".")[0])
        if self.scope["type"] != "http":
            await self._pass_to_aws()
        elif service is not None:
            await self._serve(service, _MAX_REQUEST)
        elif self.behind.invocations is not None and self._is_invocation():
            await self._serve(self.behind.invocations, _MAX_INVOCATION)
        else:
            await self._pass_to_aws()

    def _is_invocation(self) -> bool:
        """Tells invocations from objects: nobody signs for SageMaker what is meant for a bucket called `endpoints`."""
        if self.scope["method"] != "POST" or _INVOCATION.fullmatch(self.scope["path"]) is None:
            return False
        return _SIGNED_FOR in self.headers.get(credentials.AUTHORIZATION, b"")

    async def _pass_to_aws(self) -> None:
        if is_too_long(self.headers, _MAX_OBJECT):
            await self._refuse(refusals.too_long(_MAX_OBJECT))
            return
        added = []
        if origins.ORIGIN in self.headers and (target := origins.bucket_of(self.scope, self.headers)) is not None:
            added = origins.s3_headers(target, self.scope.get("method", "GET"), self.headers)
        await self._pass_on(without_wildcards(self.send, added), _MAX_OBJECT)

    async def _serve(self, service: Streaming, most: int) -> None:
        if is_too_long(self.headers, most):
            await self._refuse(refusals.too_long(most))
            return
        content = await self._body(most)
        if content is None:
            return
        named = {name.decode("latin-1"): _text(value) for name, value in self.headers.items()}
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        request = Request(self.scope["method"], self.scope["path"], named, content, query)
        status, headers, body = await service(request)
        if isinstance(body, bytes):
            await send_bytes(self.send, status, raw(headers), body)
        else:
            await stream(self.receive, self.send, status, raw(headers), body)

    async def _body(self, most: int) -> bytes | None:
        """Returns a request's body; None where there is nobody left to answer."""
        parts, size = [], 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                await self._refuse(refusals.too_long(most))
                return None
            if not message.get("more_body"):
                return b"".join(parts)


def _to_api(scope: Scope, api: str) -> Scope:
    prefix = f"/_aws/execute-api/{api}/$default"
    raw_path = scope.get("raw_path") or scope["path"].encode()
    return {**scope, "path": prefix + scope["path"], "raw_path": prefix.encode() + raw_path}


def _text(value: bytes) -> str:
    """boto3 puts the letters of an S3 key into a header as UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
