"""The sentences in which the port says no; docs/security.md explains each."""

from local.front.answers import Refusal
from local.front.asgi import Headers, Scope
from local.front.doors import Door

_SEE = "docs/security.md tells why"

CLOSED = Refusal("AccessDeniedException", "MiniStack's own switches are not served by headrace")
NOT_DEPLOYED = Refusal("ServiceUnavailable", "the stack is not deployed yet; see /_headrace/health", 503)
NO_PREFLIGHT = Refusal(
    "AccessForbidden",
    "no CORS rule lets a page of another origin call this: only /v1 (by the stack's CorsOrigins), the APIs and "
    f"function URLs of a stack (by their CORS configuration) and buckets (by PutBucketCors) have such rules; {_SEE}",
)
UNSIGNED_FORM = Refusal(
    "AccessDenied",
    "a form upload needs the fields of a presigned POST (policy and signature) before its file: "
    "make them with generate_presigned_post",
)
_NO_CREDENTIALS = (
    "this needs credentials: sign the request with any made-up key, such as AWS_ACCESS_KEY_ID=test and "
    f"AWS_SECRET_ACCESS_KEY=test, or presign its URL; {_SEE}"
)
# Docker asks once without, and signs in where it is told to: https://distribution.github.io/distribution/spec/auth/
_REGISTRY = ("/v2", "/v2/")
_SIGN_IN = {"WWW-Authenticate": 'Basic realm="headrace"'}


def unknown_host(headers: Headers) -> Refusal:
    host = headers.get(b"host", b"").decode("latin-1")[:255]
    return Refusal(
        "AccessDeniedException",
        f"the Host {host!r} is not this port's: use 127.0.0.1, localhost, [::1] or a name under localhost, "
        f"or start with `headrace up --allow-host NAME`; {_SEE}",
    )


def foreign(headers: Headers, door: Door) -> Refusal:
    """Returns the refusal of what a page of another origin asks without a rule that lets it."""
    page = headers.get(b"origin", b"another site").decode("latin-1")[:255]
    rule = {
        Door.API: "the stack's CorsOrigins",
        Door.APPLICATION: "the CORS configuration of that API or function URL",
    }.get(door, "a presigned S3 URL or a CORS rule of the bucket")
    return Refusal("AccessForbidden", f"a page of {page} may not do this; what would let it is {rule}; {_SEE}")


def no_credentials(scope: Scope) -> Refusal:
    if scope["path"] in _REGISTRY:
        return Refusal("UNAUTHORIZED", _NO_CREDENTIALS, 401, _SIGN_IN)
    return Refusal("MissingAuthenticationTokenException", _NO_CREDENTIALS)


def too_long(most: int) -> Refusal:
    return Refusal("RequestEntityTooLargeException", f"expected a request of at most {most} bytes", 413)
