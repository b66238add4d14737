"""Which variables each state refers to: the variableReferences of DescribeStateMachine."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from local.documents import Json

_REFERENCE = re.compile(r"(?<![\w$.'\"])\$([A-Za-z_]\w*)(?!\w*\s*\()")
_BOUND = re.compile(r"\$(\w+)\s*:=")
_PARAMETERS = re.compile(r"(?:function|λ)\s*\(([^)]*)\)")
_STATES = "states"


def references(definition: str) -> dict[str, list[str]]:
    """Lists the variables of a valid definition by state; states that refer to none are left out."""
    names_of: dict[str, list[str]] = {}
    for name, state in _states(json.loads(definition)):
        names = dict.fromkeys(name for text in _texts(state) for name in _referred(text))
        if names:
            names_of[name] = list(names)
    return names_of


def _states(flow: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    for name, state in flow.get("States", {}).items():
        yield name, state
        for inner in (state.get("ItemProcessor"), state.get("Iterator"), *state.get("Branches", ())):
            if isinstance(inner, dict):
                yield from _states(inner)


def _texts(value: Any, field: str = "") -> Iterator[str]:
    """Yields the state's own expressions, without those of states inside it."""
    match value:
        case str() if value.lstrip().startswith("{%") or field.endswith((".$", "Path")) or field == "Variable":
            yield value
        case list():
            for item in value:
                yield from _texts(item, field)
        case dict() if "StartAt" not in value:
            for name, item in value.items():
                yield from _texts(item, name)


def _referred(text: str) -> list[str]:
    if text.lstrip().startswith("{%"):
        own = {_STATES, *_BOUND.findall(text)}
        for parameters in _PARAMETERS.findall(text):
            own.update(re.findall(r"\$(\w+)", parameters))
        return [name for name in _REFERENCE.findall(text) if name not in own]
    return _REFERENCE.findall(text)
