"""The ground under everything that runs: settings and store, what goes out, and how a process is started."""

import threading
from dataclasses import dataclass, field
from typing import Any

from local.sagemaker.machine.environments import Environments
from local.sagemaker.machine.events import Outbox
from local.sagemaker.machine.logs import Shipper
from local.sagemaker.machine.metrics import Meter
from local.sagemaker.machine.settings import Settings
from local.sagemaker.wire.arns import Arns
from local.store import Store
from local.surroundings import Cloud
from local.walls.boundary import Boundary


@dataclass(frozen=True, slots=True)
class Machine:
    """Made once, at the start. What runs on it (jobs, endpoints, executions) is not known here."""

    settings: Settings
    cloud: Cloud
    store: Store
    arns: Arns
    outbox: Outbox
    shipper: Shipper
    environments: Environments
    boundary: Boundary
    meter: Meter
    closing: threading.Event = field(default_factory=threading.Event)
    """The jobs are being stopped with the local cloud: no transfer begins, and what a container leaves is of no use."""

    @property
    def s3(self) -> Any:
        return self.cloud.client("s3")
