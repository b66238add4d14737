"""Which part of the port a request is for, by its name and path alone.

What is judged here has to be served as it was judged: a page that may call `/v1` must not reach Step Functions there
with a header that names it.
"""

from enum import Enum

from local.front.hosts import Named
from local.ministack import addresses

HEALTH_PATH = "/_headrace/health"

# MiniStack's own switches (reset, reconfigure).
_CLOSED = "/_ministack/"
_OF_APPLICATIONS = ("/_aws/", "/restapis/")


class Door(Enum):
    """Each has rules of its own for who may come in."""

    AWS = "the API of an AWS service, or an object"
    API = "the stack's HTTP API, at /v1"
    APPLICATION = "an API or a function URL of somebody's stack, at MiniStack's address for it"
    HEALTH = "our health page"
    CLOSED = "nothing that is served"


def door_of(named: Named, host: bytes, path: str) -> Door:
    """Returns where a request goes. `/v1/...` cannot be a bucket: their names have three letters at least."""
    if path == "/" and named is Named.PORT:
        return Door.AWS
    if path.startswith(_CLOSED):
        return Door.CLOSED
    if named is not Named.PORT or path.startswith(_OF_APPLICATIONS):
        if addresses.is_application(host.decode("latin-1"), path, custom_domains=named is Named.ALLOWED):
            return Door.APPLICATION
        if named is Named.SERVICE:
            return Door.AWS
    if path == HEALTH_PATH:
        return Door.HEALTH
    return Door.API if path == "/v1" or path.startswith("/v1/") else Door.AWS
