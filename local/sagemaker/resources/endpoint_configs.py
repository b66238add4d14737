"""Endpoint configurations: which models an endpoint serves, and how."""

from local.documents import Document
from local.sagemaker.machine import events
from local.sagemaker.machine.machine import Machine
from local.sagemaker.resources import models, tags
from local.sagemaker.resources.endpoint_config_rules import check
from local.sagemaker.resources.resource import Resource
from local.store import now

CHANGE = "SageMaker Endpoint Config State Change"
_IN_EVENTS = (
    "EndpointConfigName", "EndpointConfigArn", "ProductionVariants", "ShadowProductionVariants", "DataCaptureConfig",
    "KmsKeyId", "AsyncInferenceConfig",
)  # fmt: skip


def create(machine: Machine, request: Document) -> Document:
    check(request)
    for variant in (*request["ProductionVariants"], *request.get("ShadowProductionVariants", ())):
        models.MODEL.find(machine, variant["ModelName"])
    return ENDPOINT_CONFIG.insert(machine, request, {**request, "CreationTime": now()})


def _tell(machine: Machine, document: Document) -> None:
    """Tells of a change inside its transaction: it was created or deleted, and the event does not say which."""
    detail = {name: document[name] for name in _IN_EVENTS if name in document}
    detail["CreationTime"] = events.milliseconds(document["CreationTime"])
    detail["Tags"] = tags.in_event(machine, document["EndpointConfigArn"])
    machine.outbox.add(CHANGE, detail, [document["EndpointConfigArn"]])


ENDPOINT_CONFIG = Resource(
    "endpoint-config",
    "EndpointConfig",
    'Cannot create already existing endpoint configuration "{arn}".',
    'Could not find endpoint configuration "{arn}".',
    tell=_tell,
)
describe, listed, delete = ENDPOINT_CONFIG.describe, ENDPOINT_CONFIG.listed, ENDPOINT_CONFIG.delete
