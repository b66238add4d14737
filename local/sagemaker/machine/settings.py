"""What this SageMaker is told when it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from local.sagemaker.machine.clock import Clock
from local.surroundings import ServiceSettings


class Isolation(StrEnum):
    """How a container process comes to see its folder as `/opt/ml`."""

    AUTO = "auto"
    """Namespaces where the kernel gives them, the base folder where not."""
    NAMESPACE = "namespace"
    """A private mount namespace; an error at the start where the kernel refuses."""
    BASE_DIR = "base-dir"
    """`SAGEMAKER_BASE_DIR` points at the folder; for programs that ask for it."""
    DOCKER = "docker"
    """`docker run` of the image itself; an error at the start where no engine answers."""


@dataclass(frozen=True, slots=True)
class Hosting:
    """The limits of endpoints; AWS's own where it has them."""

    invocation_seconds: float = 60.0
    """How long a container may take to answer InvokeEndpoint."""
    stream_seconds: float = 480.0
    """How long a container may take to end an answer of InvokeEndpointWithResponseStream."""
    serverless_idle_seconds: float = 300.0
    """After its last request a serverless variant keeps its container so long."""
    clock: Clock = field(default_factory=Clock)
    """Tells the time of a deployment's waits, and of idleness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServiceSettings):
    """One SageMaker of one account and region. It keeps `sagemaker.db`, `jobs/<name>/` and `endpoints/<name>/`."""

    cache_dir: Path
    """Built environments; shared between local clouds."""
    images: Mapping[str, Path] = field(default_factory=dict)
    """ECR repository name (`headrace/decision_trees`) -> the folder that image is built from."""
    image_map: Path | None = None
    """The user's own word on image URIs (`machine/images.py`); it may be missing."""
    steps_file: Path | None = None
    """Commands for pipeline steps that nothing here runs (`pipelines/supplied.py`); it may be missing."""
    isolation: str = Isolation.AUTO
    grace_seconds: float = 5.0
    """Between SIGTERM and SIGKILL when a job is stopped (AWS gives 120 s)."""
    sync_seconds: float = 2.0
    """How often checkpoints and continuous outputs are looked at for new files."""
    volume_bytes: int = 1 << 40
    """The most that the files of one instance of a job may take, whatever its VolumeSizeInGB."""
    startup_seconds: float = 120.0
    """How long a container may take to its first healthy /ping, unless the variant says otherwise."""

    hosting: Hosting = Hosting()

    @property
    def jobs_dir(self) -> Path:
        return self.state_dir / "jobs"

    @property
    def endpoints_dir(self) -> Path:
        return self.state_dir / "endpoints"
