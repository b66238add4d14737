"""What a service of ours stands in: the account and region it serves, the folder it keeps, the rest of the cloud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


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
