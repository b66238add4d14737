"""A state machine's definition as a file: JSON, or YAML that says the same.

CloudFormation's DefinitionS3Location and SAM's DefinitionUri take both
(https://docs.aws.amazon.com/step-functions/latest/dg/development-options.html). Only what JSON can say is read of
YAML: a date stays the text that it was written as, `yes` and `on` are words, and anchors may not make more of a file
than it says.
"""

import json
import re

import yaml

from local.documents import Json

_MOST_NODES = 100_000
_DEEPEST = 200
_READ_OTHERWISE = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")


class DefinitionUnreadable(ValueError):
    """The message says where the text is neither JSON nor YAML."""


class _Loader(yaml.CSafeLoader):
    """YAML's core schema, which is JSON's: no dates, and two words for truth."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _READ_OTHERWISE]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, list("tTfF"))


def read(text: str) -> Json:
    """Returns what a definition's text says.

    Raises:
        DefinitionUnreadable: it is neither JSON nor YAML, or grows beyond 100,000 values by its anchors.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("{"):
            raise DefinitionUnreadable(f"not valid JSON: {error}") from error
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        _count(node, _MOST_NODES, 0)
        value = loader.construct_document(node) if node is not None else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DefinitionUnreadable(f"neither JSON nor YAML: {error}") from error
    finally:
        loader.dispose()
    if not isinstance(value, dict):
        raise DefinitionUnreadable("neither JSON nor YAML: an object with StartAt and States is expected")
    return value


def as_json(text: str) -> str:
    """Returns a definition's text as JSON; JSON, and what is neither, as it is: Step Functions says what is wrong."""
    if text.lstrip().startswith("{"):
        return text
    try:
        return json.dumps(read(text))
    except (DefinitionUnreadable, TypeError, ValueError):
        return text


def _count(node: yaml.Node | None, left: int, depth: int) -> int:
    """Returns how many more values there may be, a value that is named twice counted twice."""
    if left <= 0 or depth > _DEEPEST:
        raise DefinitionUnreadable(f"more than {_MOST_NODES:,} values, or deeper than {_DEEPEST}")
    left -= 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            left = _count(value, _count(key, left, depth + 1), depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            left = _count(value, left, depth + 1)
    return left
