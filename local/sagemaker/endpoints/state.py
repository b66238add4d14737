"""An endpoint's status and the event of its change."""

from enum import StrEnum

from local.sagemaker import events
from local.sagemaker.context import Context
from local.store import Document

KIND = "endpoint"


class EndpointStatus(StrEnum):
    CREATING = "Creating"
    UPDATING = "Updating"
    IN_SERVICE = "InService"
    DELETING = "Deleting"
    FAILED = "Failed"

    @property
    def in_events(self) -> str:
        """Events spell it in capitals."""
        return {
            EndpointStatus.CREATING: "CREATING",
            EndpointStatus.UPDATING: "UPDATING",
            EndpointStatus.IN_SERVICE: "IN_SERVICE",
            EndpointStatus.DELETING: "DELETING",
            EndpointStatus.FAILED: "FAILED",
        }[self]


BUSY = frozenset({EndpointStatus.CREATING, EndpointStatus.UPDATING, EndpointStatus.DELETING})


def tell(context: Context, document: Document) -> None:
    """Call inside the transaction of the change."""
    _tell(context, document, EndpointStatus(document["EndpointStatus"]).in_events)


def tell_deleted(context: Context, document: Document) -> None:
    """The endpoint is gone and its name is free; call inside the transaction of that.

    Only events know this status: DescribeEndpoint has no endpoint to tell it of, and its enum no such member. Not seen
    in a recorded event: a handler of these events that Amazon has published expects DELETING and DELETED.
    """
    _tell(context, document, "DELETED")


def _tell(context: Context, document: Document, status: str) -> None:
    detail: dict[str, object] = {
        "EndpointName": document["EndpointName"],
        "EndpointArn": document["EndpointArn"],
        "EndpointConfigName": document["EndpointConfigName"],
        "ProductionVariants": [
            {
                "VariantName": variant["VariantName"],
                "DesiredWeight": variant["DesiredWeight"],
                "DesiredInstanceCount": variant["DesiredInstanceCount"],
            }
            for variant in document.get("ProductionVariants", [])
        ],
        "EndpointStatus": status,
        "CreationTime": events.milliseconds(document["CreationTime"]),
        "LastModifiedTime": events.milliseconds(document["LastModifiedTime"]),
        "Tags": {},
    }
    if "FailureReason" in document:
        detail["FailureReason"] = document["FailureReason"]
    context.outbox.add(events.ENDPOINT, detail, [document["EndpointArn"]])
