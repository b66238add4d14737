"""Endpoint configurations: which models an endpoint serves, and how."""

from local.documents import Document
from local.sagemaker.endpoints.state import tagged
from local.sagemaker.machine import events
from local.sagemaker.machine.machine import Context
from local.sagemaker.resources import models, tags
from local.sagemaker.resources.endpoint_config_rules import check
from local.sagemaker.wire import listing
from local.sagemaker.wire.errors import ValidationException
from local.store import AlreadyThere, now

KIND = "endpoint-config"
CHANGE = "SageMaker Endpoint Config State Change"
_IN_EVENTS = (
    "EndpointConfigName", "EndpointConfigArn", "ProductionVariants", "ShadowProductionVariants", "DataCaptureConfig",
    "KmsKeyId", "AsyncInferenceConfig",
)  # fmt: skip


def create(context: Context, request: Document) -> Document:
    name = request["EndpointConfigName"]
    arn = context.arns.of(KIND, name)
    check(request)
    for variant in (*request["ProductionVariants"], *request.get("ShadowProductionVariants", ())):
        models.describe(context, {"ModelName": variant["ModelName"]})
    document = {**request, "EndpointConfigArn": arn, "CreationTime": now()}
    try:
        with context.store.transaction():
            context.store.insert(KIND, name, document)
            tags.add(context, arn, request)
            _tell(context, document)
    except AlreadyThere as error:
        raise ValidationException(f'Cannot create already existing endpoint configuration "{arn}".') from error
    return {"EndpointConfigArn": arn}


def describe(context: Context, request: Document) -> Document:
    name = request["EndpointConfigName"]
    document = context.store.get(KIND, name)
    if document is None:
        raise ValidationException(f'Could not find endpoint configuration "{context.arns.of(KIND, name)}".')
    return document


def listed(context: Context, request: Document) -> Document:
    return listing.page("ListEndpointConfigs", context.store.find(KIND), request, name="EndpointConfigName")


def delete(context: Context, request: Document) -> Document:
    document = describe(context, request)
    with context.store.transaction():
        context.store.delete(KIND, document["EndpointConfigName"])
        _tell(context, document)
        tags.forget(context, document["EndpointConfigArn"])
    return {}


def _tell(context: Context, document: Document) -> None:
    """Call inside the transaction of the change: it was created or deleted, and the event does not say which."""
    detail = {name: document[name] for name in _IN_EVENTS if name in document}
    detail["CreationTime"] = events.milliseconds(document["CreationTime"])
    detail["Tags"] = tagged(context, document["EndpointConfigArn"])
    context.outbox.add(CHANGE, detail, [document["EndpointConfigArn"]])
