"""A task's arguments as a service's request, and the service's answer as a task's result, by botocore's model."""

import base64
import functools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import HTTPClientError, IncompleteReadError, ResponseStreamingError
from botocore.model import ListShape, MapShape, Shape, StructureShape
from urllib3.exceptions import HTTPError

from local.documents import Json
from local.stepfunctions.asl.documents import encode, is_number
from local.stepfunctions.integrations import naming
from local.stepfunctions.integrations.task import Unreachable

_BROKEN = (HTTPClientError, IncompleteReadError, ResponseStreamingError, HTTPError, OSError)
"""What reading a body raises when the connection ends before it does."""

# Requests.


def request(shape: StructureShape | None, arguments: Mapping[str, Json]) -> tuple[dict[str, Json], list[str]]:
    """Returns the members for botocore, and everything that does not fit, in AWS's words."""
    problems: list[str] = []
    if shape is None:
        problems += [_unknown(name) for name in arguments]
        return {}, problems
    return _structure(shape, arguments, problems), problems


@functools.lru_cache(maxsize=4096)
def members(shape: StructureShape) -> Mapping[str, str]:
    """Returns how a task may spell each member."""
    spelled: dict[str, str] = {}
    for name in shape.members:
        spelled[naming.capitalized(name)] = name
        spelled[naming.sdk_member(name)] = name
    return spelled


def _structure(shape: StructureShape, value: Mapping[str, Json], problems: list[str]) -> dict[str, Json]:
    spelled, made = members(shape), {}
    for spelling, item in value.items():
        name = spelled.get(spelling)
        if name is None:
            problems.append(_unknown(spelling))
        elif item is not None:
            made[name] = _value(shape.members[name], item, spelling, problems)
    return made


def _unknown(name: str) -> str:
    return f'The field "{name}" is not supported by Step Functions'


def _value(shape: Shape, value: Any, name: str, problems: list[str]) -> Any:
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return value
    if kind == "blob":
        return _bytes(value)
    value = _converted(shape, value)
    if not _fits(kind, value):
        problems.append(f"The value for the field '{name}' must be {_SAID.get(kind, 'a STRING')}")
        return value
    if isinstance(shape, StructureShape):
        return _structure(shape, value, problems)
    if isinstance(shape, ListShape):
        return [_value(shape.member, item, name, problems) for item in value if item is not None]
    if isinstance(shape, MapShape):
        return {key: _value(shape.value, item, key, problems) for key, item in value.items() if item is not None}
    return int(value) if kind in _WHOLE else value


_WHOLE = frozenset({"integer", "long"})
_SAID: Mapping[str, str] = {
    "structure": "an OBJECT",
    "map": "an OBJECT",
    "list": "an ARRAY",
    "boolean": "a BOOLEAN",
    **dict.fromkeys(("integer", "long", "float", "double"), "a NUMBER"),
}


def _fits(kind: str, value: Any) -> bool:
    match kind:
        case "structure" | "map":
            return isinstance(value, dict)
        case "list":
            return isinstance(value, list)
        case "boolean":
            return isinstance(value, bool)
        case "integer" | "long":
            return is_number(value) and (isinstance(value, int) or value.is_integer())
        case "float" | "double":
            return is_number(value)
        case "timestamp":
            return isinstance(value, str) or is_number(value)
        case _:
            return isinstance(value, str)


def _converted(shape: Shape, value: Any) -> Any:
    """Returns what Step Functions makes of a value of another type than its member's; else the value.

    | member | value | becomes | source |
    |---|---|---|---|
    | boolean | `"true"`, `"false"` | the boolean | `{"BOOL": "false"}` in definitions of aws-samples |
    | AttributeValue of DynamoDB | a text | `{"S": text}` | the same; the SDK's AttributeValue(String) |
    | text that is free (no values or pattern listed) | an object or array | its JSON | localstack#9872, #10174 |
    | S of an AttributeValue | an object | refused | recorded: "must be a STRING" |
    """
    kind = shape.type_name
    if kind == "boolean" and isinstance(value, str):
        return _BOOLEANS.get(value.strip().lower(), value)
    if shape.name == _ATTRIBUTE and isinstance(value, str):
        return {"S": value}
    if kind == "string" and isinstance(value, dict | list) and _is_free(shape):
        return encode(value)
    return value


_BOOLEANS = {"true": True, "false": False}
_ATTRIBUTE, _OF_ATTRIBUTES = "AttributeValue", frozenset({"StringAttributeValue", "NumberAttributeValue"})


def _is_free(shape: Shape) -> bool:
    """Tells whether a member holds any text; models say of ARNs by their shapes' names alone that they do not."""
    listed = shape.metadata.get("enum") or "pattern" in shape.metadata
    return not listed and shape.name not in _OF_ATTRIBUTES and not shape.name.lower().endswith("arn")


def _bytes(value: Any) -> bytes:
    """Returns a text as it is; anything else as its JSON."""
    return (value if isinstance(value, str) else encode(value)).encode("utf-8", "surrogatepass")


def missing(shape: StructureShape | None, made: Mapping[str, Json]) -> list[str]:
    """Returns the required members that a request has not."""
    return [] if shape is None else [name for name in shape.required_members if made.get(name) is None]


# Answers.

Spelling = Callable[[str], str]


def sdk_time(moment: datetime) -> str:
    """ISO 8601 in UTC, with the fraction that there is."""
    moment = moment.astimezone(UTC)
    fraction = f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def milliseconds(moment: datetime | float) -> int:
    """Since 1970."""
    return round((moment.timestamp() if isinstance(moment, datetime) else moment) * 1000)


def result(shape: Shape | None, value: Any, *, sdk: bool) -> Any:
    """Returns what botocore answered, as a task's result."""
    return {} if shape is None else _result(shape, value, sdk)


def _result(shape: Shape, value: Any, sdk: bool) -> Any:
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        spell = naming.sdk_member if sdk else naming.capitalized
        return {
            spell(name): _result(member, value[name], sdk)
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_result(shape.member, item, sdk) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {str(key): _result(shape.value, item, sdk) for key, item in value.items()}
    if isinstance(value, datetime):
        return sdk_time(value) if sdk else milliseconds(value)
    return text(value) if isinstance(value, bytes | bytearray) else value


def text(value: bytes | bytearray) -> str:
    """Bytes that are no UTF-8 are told in base64."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def body(stream: Any, most: int) -> bytes | None:
    """Returns all of a streamed body; None where it is longer than `most` bytes. Raises Unreachable."""
    held = b""
    try:
        # To its end, which is where a body that was cut off is noticed.
        while len(held) <= most and (part := stream.read(most + 1 - len(held))):
            held += part
    except _BROKEN as error:
        raise Unreachable(None, str(error)) from error
    finally:
        stream.close()
    return held if len(held) <= most else None
