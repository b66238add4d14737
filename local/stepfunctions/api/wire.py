"""Step Functions' requests and answers, by botocore's model of it (`local/wire.py`)."""

import functools
from collections.abc import Mapping

from botocore.model import Shape

from local import wire
from local.documents import Document, Json
from local.stepfunctions.api.errors import ApiError, validation

_SERVICE = "stepfunctions"


@functools.cache
def _shapes(operation: str) -> tuple[Shape | None, Shape | None]:
    model = wire.model(_SERVICE)
    if operation not in model.operation_names:
        raise ApiError("UnknownOperationException", f"The operation {operation} is not one of Step Functions'.")
    described = model.operation_model(operation)
    return described.input_shape, described.output_shape


def check(operation: str, request: object) -> Document:
    """Returns the request, cut to the operation's input. Raises ApiError naming everything that does not fit."""
    shape = _shapes(operation)[0]
    if not isinstance(request, dict):
        raise ApiError("SerializationException", "The request is not a JSON object.")
    misfits = wire.problems(shape, request, unknown_members=True)
    if misfits:
        raise validation(wire.detected(misfits))
    cut: Document = wire.shaped(shape, request)
    return cut


def answer(operation: str, document: Mapping[str, Json]) -> Document:
    """Returns only what the operation's output shape has, all the way down."""
    shaped: Document = wire.shaped(_shapes(operation)[1], document)
    return shaped
