"""A folder of algorithms -> specifications, or every problem at once. `compile` turns each into a definition."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from pipelines.problems import CatalogueError, Problem, expected
from pipelines.spec import AlgorithmSpec, DeployMode
from pipelines.spec.rules import findings
from pipelines.spec.yaml_text import read

FILE_NAME: Final = "algorithm.yaml"
_ANSWERS_AT_ONCE: Final = frozenset({DeployMode.REALTIME, DeployMode.SERVERLESS})


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A specification and the folder its paths are relative to."""

    spec: AlgorithmSpec
    folder: Path

    @property
    def name(self) -> str:
        """The algorithm's name, which is its folder's."""
        return self.spec.name


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The algorithms that are in order, by name, and what is wrong with the others."""

    algorithms: tuple[Algorithm, ...]
    problems: tuple[Problem, ...]

    def checked(self) -> tuple[Algorithm, ...]:
        """All algorithms; raises CatalogueError when there is any problem."""
        if self.problems:
            raise CatalogueError(self.problems)
        return self.algorithms


def load_catalogue(folder: Path) -> Catalogue:
    """Every algorithm of a folder. Files are named in problems as `<folder>/<algorithm>/algorithm.yaml`."""
    if not folder.is_dir():
        return Catalogue((), (Problem(folder.name, "", expected("a folder of algorithms", None)),))
    algorithms: list[Algorithm] = []
    problems: list[Problem] = []
    for place in sorted(folder.iterdir()):
        if place.is_dir() and not place.name.startswith((".", "_")):
            algorithm, found = load_algorithm(place)
            problems.extend(found)
            if algorithm is not None and not found:
                algorithms.append(algorithm)
    chained = [problem for algorithm in algorithms for problem in _chain_problems(algorithm, algorithms, folder)]
    unchained = {problem.file for problem in chained}
    kept = tuple(algorithm for algorithm in algorithms if shown_as(algorithm.folder) not in unchained)
    return Catalogue(kept, tuple(sorted([*problems, *chained], key=lambda problem: problem.file)))


def _chain_problems(algorithm: Algorithm, others: Sequence[Algorithm], folder: Path) -> Iterator[Problem]:
    """Links of a chain to what answers nothing. A broken algorithm's own problems say enough of it."""
    chain = algorithm.spec.chain
    if chain is None:
        return
    known = {other.name: other.spec for other in others}
    for link, name in (("detect", chain.detect.algorithm), ("read", chain.read.algorithm)):
        spec = known.get(name)
        if spec is None and (folder / name / FILE_NAME).is_file():
            continue
        if spec is None or spec.deploy.mode not in _ANSWERS_AT_ONCE:
            what = "the name of an algorithm with a realtime or serverless endpoint"
            yield Problem(shown_as(algorithm.folder), f"chain.{link}.algorithm", expected(what, name))


def load_algorithm(folder: Path) -> tuple[Algorithm | None, tuple[Problem, ...]]:
    """One algorithm's folder: the algorithm, or None, and every problem. Never raises for what the file holds."""
    file = shown_as(folder)
    try:
        content = (folder / FILE_NAME).read_bytes()
    except OSError as error:
        return None, (Problem(file, "", f"expected a readable file, found {error.strerror}"),)
    spec, found = parse(content, folder)
    problems = tuple(Problem(file, path, text) for path, text in dict.fromkeys(found))
    return (None if spec is None else Algorithm(spec, folder)), problems


def shown_as(folder: Path) -> str:
    """How problems name an algorithm's file."""
    return f"{folder.parent.name}/{folder.name}/{FILE_NAME}"


def parse(content: bytes, folder: Path) -> tuple[AlgorithmSpec | None, list[tuple[str, str]]]:
    """The specification in a file's content, or None, with every problem as (dotted path, text)."""
    data, found = read(content)
    if not isinstance(data, dict):
        return None, found or [("", expected("a mapping of keys", data))]
    values: dict[str, Any] = {}
    for key, adapter in _sections().items():
        if key in data:
            try:
                values[key] = adapter.validate_json(json.dumps(data[key]), strict=True)
            except ValidationError as error:
                found += [_finding(key, detail) for detail in error.errors()]
    found += [*_unknown(data), *_missing(data)]
    broken = frozenset(key for key in _sections() if key not in values and (key in data or key in _required()))
    partial = AlgorithmSpec.model_construct(**values)
    found += list(findings(partial, folder, broken))
    return (None if found else AlgorithmSpec.of(data)), found


@cache
def _sections() -> dict[str, TypeAdapter[Any]]:
    # One adapter a key, so that one broken section leaves the others to be read and checked.
    fields = AlgorithmSpec.model_fields.items()
    return {field.alias or name: TypeAdapter(field.rebuild_annotation()) for name, field in fields}


@cache
def _schema() -> dict[str, Any]:
    return AlgorithmSpec.model_json_schema()


def _required() -> list[str]:
    required: list[str] = _schema()["required"]
    return required


def _unknown(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in data:
        if key not in _sections():
            yield key, expected(f"one of the keys {', '.join(_sections())}", key)


def _missing(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in _required():
        if key not in data:
            yield key, expected(_described(_schema()["properties"][key]), None)


def _finding(key: str, detail: ErrorDetails) -> tuple[str, str]:
    steps = [key, *(step for step in detail["loc"])]
    schema, path = _walk(steps)
    match detail["type"]:
        case "rule":
            below = detail["ctx"]["at"]
            return (f"{path}.{below}" if below else path), detail["ctx"]["text"]
        case "extra_forbidden":
            parent, _ = _walk(steps[:-1])
            return path, expected(f"one of the keys {', '.join(parent.get('properties', {}))}", steps[-1])
        case "missing":
            return path, expected(_described(schema), None)
    if detail["loc"] and detail["loc"][-1] == "[key]":
        return path, f"expected a name like this: {_pattern_above(steps)}"
    return path, expected(_described(schema), detail["input"])


def _walk(steps: list[str | int]) -> tuple[dict[str, Any], str]:
    """The schema at the end of pydantic's location, and the dotted path; members of unions are no part of a path."""
    schema: dict[str, Any] = _schema()
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


def _below(schema: dict[str, Any], step: str | int) -> dict[str, Any] | None:
    schema = _resolved(schema)
    if isinstance(step, int):
        items: dict[str, Any] | None = schema.get("items")
        return items
    if step in schema.get("properties", {}):
        found: dict[str, Any] = schema["properties"][step]
        return found
    for open_keys in (*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")):
        if isinstance(open_keys, dict) and step != "[key]":
            return open_keys
    return None


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without its reference and without the null of an optional key."""
    if "$ref" in schema:
        found: dict[str, Any] = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
        return found
    members = [member for member in schema.get("anyOf", []) if member.get("type") != "null"]
    return _resolved(members[0]) if len(members) == 1 else schema


def _pattern_above(steps: list[str | int]) -> str:
    schema, _ = _walk(steps[:-2])
    return ", ".join(schema.get("patternProperties", {})) or str(schema.get("propertyNames", "text"))


def _described(schema: dict[str, Any]) -> str:
    """A schema in words: `an integer >= 1`, `one of none, async`."""
    schema = _resolved(schema)
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_described(member) for member in schema["anyOf"]))
    kind = schema.get("type", "a value")
    words = {
        "integer": "an integer",
        "number": "a number",
        "string": "text",
        "boolean": "true or false",
        "array": "a list",
        "object": "a mapping",
        "null": "null",
    }
    return " ".join([words.get(kind, kind), *_bounds(schema)])


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
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
