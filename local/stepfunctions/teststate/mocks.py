"""Whether a mocked result fits what the service would answer, by botocore's model. Reads botocore's data files."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from local import wire
from local.stepfunctions.asl.documents import is_number
from local.stepfunctions.asl.resources import Pattern, Resource, ResourceKind
from local.stepfunctions.integrations import naming

_SAID: Mapping[str, str] = {"structure": "an object", "map": "an object", "list": "an array", "boolean": "a boolean"}
_NUMBERS = frozenset({"integer", "long", "float", "double"})
_OWN_RESULT = frozenset({("lambda", "invoke", "Payload")})
"""(service, action, member) that Step Functions answers in a form of its own."""


class Mismatch(Exception):
    """The text is AWS's."""


def check(resource: Resource, result: Any, *, strict: bool) -> None:
    """`strict`: required members must be there. Raises Mismatch; a service that is not known is not checked."""
    if resource.kind is not ResourceKind.SERVICE or resource.pattern is not Pattern.REQUEST_RESPONSE:
        return
    service = resource.service.removeprefix("aws-sdk:")
    known = naming.botocore_service(service)
    operation = None if known is None else _operation(known, naming.capitalized(resource.action))
    if operation is None or operation.output_shape is None:
        return
    own = {member for name, action, member in _OWN_RESULT if (name, action) == (service, resource.action)}
    _structure(operation.output_shape, result, "result", strict=strict, skip=own)


@lru_cache(maxsize=256)
def _operation(service: str, name: str) -> OperationModel | None:
    model = wire.model(service)
    return model.operation_model(name) if name in model.operation_names else None


def _structure(
    shape: StructureShape, value: Any, name: str, *, strict: bool, skip: set[str] | frozenset[str] = frozenset()
) -> None:
    if not isinstance(value, dict):
        raise Mismatch(f"Field '{name}' must be an object")
    members = {naming.capitalized(member): (member, inner) for member, inner in shape.members.items()}
    if strict:
        for member in shape.required_members:
            if naming.capitalized(member) not in value:
                raise Mismatch(f"Required field '{naming.capitalized(member)}' is missing")
    for field, item in value.items():
        if field in members and field not in skip:
            _value(members[field][1], item, field, strict=strict)


def _value(shape: Shape, value: Any, name: str, *, strict: bool) -> None:
    kind = shape.type_name
    if not _is_of(kind, value):
        raise Mismatch(f"Field '{name}' must be {'a number' if kind in _NUMBERS else _SAID.get(kind, 'a string')}")
    if isinstance(shape, StructureShape):
        _structure(shape, value, name, strict=strict)
    elif isinstance(shape, ListShape):
        for item in value:
            _value(shape.member, item, name, strict=strict)
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            _value(shape.value, item, key, strict=strict)
    else:
        _bounds(shape, value, name)


def _is_of(kind: str, value: Any) -> bool:
    if kind in _NUMBERS:
        return is_number(value)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "list":
        return isinstance(value, list)
    if kind in ("structure", "map"):
        return isinstance(value, dict)
    return isinstance(value, str)


def _bounds(shape: Shape, value: Any, name: str) -> None:
    if is_number(value):
        if "min" in shape.metadata and value < shape.metadata["min"]:
            raise Mismatch(f"Field '{name}' is less than the minimum value")
        if "max" in shape.metadata and value > shape.metadata["max"]:
            raise Mismatch(f"Field '{name}' exceeds the maximum value")
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        raise Mismatch(f"Field '{name}' is not an expected value")
