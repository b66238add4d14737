"""What a local cloud is told when it starts."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local.walls.groups import UNCHOSEN, Bounds

ACCOUNT = "000000000000"
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """One local cloud: where it listens, where it keeps its state, which stack it runs."""

    template: Path
    """The SAM template to boot from; `CodeUri` and `DefinitionUri` are relative to it."""
    state_dir: Path
    """Everything that must survive a restart."""
    cache_dir: Path
    """Built environments, shared between local clouds; safe to delete while none runs."""
    stage: str = "dev"
    port: int = 4566
    images: Mapping[str, Path] = field(default_factory=dict)
    """ECR repository name (`headrace/decision_trees`) -> the folder that image is built from."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Template parameters besides `Stage`."""
    fresh: bool = False
    """Begin with an empty state directory, whatever an earlier run left there."""
    isolation: str = "auto"
    """How a container sees `/opt/ml`: `auto`, `namespace`, `base-dir` or `docker`."""

    bounds: Bounds = UNCHOSEN
    """What one job, endpoint or function may use of memory, processes and processors."""

    allow_hosts: Sequence[str] = ()
    """Names besides its own that the port answers to: `my-machine.test`, or `*.my-machine.test` for all under it."""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def exports(self) -> Mapping[str, str]:
        """The variables that lead any client of AWS here; the keys are made up, as the local cloud takes any.

        Clients put `sync-` before the host for StartSyncExecution and TestState, whatever the host is; one variable of
        botocore's keeps them from it (https://docs.aws.amazon.com/sdkref/latest/guide/feature-host-prefix.html).
        """
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "HEADRACE_API_URL": self.endpoint,
        }

    @property
    def stack_name(self) -> str:
        return f"headrace-{self.stage}"


def free_port() -> int:
    """Returns a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
