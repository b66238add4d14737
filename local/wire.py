"""Requests checked and answers shaped by botocore's own model of a service.

The model is the contract that boto3, the CLI and the SDKs were generated from, so what passes here is what they send
and can read. Each API raises its own errors for what is found (`sagemaker/wire/shapes.py`,
`stepfunctions/api/wire.py`).
"""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from local.documents import Json

_KEPT = 16
"""Models; all that botocore ships, kept, would be some hundred MB."""


@functools.lru_cache(_KEPT)
def model(service: str) -> ServiceModel:
    """Loads the model of botocore's name of the service. Takes up to 0.2 s the first time.

    Raises botocore's UnknownServiceError.
    """
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def problems(shape: Shape | None, request: object, *, unknown_members: bool = False) -> list[str]:
    """Returns everything that does not fit, worded as AWS words it. `unknown_members`: such may be there."""
    misfits: list[str] = []
    if shape is not None:
        _check(shape, request, "", misfits)
    return [misfit for misfit in misfits if not misfit.endswith(_UNKNOWN)] if unknown_members else misfits


def detected(misfits: Sequence[str]) -> str:
    """Returns the message of AWS's ValidationException."""
    count = len(misfits)
    return f"{count} validation {'error' if count == 1 else 'errors'} detected: {'; '.join(misfits)}"


def shaped(shape: Shape | None, value: Json) -> Json:
    """Keeps only what the shape has, all the way down; members that are None are left out."""
    match shape.type_name if shape is not None else None:
        case "structure" if isinstance(value, Mapping):
            members: Mapping[str, Shape] = shape.members  # type: ignore[union-attr]
            return {k: shaped(members[k], v) for k, v in value.items() if k in members and v is not None}
        case "list" if isinstance(value, list):
            return [shaped(shape.member, item) for item in value]  # type: ignore[union-attr]
        case "map" if isinstance(value, Mapping):
            return {k: shaped(shape.value, v) for k, v in value.items()}  # type: ignore[union-attr]
        case None:
            return {}
        case _:
            return value


_UNKNOWN = "Member is not known"
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


def _check(shape: Any, value: Json, path: str, misfits: list[str]) -> None:
    if not _is_of(shape.type_name, value):
        misfits.append(
            f"Value at '{path or 'request'}' failed to satisfy constraint: Member must be a {shape.type_name}"
        )
        return
    match shape.type_name:
        case "structure":
            _check_structure(shape, value, path, misfits)
        case "list":
            _check_range(shape, len(value), value, path, misfits, "length")
            for index, item in enumerate(value, start=1):
                _check(shape.member, item, f"{path}.{index}.member", misfits)
        case "map":
            _check_range(shape, len(value), value, path, misfits, "length")
            for key, item in value.items():
                _check(shape.key, key, f"{path}.{key}.key", misfits)
                _check(shape.value, item, f"{path}.{key}.value", misfits)
        case "string":
            _check_string(shape, value, path, misfits)
        case "integer" | "long" | "float" | "double":
            _check_range(shape, value, value, path, misfits, "value")


def _is_of(type_name: str, value: Json) -> bool:
    if isinstance(value, bool):
        return type_name == "boolean"
    return isinstance(value, _PYTHON_TYPES.get(type_name, (object,)))


def _check_structure(shape: Any, value: Mapping[str, Json], path: str, misfits: list[str]) -> None:
    for name in shape.required_members:
        if value.get(name) is None:
            misfits.append(
                f"Value null at '{_joined(path, name)}' failed to satisfy constraint: Member must not be null"
            )
    for name, item in value.items():
        if name not in shape.members:
            misfits.append(f"Value at '{_joined(path, name)}' failed to satisfy constraint: {_UNKNOWN}")
        elif item is not None:
            _check(shape.members[name], item, _joined(path, name), misfits)


def _check_string(shape: Any, value: str, path: str, misfits: list[str]) -> None:
    if shape.metadata.get("sensitive"):
        _check_size(shape, value, path, misfits)
        return
    _check_range(shape, len(value), value, path, misfits, "length")
    pattern = shape.metadata.get("pattern")
    if pattern is not None:
        compiled = _compiled(pattern)
        if compiled is not None and compiled.fullmatch(value) is None:
            _add(misfits, value, path, f"Member must satisfy regular expression pattern: {pattern}")
    if shape.enum and value not in shape.enum:
        _add(misfits, value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")


def _check_size(shape: Any, value: str, path: str, misfits: list[str]) -> None:
    """Checks a sensitive text, which is not shown: AWS counts its bytes."""
    most = shape.metadata.get("max")
    if most is not None and len(value) * 4 > most and len(value.encode("utf-8", "surrogatepass")) > most:
        limit = f"Member must have size less than or equal to {most} bytes in UTF-8 encoding"
        misfits.append(f"Value at '{path}' failed to satisfy constraint: {limit}")


def _check_range(shape: Any, size: float, value: Json, path: str, misfits: list[str], what: str) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        _add(misfits, value, path, f"Member must have {what} greater than or equal to {low}")
    if high is not None and size > high:
        _add(misfits, value, path, f"Member must have {what} less than or equal to {high}")


def _add(misfits: list[str], value: Json, path: str, constraint: str) -> None:
    shown = str(value)
    shown = shown if len(shown) <= 200 else shown[:200] + "..."
    misfits.append(f"Value '{shown}' at '{path}' failed to satisfy constraint: {constraint}")


def _joined(path: str, name: str) -> str:
    # AWS names members with a small first letter in these messages.
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Compiles a pattern of the model, which is Java's; None where Python has no such expression."""
    translated = pattern.replace(r"\p{ASCII}", r"[\x00-\x7f]").replace(r"[\p{Print}]", r"[\x20-\x7e]")
    translated = translated.replace(r"\z", r"\Z")
    try:
        return re.compile(translated, re.DOTALL)
    except re.error:
        return None
