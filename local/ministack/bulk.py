"""S3 requests of many bytes, off the event loop: reading, hashing and writing them keeps no other client waiting.

MiniStack's S3 is not made for threads, so one thread at most changes it: requests of few bytes are answered on the
loop, as everywhere, unless one of many bytes is under way; then those that write, or read what it writes, queue behind
it. What needs no S3 (joining what came, unpacking aws-chunked, the digests) is done before, in threads of its own.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from local.ministack import checksums, digests
from local.ministack.checksums import Answer

LARGE = 256 * 1024
"""Bytes; fewer take less time than the change of threads."""

Query = Mapping[str, list[str]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

Handle = Callable[..., Coroutine[Any, Any, Answer]]

T = TypeVar("T")


class Bulk:
    """The one thread for S3, and what waits for it. All is called on the event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "s3")
        self._busy: Counter[str] = Counter()
        """The paths of the objects and buckets that the thread is at, or will be."""
        self._handle: Handle = _unhandled

    def install(self) -> None:
        """Take the place of MiniStack's reader of requests, and of S3's handler."""
        from ministack import app as ministack_app
        from ministack.services import s3

        ministack_app._read_request_body = _reading(ministack_app._read_request_body)
        self._handle, s3.handle_request = s3.handle_request, self.handle_request

    async def handle_request(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query: Query, **options: Any
    ) -> Answer:
        """Answers as MiniStack's handler, here or in the thread."""
        request = method, path, headers, body, query
        if _of_object_lambda(path, headers):
            # Waits for a function, which asks S3 itself.
            return await self._handle(*request, **options)
        if not _is_large(method, path, headers, body, query):
            if not self._busy:
                return await self._handle(*request, **options)
            if method in ("GET", "HEAD") and not self._is_busy(path):
                return await self._read_beside(*request, **options)
            return await self._queue(*request, **options)
        if len(body) < LARGE:
            return await self._queue(*request, **options)
        with digests.knowing(await asyncio.to_thread(digests.work_out, body, headers)):
            return await self._queue(*request, **options)

    def _is_busy(self, path: str) -> bool:
        """Tells whether an object, or all of its bucket (a deletion of many), is being changed."""
        bucket = "/" + path.lstrip("/").partition("/")[0]
        return path in self._busy or bucket in self._busy

    async def _read_beside(self, *request: Any, **options: Any) -> Answer:
        """Reading one object while another is written harms neither; a listing may meet the moment of a new key."""
        try:
            return await self._handle(*request, **options)
        except RuntimeError:
            return await self._queue(*request, **options)

    async def _queue(self, *request: Any, **options: Any) -> Answer:
        context, place = copy_context(), _place(*request)
        self._busy[place] += 1
        run = asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: context.run(_finish, self._handle(*request, **options))
        )
        run.add_done_callback(lambda _: self._done(place))
        # A caller that goes away leaves the request in the thread, and whoever comes next must still queue behind it.
        return await asyncio.shield(run)

    def _done(self, place: str) -> None:
        self._busy[place] -= 1
        if not self._busy[place]:
            del self._busy[place]


async def _unhandled(*_: Any, **__: Any) -> Answer:
    raise RuntimeError("S3 is not installed")


def _place(method: str, path: str, headers: Mapping[str, str], _: bytes, query: Query) -> str:
    """Names what a request may change. The key of a form is not known yet.

    That does no harm: a new object is served from memory until its file is in place, and its bytes take longer to
    write than a reader that met the one before takes to open its file.
    """
    is_form = method == "POST" and "delete" not in query and headers.get("content-type", "").startswith("multipart/")
    return f"{path} by a form" if is_form else path


def _finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine that waits for nothing, and returns its result."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError(f"{coroutine} waits, which it must not outside the event loop")


def _of_object_lambda(path: str, headers: Mapping[str, str]) -> bool:
    from ministack.services import s3

    bucket, _ = s3._parse_bucket_key(path, headers)
    return bool(bucket.endswith(s3._OBJECT_LAMBDA_ALIAS_SUFFIX))


def _is_large(method: str, path: str, headers: dict[str, str], body: bytes, query: Query) -> bool:
    if method == "POST" and "delete" in query:
        # A thousand files at once.
        return True
    return len(body) >= LARGE or _read(method, path, headers, query) >= LARGE


def _read(method: str, path: str, headers: dict[str, str], query: Query) -> int:
    """Returns how many bytes of objects and parts a request reads, at most."""
    from ministack.services import s3

    bucket, key = s3._parse_bucket_key(path, headers)
    if method == "PUT" and "x-amz-copy-source" in headers:
        return int((checksums.copied(headers) or {}).get("size", 0))
    if method == "POST" and "uploadId" in query:
        upload = s3._multipart_uploads.get(query["uploadId"][0]) or {"parts": {}}
        return sum(part["size"] for part in upload["parts"].values())
    objects = s3._buckets.get(bucket, {}).get("objects", {}) if key else {}
    if method in ("PUT", "DELETE", "GET"):
        versions = s3._object_versions.get((bucket, key)) or []
        sizes = [entry.get("size") or 0 for entry in versions if entry["version_id"] in query.get("versionId", ())]
        return max([*sizes, objects.get(key, {}).get("size") or 0])
    return 0


# The body of a request.


def _reading(read: Callable[..., Awaitable[bytes]]) -> Callable[..., Awaitable[bytes]]:
    """MiniStack's reader, joining and unpacking in a thread what is large."""

    async def read_off_the_loop(receive: Receive, method: str, headers: dict[str, str]) -> bytes:
        length = headers.get("content-length", "")
        if "transfer-encoding" not in headers and (not length.isdecimal() or int(length) < LARGE):
            return await read(receive, method, headers)
        messages = [await receive()]
        while messages[-1].get("type") == "http.request" and messages[-1].get("more_body"):
            messages.append(await receive())
        if messages[-1].get("type") == "http.request":
            parts = [message.get("body", b"") for message in messages]
            # Lets go of the interpreter's lock, as long as all are plain bytes.
            body = await asyncio.to_thread(b"".join, parts)
            messages = [{"type": "http.request", "body": body, "more_body": False}]
        return await asyncio.to_thread(_finish, _read_again(read, iter(messages), method, headers))

    return read_off_the_loop


async def _read_again(read: Callable[..., Awaitable[bytes]], messages: Any, method: str, headers: Any) -> bytes:
    async def receive() -> dict[str, Any]:
        message: dict[str, Any] = next(messages)
        return message

    return await read(receive, method, headers)
