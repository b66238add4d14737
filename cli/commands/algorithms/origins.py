"""Where each value of a resolved specification comes from: a line of algorithm.yaml, or the schema's default."""

from collections.abc import Iterator
from typing import Final

import yaml

from pipelines.documents import Json

DEFAULT: Final = "default"


def leaves(document: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yields every value of a document that is no mapping, under its dotted path; empty mappings count as values."""
    if isinstance(document, dict) and document:
        for key, value in document.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, document


def lines(text: str) -> dict[str, int]:
    """Returns the line, from 1, of every key of a YAML mapping, by dotted path. The text must be well-formed."""
    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    return dict(_keys(node, "")) if isinstance(node, yaml.MappingNode) else {}


def _keys(node: yaml.MappingNode, path: str) -> Iterator[tuple[str, int]]:
    for key, value in node.value:
        below = f"{path}.{key.value}" if path else str(key.value)
        yield below, key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            yield from _keys(value, below)


def origins(document: Json, text: str, file: str) -> dict[str, str]:
    """Returns `file:line` for each leaf of a resolved document, or `default` where the file says nothing of it."""
    numbers = lines(text)
    return {path: f"{file}:{numbers[path]}" if path in numbers else DEFAULT for path, _ in leaves(document)}
