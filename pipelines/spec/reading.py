"""The content of an algorithm.yaml -> its specification, or all that is wrong with it. `catalogue` asks for it."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pipelines.documents import Document
from pipelines.problems import expected
from pipelines.spec import AlgorithmSpec, yaml_text
from pipelines.spec.rules import Finding, findings
from pipelines.spec.wording import at, described, keys_of, patterns_of, required, schema_of


def parse(content: bytes, folder: Path) -> tuple[AlgorithmSpec | None, list[Finding]]:
    """Returns the specification in a file's content, or None, with every problem as (dotted path, text)."""
    document, problems = yaml_text.read(content)
    if not isinstance(document, dict):
        return None, problems or [("", expected("a mapping of keys", document))]
    sections, refused = _validated(document)
    problems += [*refused, *_unknown(document), *_missing(document)]
    broken = frozenset(key for key in _sections() if key not in sections and (key in document or key in required()))
    problems += findings(AlgorithmSpec.model_construct(**sections), folder, broken)
    return (None if problems else AlgorithmSpec.of(document)), problems


def _validated(document: Document) -> tuple[Document, list[Finding]]:
    """Returns the sections that are in order, and what is wrong with the others."""
    sections: Document = {}
    problems: list[Finding] = []
    for key, adapter in _sections().items():
        if key in document:
            try:
                sections[key] = adapter.validate_json(json.dumps(document[key]), strict=True)
            except ValidationError as error:
                problems += [_finding(key, detail) for detail in error.errors()]
    return sections, problems


@cache
def _sections() -> dict[str, TypeAdapter[Any]]:
    # One adapter a key, so that one broken section leaves the others to be read and checked.
    fields = AlgorithmSpec.model_fields.items()
    return {field.alias or name: TypeAdapter(field.rebuild_annotation()) for name, field in fields}


def _unknown(document: Document) -> Iterator[Finding]:
    for key in document:
        if key not in _sections():
            yield key, expected(f"one of the keys {', '.join(_sections())}", key)


def _missing(document: Document) -> Iterator[Finding]:
    for key in required():
        if key not in document:
            yield key, expected(described(schema_of(key)), None)


def _finding(key: str, detail: ErrorDetails) -> Finding:
    steps = [key, *detail["loc"]]
    schema, path = at(steps)
    match detail["type"]:
        case "rule":
            below = detail["ctx"]["at"]
            return (f"{path}.{below}" if below else path), detail["ctx"]["text"]
        case "extra_forbidden":
            parent, _ = at(steps[:-1])
            return path, expected(f"one of the keys {keys_of(parent)}", steps[-1])
        case "missing":
            return path, expected(described(schema), None)
    if detail["loc"] and detail["loc"][-1] == "[key]":
        mapping, _ = at(steps[:-2])
        return path, f"expected a name like this: {patterns_of(mapping)}"
    return path, expected(described(schema), detail["input"])
