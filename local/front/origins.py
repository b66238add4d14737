"""Pages of other origins, and what a rule lets them do: CORS as AWS has it, and nothing else.

Any made-up key passes here, so a page could sign whatever it likes; what keeps it out is that a browser says where a
request comes from. https://fetch.spec.whatwg.org/#origin-header, https://www.w3.org/TR/fetch-metadata/
"""

from typing import NamedTuple

from local.front.asgi import Headers, Message, RawHeaders, Scope, raw, words
from local.ministack import AsgiApp, addresses, cors

ORIGIN = b"origin"
SITE = b"sec-fetch-site"
ASKED_METHOD = b"access-control-request-method"

_OWN_SITES = (b"same-origin", b"none")
_NO_ORIGIN = b"null"
_READS = ("GET", "HEAD")
_COPY = b"x-amz-copy-source"
_URLENCODED = b"urlencoded"
FORM = b"multipart/form-data"
"""The kind of form that uploads files."""


class Target(NamedTuple):
    """What of S3 a request is for; the key is empty for the bucket itself."""

    bucket: str
    key: str


def is_foreign(headers: Headers) -> bool:
    """Tells whether a browser sends this for a page of another origin; `null` is one.

    `Sec-Fetch-Site: same-site` is foreign, too: another port of this machine is another server.
    """
    site = headers.get(SITE)
    if site is not None and site not in _OWN_SITES:
        return True
    origin = headers.get(ORIGIN)
    return origin is not None and origin.partition(b"://")[2] != headers[b"host"].lower()


def bucket_of(scope: Scope, headers: Headers) -> Target | None:
    """Returns the bucket that a request is for, where there is such a bucket and S3 is who answers."""
    named = words(headers)
    target = addresses.s3_target(named, scope["path"])
    if target is None or not addresses.is_for_s3(
        scope.get("method", "GET"), scope["path"], named, scope["query_string"]
    ):
        return None
    return Target(*target)


def may_reach_s3(scope: Scope, headers: Headers, *, presigned: bool) -> bool:
    """Tells whether a foreign page's request for S3 is one that its browser may send and AWS would take.

    PUT and DELETE come after a preflight, which the bucket's rules answered. A POST may come without one, hence the
    rules are asked here. Nobody can tell a presigned URL that a page made up: what a GET does, it cannot read, and
    what writes is let to objects alone.
    """
    target = bucket_of(scope, headers)
    if target is None:
        return False
    method = scope.get("method", "GET")
    if method not in _READS and not _writes_an_object(scope, headers, target):
        return False
    if presigned and method != "POST":
        return True
    return bool(s3_headers(target, method, headers))


def _writes_an_object(scope: Scope, headers: Headers, target: Target) -> bool:
    """Tells a write of the page's own bytes from a copy of others', and from a change of the bucket itself.

    The fields of an HTML form of the plain kind would be read as a call of another service.
    """
    content_type = headers.get(b"content-type", b"").lower()
    if _COPY in headers or _URLENCODED in content_type:
        return False
    is_form = scope.get("method") == "POST" and content_type.startswith(FORM) and not scope["query_string"]
    return bool(target.key) or is_form


def s3_headers(target: Target, method: str, headers: Headers) -> RawHeaders:
    """Returns what the bucket's CORS rules add to an answer; nothing where none allows the origin and the method."""
    origin = headers.get(ORIGIN)
    if origin is None:
        return []
    return raw(cors.s3_headers(target.bucket, method, origin.decode("latin-1")))


async def application_allows(behind: AsgiApp, scope: Scope, headers: Headers) -> bool:
    """Asks an API or a function URL itself, by a preflight, whether it takes requests of this page.

    A page that shows a picture of it, or leads to it, sends no Origin: then it has to take those of any.
    """
    origin = headers.get(ORIGIN, _NO_ORIGIN)
    method = scope.get("method", "GET").encode()
    asked = [(b"host", headers[b"host"]), (ORIGIN, origin), (ASKED_METHOD, method)]
    preflight = {**scope, "type": "http", "method": "OPTIONS", "query_string": b"", "headers": asked}
    allowed: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        answered: RawHeaders = message.get("headers", [])
        allowed.extend(value for name, value in answered if name.lower() == b"access-control-allow-origin")

    await behind(preflight, receive, send)
    return b"*" in allowed or origin in allowed
