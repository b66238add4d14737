"""What an endpoint's document says, and the events of it. Every change is one transaction."""

from collections.abc import Callable
from typing import Any

from local.documents import Document
from local.sagemaker.endpoints import description
from local.sagemaker.endpoints.fleet import Fleet
from local.sagemaker.endpoints.state import KIND, EndpointStatus, tell, tell_deleted, tell_stage
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire.reasons import shortened
from local.store import now

_IN_PROGRESS = ("PendingDeploymentSummary", "_Pending", "_Scaling")


class Record:
    """Of one endpoint."""

    def __init__(self, machine: Machine, name: str) -> None:
        self._machine = machine
        self._name = name

    def pending(self, green: Fleet, started: float, status: Document) -> None:
        """Records that the deployment of `green` has come to a stage."""

        def change(document: Document) -> None:
            document["PendingDeploymentSummary"] = description.pending(green, started, status)
            tell_stage(self._machine, document)

        self._change(change)

    def serving(self, fleet: Fleet) -> None:
        """Records what serves now, while a deployment goes on."""
        self._change(lambda document: _show(document, fleet))

    def in_service(self, fleet: Fleet, deployment: Document | None = None) -> None:
        """Records that `fleet` is all there is. `deployment`: the DeploymentConfig that brought it."""

        def change(document: Document) -> None:
            document["EndpointConfigName"] = fleet.config["EndpointConfigName"]
            document["_Snapshot"] = fleet.blueprint.stored()
            document.pop("FailureReason", None)
            if deployment is not None:
                document["LastDeploymentConfig"] = deployment
            _show(document, fleet)
            self._rest(document, EndpointStatus.IN_SERVICE)

        self._change(change)

    def kept(self, fleet: Fleet, reason: str) -> None:
        """Records that what was asked for came to nothing; `fleet` serves as before."""

        def change(document: Document) -> None:
            document["FailureReason"] = shortened(reason)
            _show(document, fleet)
            self._rest(document, EndpointStatus.IN_SERVICE)

        self._change(change)

    def rolling_back(self, reason: str) -> None:
        def change(document: Document) -> None:
            document["FailureReason"] = shortened(reason)
            document["EndpointStatus"] = EndpointStatus.ROLLING_BACK.value
            tell(self._machine, document)

        self._change(change)

    def failed(self, reason: str, status: EndpointStatus = EndpointStatus.FAILED) -> None:
        def change(document: Document) -> None:
            document["FailureReason"] = shortened(reason)
            self._rest(document, status)

        self._change(change)

    def deleted(self) -> None:
        store = self._machine.store
        with store.transaction():
            document = store.get(KIND, self._name)
            if document is not None and store.delete(KIND, self._name):
                document["LastModifiedTime"] = now()
                tell_deleted(self._machine, document)

    def _rest(self, document: Document, status: EndpointStatus) -> None:
        """Records that nothing is going on any more."""
        for member in _IN_PROGRESS:
            document.pop(member, None)
        document["EndpointStatus"] = status.value
        document["LastModifiedTime"] = now()
        tell(self._machine, document)

    def _change(self, change: Callable[[Document], Any]) -> None:
        def recorded(document: Document) -> None:
            document["LastModifiedTime"] = now()
            change(document)

        self._machine.store.change(KIND, self._name, recorded)


def _show(document: Document, fleet: Fleet) -> None:
    document["ProductionVariants"] = description.variants(fleet)
    shown = {
        "ShadowProductionVariants": description.shadows(fleet) or None,
        "AsyncInferenceConfig": fleet.asynchronous,
        "DataCaptureConfig": description.capture(fleet.config),
        "MetricsConfig": fleet.config.get("MetricsConfig"),
    }
    for member, value in shown.items():
        if value is None:
            document.pop(member, None)
        else:
            document[member] = value
