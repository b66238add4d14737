"""Models: an image, model data and environment variables, ready to be served."""

from dataclasses import dataclass

from local.sagemaker import listing, registry, tags
from local.sagemaker.context import Context
from local.sagemaker.errors import ValidationException
from local.store import AlreadyThere, Document, now

KIND = "model"


@dataclass(frozen=True, slots=True)
class Served:
    """What an endpoint starts for a model."""

    name: str
    image: str
    data: str | None
    """S3 location of a model.tar.gz, or of a folder (ending in /)."""
    environment: dict[str, str]


def create(context: Context, request: Document) -> Document:
    name = request["ModelName"]
    arn = context.arns.of(KIND, name)
    document = {**request, "ModelArn": arn, "CreationTime": now()}
    _resolved(context, document)
    try:
        with context.store.transaction():
            context.store.insert(KIND, name, document)
            tags.add(context, arn, request)
    except AlreadyThere as error:
        raise ValidationException(f'Cannot create already existing model "{arn}".') from error
    return {"ModelArn": arn}


def describe(context: Context, request: Document) -> Document:
    name = request["ModelName"]
    document = context.store.get(KIND, name)
    if document is None:
        raise ValidationException(f'Could not find model "{context.arns.of(KIND, name)}".')
    return document


def listed(context: Context, request: Document) -> Document:
    return listing.page("ListModels", context.store.find(KIND), request, name="ModelName")


def delete(context: Context, request: Document) -> Document:
    document = describe(context, request)
    context.store.delete(KIND, document["ModelName"])
    tags.forget(context, document["ModelArn"])
    return {}


def served(context: Context, name: str) -> Served:
    """Raises ValidationException when the model, or the package it names, is not there."""
    return _resolved(context, describe(context, {"ModelName": name}))


def _resolved(context: Context, document: Document) -> Served:
    containers = document.get("Containers") or [document.get("PrimaryContainer")]
    if len(containers) != 1 or containers[0] is None:
        raise ValidationException("A model of exactly one container is run by this local SageMaker.")
    container = containers[0]
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise ValidationException("Mode MultiModel is not run by this local SageMaker.")
    given = dict(container.get("Environment", {}))
    if "ModelPackageName" in container:
        # A package may be approved or rejected later; what counts is now, as on AWS.
        packaged = registry.deployable(context, container["ModelPackageName"])
        given = {**packaged.get("Environment", {}), **given}
        container = {**packaged, **{k: v for k, v in container.items() if k == "Image"}}
    if "Image" not in container:
        raise ValidationException("A container needs an Image or a ModelPackageName.")
    source = container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri")
    data = container.get("ModelDataUrl") or source
    return Served(document["ModelName"], container["Image"], data, given)
