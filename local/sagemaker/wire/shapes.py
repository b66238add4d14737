"""SageMaker's requests and answers, by botocore's model of it (`local/wire.py`)."""

from collections.abc import Mapping

from botocore.model import ServiceModel, Shape

from local import wire
from local.documents import Document, Json
from local.sagemaker.wire.errors import UnknownOperation, ValidationException


def model(service: str = "sagemaker") -> ServiceModel:
    """Returns the model of `sagemaker` or `sagemaker-runtime`."""
    return wire.model(service)


def input_shape(operation: str) -> Shape | None:
    if operation not in model().operation_names:
        raise UnknownOperation(f"The operation {operation} is not one of SageMaker's.")
    return model().operation_model(operation).input_shape


def check(shape: Shape | None, request: object) -> None:
    """Raises ValidationException naming everything that does not fit."""
    problems = wire.problems(shape, request)
    if problems:
        raise ValidationException(wire.detected(problems))


def answer(operation: str, document: Mapping[str, Json]) -> Document:
    """Keeps only what the operation's output shape has, all the way down."""
    shaped: Document = wire.shaped(model().operation_model(operation).output_shape, document)
    return shaped


def member(shape_name: str, document: Mapping[str, Json]) -> Document:
    """Keeps only what the named structure has, all the way down."""
    shaped: Document = wire.shaped(model().shape_for(shape_name), document)
    return shaped
