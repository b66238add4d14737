"""What every operation and every piece of running work is given."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.sagemaker.machine.environments import Environments
from local.sagemaker.machine.events import Outbox
from local.sagemaker.machine.logs import Shipper
from local.sagemaker.machine.processes.isolation import Boundary
from local.sagemaker.machine.settings import Settings
from local.sagemaker.wire.arns import Arns
from local.store import Store
from local.surroundings import Cloud

if TYPE_CHECKING:
    from local.sagemaker.endpoints.capture import Capture
    from local.sagemaker.endpoints.hosting import Endpoints
    from local.sagemaker.jobs.runner import Jobs
    from local.sagemaker.machine.metrics import Meter
    from local.sagemaker.pipelines.executions import Executions


@dataclass(slots=True)
class Context:
    """Made once, at the start."""

    settings: Settings
    cloud: Cloud
    store: Store
    arns: Arns
    outbox: Outbox
    shipper: Shipper
    environments: Environments
    boundary: Boundary
    meter: "Meter"
    # What runs. Each is given this context, so they are put in once it exists.
    jobs: "Jobs" = field(init=False)
    endpoints: "Endpoints" = field(init=False)
    executions: "Executions" = field(init=False)
    capture: "Capture" = field(init=False)

    @property
    def s3(self) -> Any:
        return self.cloud.client("s3")
