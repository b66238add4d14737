"""The values of a pipeline definition: `Get`, `Std:Join` and `Std:JsonGet`, over what an execution knows so far.

Pure but for reading property files, which arrives as an argument.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from local.documents import Json
from local.sagemaker.wire.errors import WorkFailed

_FUNCTIONS = ("Get", "Std:Join", "Std:JsonGet")
EXECUTION_VARIABLES = frozenset(
    {
        "PipelineName", "PipelineArn", "PipelineExecutionId", "PipelineExecutionArn", "StartDateTime",
        "CurrentDateTime", "TrainingJobName", "ProcessingJobName",
    }
)  # fmt: skip
# name, ['name'], ["name"] or [0], one after the other with dots between names.
_PART = re.compile(r"""\.?(?:([^.\[\]'"]+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\])""")
# The member that tells the items of a list apart, where a reference names an item by a string.
_KEYS = ("OutputName", "InputName", "ChannelName", "MetricName", "Name")


class ExpressionError(WorkFailed):
    """An expression has no value."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What expressions see."""

    parameters: Mapping[str, Json]
    execution: Mapping[str, str]
    """Execution.<name>: PipelineExecutionId, PipelineName, StartDateTime ..."""
    steps: Mapping[str, Json]
    """Properties of each finished step, as its Describe operation answers them."""
    read_property_file: Callable[[str, str], str] = field(default=lambda _step, name: _unreadable(name))
    """(step, property file) -> its text. Raises WorkFailed."""
    read_object: Callable[[str], str] = field(default=lambda uri: _unreadable(uri))
    """S3 location -> its text. Raises WorkFailed."""


def _unreadable(what: str) -> str:
    raise ExpressionError(f"{what!r} cannot be read here")


def is_expression(value: object) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _FUNCTIONS


def evaluate(value: Json, scope: Scope) -> Json:
    """Returns `value` with every expression in it replaced by what it stands for. Raises ExpressionError."""
    if isinstance(value, list):
        return [evaluate(item, scope) for item in value]
    if not isinstance(value, dict):
        return value
    if not is_expression(value):
        return {name: evaluate(item, scope) for name, item in value.items()}
    ((function, argument),) = value.items()
    match function:
        case "Get":
            return _get(str(argument), scope)
        case "Std:Join":
            words = [_text(evaluate(item, scope)) for item in argument["Values"]]
            return str(argument["On"]).join(words)
        case _:
            return _json_get(argument, scope)


def _text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def _get(path: str, scope: Scope) -> Json:
    parts = split(path)
    roots: Mapping[str, Mapping[str, Json]] = {
        "Parameters": scope.parameters,
        "Execution": scope.execution,
        "Steps": scope.steps,
    }
    if len(parts) < 2 or parts[0] not in roots:
        raise ExpressionError(f"Get {path!r} is not a reference to Parameters, Execution or Steps")
    root = roots[str(parts[0])]
    if parts[1] not in root:
        raise ExpressionError(f"Get {path!r}: there is no {parts[1]!r}")
    return _walk(root[str(parts[1])], parts[2:], path)


def _json_get(argument: Mapping[str, Json], scope: Scope) -> Json:
    path = str(evaluate(argument["Path"], scope))
    if "PropertyFile" in argument:
        reference = argument["PropertyFile"]
        parts = split(str(reference["Get"] if isinstance(reference, dict) else reference))
        if len(parts) != 4 or parts[0] != "Steps" or parts[2] != "PropertyFiles":
            raise ExpressionError(f"Std:JsonGet: {reference!r} is not Steps.<step>.PropertyFiles.<name>")
        where = f"property file {parts[3]!r} of step {parts[1]!r}"
        text = scope.read_property_file(str(parts[1]), str(parts[3]))
    else:
        where = str(evaluate(argument["S3Uri"], scope))
        text = scope.read_object(where)
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ExpressionError(f"Std:JsonGet: the {where} is not JSON: {error}") from error
    return _walk(document, split(path.removeprefix("$")), f"{path} in the {where}")


def split(path: str) -> list[str | int]:
    """Splits `a.b[0]['c']` into [a, b, 0, c]. Raises ExpressionError."""
    parts: list[str | int] = []
    position = 0
    while position < len(path):
        match = _PART.match(path, position)
        if match is None:
            raise ExpressionError(f"{path!r} is not a path (at {path[position:]!r})")
        name, index, single, double = match.groups()
        parts.append(int(index) if index is not None else next(x for x in (name, single, double) if x is not None))
        position = match.end()
    return parts


def _walk(value: Json, parts: list[str | int], path: str) -> Json:
    for part in parts:
        member = _member(value, part)
        if member is _NOTHING:
            raise ExpressionError(f"{path!r}: there is no {part!r}")
        value = member
    return value


_NOTHING = object()


def _member(value: Json, part: str | int) -> Json:
    if isinstance(value, dict):
        return value.get(str(part), _NOTHING)
    if isinstance(value, list) and isinstance(part, int):
        return value[part] if part < len(value) else _NOTHING
    if isinstance(value, list):
        # Steps.P.ProcessingOutputConfig.Outputs['train']: by the member that names the item.
        named = (item for item in value if isinstance(item, dict) and part in (item.get(key) for key in _KEYS))
        return next(named, _NOTHING)
    return _NOTHING


def references(value: Json) -> Iterator[str]:
    """Yields every `Get` path in `value`, those of property files too."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if (name == "Get" and isinstance(item, str) and len(value) == 1) or (
                name == "PropertyFile" and isinstance(item, str)
            ):
                yield item
            else:
                yield from references(item)
