"""A step's Arguments held against the request they become, before anything runs. Pure.

Wherever an expression stands, any value may come; only what is already there can be wrong.
"""

from collections.abc import Iterator
from typing import Any

from botocore.model import Shape

from local.documents import Document, Json
from local.sagemaker.pipelines.expressions import is_expression
from local.sagemaker.pipelines.kinds import Kind
from local.sagemaker.wire import shapes


def problems(kind: Kind, arguments: Document) -> Iterator[str]:
    """Yields what does not fit, worded as AWS words it."""
    shape: Any = shapes.input_shape(kind.operation)
    yield from _structure(shape, arguments, optional=kind.name if kind.named else "")


def _check(shape: Any, value: Json) -> Iterator[str]:
    if value is None or is_expression(value):
        return
    match shape.type_name:
        case "structure":
            yield from _structure(shape, value) if isinstance(value, dict) else ["Expecting start of Json Object."]
        case "map":
            if not isinstance(value, dict):
                yield "Expecting start of Json Object."
        case "list":
            if not isinstance(value, list):
                yield "Expecting start of Json Array."
                return
            for item in value:
                yield from _check(shape.member, item)
        case "string":
            yield from _text(shape, value)


def _structure(shape: Any, value: Document, optional: str = "") -> Iterator[str]:
    members: dict[str, Shape] = shape.members
    for name, item in value.items():
        if name not in members:
            yield f"Unknown Argument member '{name}'."
        else:
            yield from _check(members[name], item)
    for name in shape.required_members:
        if value.get(name) is None and name != optional:
            yield f"Model Validation failed: Missing required member '{name}' of '{shape.name}'"


def _text(shape: Any, value: Json) -> Iterator[str]:
    if isinstance(value, dict | list):
        yield f"Model Validation failed: Expecting a value for '{shape.name}'"
    elif shape.enum and value not in shape.enum:
        wanted = f"failed to satisfy enum value set: [{', '.join(shape.enum)}]"
        yield f"Model Validation failed: Value '{value}' for '{shape.name}' {wanted}"
