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
