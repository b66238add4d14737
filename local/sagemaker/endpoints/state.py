"""An endpoint's status and the events of its changes.

Source: "Events that Amazon SageMaker sends to Amazon EventBridge" in the SageMaker developer guide.
"""

from enum import StrEnum

from local.documents import Document, Json
from local.sagemaker.machine import events
from local.sagemaker.machine.machine import Machine
from local.sagemaker.resources import tags
from local.sagemaker.resources.resource import Resource

KIND = "endpoint"
DEPLOYMENT = "SageMaker Endpoint Deployment State Change"


class EndpointStatus(StrEnum):
    CREATING = "Creating"
    UPDATING = "Updating"
    ROLLING_BACK = "RollingBack"
    IN_SERVICE = "InService"
    DELETING = "Deleting"
    FAILED = "Failed"
    UPDATE_ROLLBACK_FAILED = "UpdateRollbackFailed"

    @property
    def in_events(self) -> str:
        """Events spell it in capitals: IN_SERVICE."""
        return self.name


BUSY = frozenset(
    {EndpointStatus.CREATING, EndpointStatus.UPDATING, EndpointStatus.ROLLING_BACK, EndpointStatus.DELETING}
)


def tell(machine: Machine, document: Document) -> None:
    """Tells that the status has changed; call inside the transaction of the change."""
    _tell(machine, document, EndpointStatus(document["EndpointStatus"]).in_events)


def tell_deleted(machine: Machine, document: Document) -> None:
    """Tells that the endpoint is gone and its name is free; call inside the transaction of that.

    Only events know this status: DescribeEndpoint has no endpoint to tell it of, and its enum no such member. Not seen
    in a recorded event: a handler of these events that Amazon has published expects DELETING and DELETED.
    """
    _tell(machine, document, "DELETED")


def tell_stage(machine: Machine, document: Document) -> None:
    """Tells that a deployment or change of capacity has come to its next stage; call inside that transaction."""
    detail = _detail(machine, document, EndpointStatus(document["EndpointStatus"]).in_events, _STAGE)
    pending = document.get("PendingDeploymentSummary")
    if pending is not None:
        detail["PendingDeploymentSummary"] = {
            "EndpointConfigName": pending["EndpointConfigName"],
            "StartTime": events.milliseconds(pending["StartTime"]),
            "ProductionVariants": _variants(pending["ProductionVariants"], _STAGE),
        }
    machine.outbox.add(DEPLOYMENT, detail, [document["EndpointArn"]])


_STATE = ("VariantName", "DesiredWeight", "DesiredInstanceCount")
_STAGE = (
    "VariantName", "CurrentWeight", "DesiredWeight", "CurrentInstanceCount", "DesiredInstanceCount", "VariantStatus",
)  # fmt: skip


def _tell(machine: Machine, document: Document, status: str) -> None:
    machine.outbox.add(events.ENDPOINT, _detail(machine, document, status, _STATE), [document["EndpointArn"]])


def _detail(machine: Machine, document: Document, status: str, members: tuple[str, ...]) -> Document:
    detail: Document = {
        "EndpointName": document["EndpointName"],
        "EndpointArn": document["EndpointArn"],
        "EndpointConfigName": document["EndpointConfigName"],
        "ProductionVariants": _variants(document.get("ProductionVariants", []), members),
        "EndpointStatus": status,
        "CreationTime": events.milliseconds(document["CreationTime"]),
        "LastModifiedTime": events.milliseconds(document["LastModifiedTime"]),
        "Tags": tags.in_event(machine, document["EndpointArn"]),
    }
    if "FailureReason" in document:
        detail["FailureReason"] = document["FailureReason"]
    return detail


def _variants(summaries: list[Document], members: tuple[str, ...]) -> list[Document]:
    return [{name: _in_event(summary[name]) for name in members if name in summary} for summary in summaries]


def _in_event(value: Json) -> Json:
    if not isinstance(value, list):
        return value
    return [{**status, "StartTime": events.milliseconds(status["StartTime"])} for status in value]


ENDPOINT = Resource(
    KIND,
    "Endpoint",
    'Cannot create already existing endpoint "{arn}".',
    'Could not find endpoint "{arn}".',
    status="EndpointStatus",
    tell=tell,
)
