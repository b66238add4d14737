"""Requests checked and answers shaped by botocore's own model of SageMaker.

The model is the contract that boto3, the CLI and the SDKs were generated from, so what passes here is what they send
and can read.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from local.sagemaker.errors import UnknownOperation, ValidationException
from local.store import Document


@functools.cache
def model(service: str = "sagemaker") -> ServiceModel:
    """Takes 0.2 s the first time; `sagemaker` or `sagemaker-runtime`."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def input_shape(operation: str) -> Shape | None:
    if operation not in model().operation_names:
        raise UnknownOperation(f"The operation {operation} is not one of SageMaker's.")
    return model().operation_model(operation).input_shape


def check(shape: Shape | None, request: object) -> None:
    """Raises ValidationException naming everything that does not fit, worded as AWS words it."""
    found: list[str] = []
    if shape is not None:
        _check(shape, request, "", found)
    if found:
        count = len(found)
        plural = "error" if count == 1 else "errors"
        raise ValidationException(f"{count} validation {plural} detected: {'; '.join(found)}")


def answer(operation: str, document: Mapping[str, Any]) -> Document:
    """Only what the operation's output shape has, all the way down."""
    shape = model().operation_model(operation).output_shape
    return _shaped(shape, document) if shape is not None else {}


def member(shape_name: str, document: Mapping[str, Any]) -> Document:
    """Only what the named structure has, all the way down."""
    shaped: Document = _shaped(model().shape_for(shape_name), document)
    return shaped


def _shaped(shape: Shape, value: Any) -> Any:
    match shape.type_name:
        case "structure" if isinstance(value, Mapping):
            members: Mapping[str, Shape] = shape.members  # type: ignore[attr-defined]
            return {k: _shaped(members[k], v) for k, v in value.items() if k in members and v is not None}
        case "list" if isinstance(value, list):
            return [_shaped(shape.member, item) for item in value]  # type: ignore[attr-defined]
        case "map" if isinstance(value, Mapping):
            return {k: _shaped(shape.value, v) for k, v in value.items()}  # type: ignore[attr-defined]
        case _:
            return value


_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, str),
    "blob": (str,),
}


def _check(shape: Any, value: Any, path: str, found: list[str]) -> None:
    if not _is_of(shape.type_name, value):
        found.append(f"Value at '{path or 'request'}' failed to satisfy constraint: Member must be a {shape.type_name}")
        return
    match shape.type_name:
        case "structure":
            _check_structure(shape, value, path, found)
        case "list":
            _check_range(shape, len(value), value, path, found, "length")
            for index, item in enumerate(value, start=1):
                _check(shape.member, item, f"{path}.{index}.member", found)
        case "map":
            _check_range(shape, len(value), value, path, found, "length")
            for key, item in value.items():
                _check(shape.key, key, f"{path}.{key}.key", found)
                _check(shape.value, item, f"{path}.{key}.value", found)
        case "string":
            _check_string(shape, value, path, found)
        case "integer" | "long" | "float" | "double":
            _check_range(shape, value, value, path, found, "value")


def _is_of(type_name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return type_name == "boolean"
    return isinstance(value, _PYTHON_TYPES.get(type_name, (object,)))


def _check_structure(shape: Any, value: Document, path: str, found: list[str]) -> None:
    for name in shape.required_members:
        if value.get(name) is None:
            found.append(f"Value null at '{_joined(path, name)}' failed to satisfy constraint: Member must not be null")
    for name, item in value.items():
        if name not in shape.members:
            found.append(f"Value at '{_joined(path, name)}' failed to satisfy constraint: Member is not known")
        elif item is not None:
            _check(shape.members[name], item, _joined(path, name), found)


def _check_string(shape: Any, value: str, path: str, found: list[str]) -> None:
    _check_range(shape, len(value), value, path, found, "length")
    pattern = shape.metadata.get("pattern")
    if pattern is not None:
        compiled = _compiled(pattern)
        if compiled is not None and compiled.fullmatch(value) is None:
            _add(found, value, path, f"Member must satisfy regular expression pattern: {pattern}")
    if shape.enum and value not in shape.enum:
        _add(found, value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")


def _check_range(shape: Any, size: float, value: Any, path: str, found: list[str], what: str) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        _add(found, value, path, f"Member must have {what} greater than or equal to {low}")
    if high is not None and size > high:
        _add(found, value, path, f"Member must have {what} less than or equal to {high}")


def _add(found: list[str], value: Any, path: str, constraint: str) -> None:
    shown = str(value)
    shown = shown if len(shown) <= 200 else shown[:200] + "..."
    found.append(f"Value '{shown}' at '{path}' failed to satisfy constraint: {constraint}")


def _joined(path: str, name: str) -> str:
    # AWS names members with a small first letter in these messages.
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The model's patterns are Java's; None where Python has no such expression."""
    translated = pattern.replace(r"\p{ASCII}", r"[\x00-\x7f]").replace(r"[\p{Print}]", r"[\x20-\x7e]")
    translated = translated.replace(r"\z", r"\Z")
    try:
        return re.compile(translated, re.DOTALL)
    except re.error:
        return None
