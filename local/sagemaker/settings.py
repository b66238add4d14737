"""What this SageMaker is told when it is made, and what it asks of the cloud it stands in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


class Isolation(StrEnum):
    """How a container process comes to see its folder as `/opt/ml`."""

    AUTO = "auto"
    """Namespaces where the kernel gives them, the base folder where not."""
    NAMESPACE = "namespace"
    """A private mount namespace; an error at the start where the kernel refuses."""
    BASE_DIR = "base-dir"
    """`SAGEMAKER_BASE_DIR` points at the folder; for programs that ask for it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One SageMaker of one account and region."""

    state_dir: Path
    """Everything that must survive a restart: `sagemaker.db`, `jobs/<name>/`, `endpoints/<name>/`."""
    cache_dir: Path
    """Built environments; shared between local clouds."""
    account: str = "000000000000"
    region: str = "us-east-1"
    partition: str = "aws"
    images: Mapping[str, Path] = field(default_factory=dict)
    """ECR repository name (`headrace/decision_trees`) -> the folder that image is built from."""
    isolation: str = Isolation.AUTO
    grace_seconds: float = 5.0
    """Between SIGTERM and SIGKILL when a job is stopped (AWS gives 120 s)."""
    startup_seconds: float = 120.0
    """How long a container may take to its first healthy /ping, unless the variant says otherwise."""

    @property
    def jobs_dir(self) -> Path:
        return self.state_dir / "jobs"

    @property
    def endpoints_dir(self) -> Path:
        return self.state_dir / "endpoints"


class Cloud(Protocol):
    """The rest of the cloud."""

    def client(self, service: str) -> Any:
        """A thread-safe boto3 client of the local endpoint; the same object every time."""

    def emit(self, source: str, detail_type: str, detail: Mapping[str, object], resources: Sequence[str]) -> None:
        """Put one event on the default EventBridge bus. Raises when the bus did not take it."""
