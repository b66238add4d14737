"""What a key of algorithm.yaml has to be, in words: read from the JSON Schema, so that they say what the types say."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TypeAlias

from pipelines.documents import Document
from pipelines.spec import AlgorithmSpec

Schema: TypeAlias = Document
"""A JSON Schema or a part of one."""

_TYPES = {
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


@cache
def _whole() -> Schema:
    return AlgorithmSpec.model_json_schema()


def required() -> list[str]:
    """Returns the top-level keys that every file has."""
    keys: list[str] = _whole()["required"]
    return keys


def schema_of(key: str) -> Schema:
    """Returns the schema of a top-level key."""
    schema: Schema = _whole()["properties"][key]
    return schema


def at(steps: Sequence[str | int]) -> tuple[Schema, str]:
    """Returns the schema where pydantic points, and the dotted path; members of unions are no part of a path."""
    schema = _whole()
    path = ""
    for step in steps:
        below = _below(schema, step)
        if below is None:
            if isinstance(step, str) and step != "[key]" and "properties" in _resolved(schema):
                path = f"{path}.{step}"
            break
        schema = below
        path = f"{path}[{step}]" if isinstance(step, int) else f"{path}.{step}"
    return _resolved(schema), path.removeprefix(".")


def _below(schema: Schema, step: str | int) -> Schema | None:
    schema = _resolved(schema)
    if isinstance(step, int):
        items: Schema | None = schema.get("items")
        return items
    if step in schema.get("properties", {}):
        member: Schema = schema["properties"][step]
        return member
    for open_keys in (*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")):
        if isinstance(open_keys, dict) and step != "[key]":
            return open_keys
    return None


def _resolved(schema: Schema) -> Schema:
    """Returns a schema without its reference and without the null of an optional key."""
    if "$ref" in schema:
        definition: Schema = _whole()["$defs"][schema["$ref"].rpartition("/")[2]]
        return definition
    members = [member for member in schema.get("anyOf", []) if member.get("type") != "null"]
    return _resolved(members[0]) if len(members) == 1 else schema


def keys_of(mapping: Schema) -> str:
    """Names the keys that a mapping may have."""
    return ", ".join(mapping.get("properties", {}))


def patterns_of(mapping: Schema) -> str:
    """Tells what the keys of an open mapping have to match."""
    return ", ".join(mapping.get("patternProperties", {})) or str(mapping.get("propertyNames", "text"))


def described(schema: Schema) -> str:
    """Says a schema in words: `an integer >= 1`, `one of none, async`."""
    schema = _resolved(schema)
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(described(member) for member in schema["anyOf"]))
    kind: str = schema.get("type", "a value")
    return " ".join([_TYPES.get(kind, kind), *_bounds(schema)])


def _bounds(schema: Schema) -> Iterator[str]:
    limits = [f"{sign} {schema[key]}" for key, sign in (("minimum", ">="), ("maximum", "<=")) if key in schema]
    if limits:
        yield " and ".join(limits)
    if "multipleOf" in schema:
        yield f"in steps of {schema['multipleOf']}"
    if "pattern" in schema:
        yield f"matching {schema['pattern']}"
    if "maxLength" in schema:
        yield f"of {schema.get('minLength', 0)} to {schema['maxLength']} characters"
    if schema.get("minItems"):
        yield f"of at least {schema['minItems']}"
