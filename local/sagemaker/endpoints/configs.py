"""Endpoint configurations: which models an endpoint serves, and how."""

from local.sagemaker import listing, models, tags
from local.sagemaker.context import Context
from local.sagemaker.errors import ValidationException
from local.store import AlreadyThere, Document, now

KIND = "endpoint-config"


def create(context: Context, request: Document) -> Document:
    name = request["EndpointConfigName"]
    arn = context.arns.of(KIND, name)
    _check(context, request)
    document = {**request, "EndpointConfigArn": arn, "CreationTime": now()}
    try:
        with context.store.transaction():
            context.store.insert(KIND, name, document)
            tags.add(context, arn, request)
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
    context.store.delete(KIND, document["EndpointConfigName"])
    tags.forget(context, document["EndpointConfigArn"])
    return {}


def _check(context: Context, request: Document) -> None:
    for unsupported in ("ShadowProductionVariants", "ExplainerConfig"):
        if request.get(unsupported):
            raise ValidationException(f"{unsupported} is not run by this local SageMaker.")
    variants = request["ProductionVariants"]
    names = [variant["VariantName"] for variant in variants]
    if len(set(names)) != len(names):
        raise ValidationException("Every production variant needs a name of its own.")
    if "AsyncInferenceConfig" in request and len(variants) > 1:
        raise ValidationException("An asynchronous endpoint has one production variant.")
    for variant in variants:
        if "ModelName" not in variant:
            raise ValidationException(f"Production variant {variant['VariantName']} names no model.")
        models.describe(context, {"ModelName": variant["ModelName"]})
