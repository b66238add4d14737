"""template.yaml as data: its resources by type, and any value as the text AWS would see in a stage and a partition."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: `!Sub x` reads as {"Fn::Sub": "x"}."""


def _short_form(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    match node:
        case yaml.ScalarNode():
            value = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            value = loader.construct_mapping(node, deep=True)
        case _:
            raise TypeError(f"!{name}: neither scalar, sequence nor mapping")
    if name == "GetAtt":
        value = str(value).split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _short_form)


@dataclass(frozen=True, slots=True)
class Resource:
    logical_id: str
    type: str
    properties: Mapping[str, Any]
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Template:
    """The parsed document; `pseudo` holds the values that AWS fills in."""

    document: Mapping[str, Any]
    pseudo: Mapping[str, str] = field(
        default_factory=lambda: {
            "AWS::Partition": "aws",
            "AWS::Region": "us-east-1",
            "AWS::AccountId": "000000000000",
            "AWS::URLSuffix": "amazonaws.com",
            "Stage": "dev",
        }
    )

    def resources(self, kind: str) -> dict[str, Resource]:
        return {name: one for name, one in self.all_resources().items() if one.type == kind}

    def all_resources(self) -> dict[str, Resource]:
        return {
            name: Resource(name, body["Type"], body.get("Properties", {}), body)
            for name, body in self.document["Resources"].items()
        }

    def __getitem__(self, logical_id: str) -> Resource:
        return self.all_resources()[logical_id]

    def text(self, value: Any) -> Any:
        """`value` with parameters filled in and references to resources as `<LogicalId>` or `<LogicalId.Attr>`."""
        match value:
            case {"Ref": str(name)}:
                return self._reference(name)
            case {"Fn::GetAtt": [name, attribute]}:
                return f"<{name}.{attribute}>"
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^}]+)\}", lambda found: self._reference(found[1]), text)
            case dict():
                return {key: self.text(one) for key, one in value.items()}
            case list():
                return [self.text(one) for one in value]
            case _:
                return value

    def _reference(self, name: str) -> str:
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.document["Parameters"]:
            return str(self.document["Parameters"][name].get("Default", ""))
        return f"<{name}>"


@dataclass(frozen=True, slots=True)
class Statement:
    """One IAM statement of an identity policy: who has it, and what it says."""

    owner: str
    sid: str
    effect: str
    actions: frozenset[str]
    resources: frozenset[str]
    condition: Mapping[str, Any]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(template: Template) -> Iterator[Statement]:
    """Every statement that a role, function, state machine or managed policy of the template holds."""
    for resource in template.all_resources().values():
        for document in _policy_documents(resource):
            for one in document["Statement"]:
                yield Statement(
                    owner=resource.logical_id,
                    sid=one["Sid"],
                    effect=one["Effect"],
                    actions=frozenset(as_list(one["Action"])),
                    resources=frozenset(template.text(as_list(one["Resource"]))),
                    condition=template.text(one.get("Condition", {})),
                )


def _policy_documents(resource: Resource) -> Iterator[Mapping[str, Any]]:
    match resource.type:
        case "AWS::IAM::ManagedPolicy":
            yield resource.properties["PolicyDocument"]
        case "AWS::IAM::Role":
            yield from (policy["PolicyDocument"] for policy in resource.properties["Policies"])
        case "AWS::Serverless::Function" | "AWS::Serverless::StateMachine":
            yield from (policy for policy in resource.properties["Policies"] if "Statement" in policy)
        case _:
            return


def walk(value: Any) -> Iterator[Any]:
    """Every scalar in a nested value, keys included."""
    match value:
        case dict():
            for key, one in value.items():
                yield key
                yield from walk(one)
        case list():
            for one in value:
                yield from walk(one)
        case _:
            yield value


@cache
def template() -> Template:
    return Template(yaml.load((ROOT / "template.yaml").read_text(), Loader=_Loader))
