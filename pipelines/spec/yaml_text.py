"""YAML text -> plain data, with YAML 1.2's scalars (so `on:` is a key, not true) and every oddity refused.

Duplicate keys, aliases, tags and multiple documents have no use in algorithm.yaml and several ways to mislead a reader.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.composer import Composer
from yaml.resolver import Resolver

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
"""Levels of nesting: ten times what any key needs, and far from the interpreter's own limit."""
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}

Data = object
"""None, bool, int, float, str, list or dict with text keys, nested."""


@dataclass(slots=True)
class _Reader:
    problems: list[tuple[str, str]] = field(default_factory=list)
    """(dotted path, text) of everything refused."""
    seen: set[int] = field(default_factory=set)

    def data(self, node: yaml.Node, path: str) -> Data:
        if id(node) in self.seen:
            self.refuse(path, node, "expected the value itself, found a YAML alias")
            return None
        self.seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.data(item, f"{path}[{index}]") for index, item in enumerate(node.value)]
        return self.scalar(node, path)

    def mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Data]:
        result: dict[str, Data] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.refuse(path, key_node, "expected a key of plain text, found a nested value")
                continue
            key = key_node.value
            below = f"{path}.{key}" if path else key
            if key in result:
                self.refuse(below, key_node, "expected the key once, found it again")
            result[key] = self.data(value_node, below)
        return result

    def scalar(self, node: yaml.Node, path: str) -> Data:
        text = str(node.value)
        if any("\ud800" <= character <= "\udfff" for character in text):
            self.refuse(path, node, "expected Unicode text, found half of a surrogate pair")
            return ""
        # No style is plain: None by one scanner, empty by the other.
        quoted = isinstance(node, yaml.ScalarNode) and bool(node.style)
        return text if quoted else plain_scalar(text)

    def refuse(self, path: str, node: yaml.Node, text: str) -> None:
        self.problems.append((path, f"{text} (line {node.start_mark.line + 1})"))


def plain_scalar(text: str) -> bool | int | float | str | None:
    """Reads an unquoted scalar by YAML 1.2's core rules, without hexadecimal, octal, infinities and NaN."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


class _Composer(Composer):
    """Composes nodes; tags and deep nesting are refused before any constructor could run."""

    depth = 0
    peek_event: Callable[[], Any]

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()
        if self.depth >= MAX_DEPTH:
            problem = f"expected at most {MAX_DEPTH} levels of nesting, found more"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        if getattr(event, "tag", None) not in (None, "!"):
            raise yaml.MarkedYAMLError(problem=f"expected no tag, found {event.tag}", problem_mark=event.start_mark)
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Loader(_Composer, yaml.SafeLoader):
    """The scanner whose words a person reads."""


class _Unscanned(_Composer, Resolver):
    """Without a scanner of its own: that one is libyaml's, where PyYAML has it, and five times as fast."""

    def __init__(self, content: bytes) -> None:
        Composer.__init__(self)
        Resolver.__init__(self)
        scanner: Any = yaml.CSafeLoader(content)
        self.check_event, self.peek_event, self.get_event = (
            scanner.check_event,
            scanner.peek_event,
            scanner.get_event,
        )


def _node(content: bytes) -> yaml.Node | None:
    """Returns the document's root. Raises yaml.YAMLError, UnicodeDecodeError and ValueError."""
    # They disagree about tabs: a file may not be in order on one machine and broken on another.
    if yaml.__with_libyaml__ and b"\t" not in content:
        try:
            return _Unscanned(content).get_single_node()
        except (yaml.YAMLError, UnicodeDecodeError, ValueError):
            # Read again, for the words.
            pass
    return _Loader(content).get_single_node()


def read(content: bytes) -> tuple[Data, list[tuple[str, str]]]:
    """Returns the data of one YAML document and what is wrong with it, as (dotted path, text) pairs.

    Never raises for any content; data is None when the text is no YAML at all.
    """
    if len(content) > MAX_BYTES:
        return None, [("", f"expected at most {MAX_BYTES} bytes, found {len(content)}")]
    try:
        node = _node(content)
    except yaml.MarkedYAMLError as error:
        return None, [("", _syntax(error))]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return None, [("", f"expected UTF-8 text, found {' '.join(str(error).split())}")]
    except ValueError as error:
        return None, [("", f"expected YAML, found what its reader cannot read: {error}")]
    if node is None:
        return None, []
    reader = _Reader()
    return reader.data(node, ""), reader.problems


def _syntax(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{line}{error.problem or error.context or 'not YAML'}"
