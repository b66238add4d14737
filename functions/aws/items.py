"""Plain values to DynamoDB's attribute values and back, for the low-level client.

Only the types our tables hold: strings, integers, booleans, null, lists, maps, and sets of strings (a frozenset;
DynamoDB has no empty set, so an empty one is left out of an item).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Value: TypeAlias = "str | int | bool | list[Any] | dict[str, Any] | frozenset[str] | None"
AttributeValue: TypeAlias = "AttributeValueTypeDef"


def to_value(value: Value) -> AttributeValue:
    """Returns one attribute value, e.g. `"a"` -> `{"S": "a"}`."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case frozenset():
            return {"SS": sorted(value)}
        case list():
            return cast("AttributeValue", {"L": [to_value(item) for item in value]})
        case dict():
            return cast("AttributeValue", {"M": to_item(value)})


def to_item(values: Mapping[str, Value]) -> dict[str, AttributeValue]:
    """Returns a whole item; an empty set is left out."""
    return {name: to_value(value) for name, value in values.items() if value != frozenset()}


def from_value(attribute: Mapping[str, Any]) -> Any:
    """Returns the plain value of one attribute value."""
    ((kind, value),) = attribute.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return int(value)
        case "SS":
            return frozenset(value)
        case "L":
            return [from_value(item) for item in value]
        case "M":
            return from_item(value)
        case _:
            return value


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: from_value(attribute) for name, attribute in item.items()}
