"""What a service of ours stands in: the account and region it serves, the folder it keeps, the rest of the cloud, and
how it is asked."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol


class Request(NamedTuple):
    """One HTTP request, in the order in which MiniStack hands it to a service."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By name, as the client spelled it."""
    body: bytes
    query: Mapping[str, list[str]]


Response = tuple[int, dict[str, str], bytes]
"""Status, headers of its own, body."""
Handler = Callable[[Request], Awaitable[Response]]
"""Never raises, never blocks the event loop."""
Streamed = tuple[int, dict[str, str], bytes | AsyncIterator[bytes]]
"""A response whose body may come in parts."""
Streaming = Callable[[Request], Awaitable[Streamed]]


class Cloud(Protocol):
    """The rest of the cloud, as a service sees it."""

    def client(self, service: str) -> Any:
        """Returns a thread-safe boto3 client of the local endpoint; the same object every time."""

    def emit(self, source: str, detail_type: str, detail: Mapping[str, object], resources: Sequence[str]) -> None:
        """Puts one event on the default EventBridge bus. Raises when the bus did not take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What every service is told when it is made; each adds its own."""

    state_dir: Path
    """Everything of it that must survive a restart."""
    account: str = "000000000000"
    region: str = "us-east-1"
    partition: str = "aws"
