"""The words of ASGI, as uvicorn and MiniStack speak it: https://asgi.readthedocs.io/en/latest/specs/www.html."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from local.documents import Json

Scope: TypeAlias = dict[str, Json]
Message: TypeAlias = dict[str, Json]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = Mapping[bytes, bytes]
"""The headers of a request by their names, which a server of ASGI makes lowercase."""
RawHeaders: TypeAlias = list[tuple[bytes, bytes]]


def words(headers: Headers) -> dict[str, str]:
    """Returns a request's headers as text."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}


def raw(headers: Mapping[str, str]) -> RawHeaders:
    """Returns an answer's headers as a server of ASGI takes them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
