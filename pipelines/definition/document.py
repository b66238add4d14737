"""A definition as a JSON document: its one text, its steps, and what they are called and run."""

import json
from collections.abc import Iterator
from typing import Final

from pipelines.documents import Document, Json

_FIRST: Final = {"Version": 0, "Name": 1, "Type": 2, "Parameters": 3}


def canonical(definition: Document) -> str:
    """Returns a definition's one text: keys in alphabetical order, but a step's or parameter's name and type first."""
    return json.dumps(_ordered(definition), separators=(",", ":"), ensure_ascii=False)


def _ordered(value: Json) -> Json:
    match value:
        case dict():
            keys = sorted(value, key=lambda key: (_FIRST.get(key, len(_FIRST)), key))
            return {key: _ordered(value[key]) for key in keys}
        case list():
            return [_ordered(item) for item in value]
        case _:
            return value


def renamed(definition: Document, old: str, new: str) -> Document:
    """Returns the definition with a step named `new` instead of `old`, wherever it is named or referred to.

    The SDK adds a suffix to the steps of a ModelStep; job rows, events and people see the plain name.
    """

    def walk(value: Json) -> Json:
        match value:
            case dict():
                return {key: _reference(key, walk(below), old, new) for key, below in value.items()}
            case list():
                return [walk(item) for item in value]
            case _:
                return value

    result: Document = walk(definition)
    return result


def _reference(key: str, value: Json, old: str, new: str) -> Json:
    if key == "Name" and value == old:
        return new
    if key == "Get" and isinstance(value, str) and value.startswith((f"Steps.{old}.", f"Steps.{old}[")):
        return f"Steps.{new}{value.removeprefix(f'Steps.{old}')}"
    if key == "DependsOn" and isinstance(value, list):
        return [new if item == old else item for item in value]
    return value


def steps_of(definition: Document) -> Iterator[Document]:
    """Yields every step, in the order of the definition, with those of a condition's branches after it."""
    pending = list(definition["Steps"])
    while pending:
        step = pending.pop(0)
        yield step
        if step["Type"] == "Condition":
            pending = [*step["Arguments"]["IfSteps"], *step["Arguments"]["ElseSteps"], *pending]


def images_of(steps: list[Document]) -> dict[str, str]:
    """Returns the images that a definition's steps run and register, by the name of their SSM parameter."""
    by_parameter: dict[str, str] = {}
    for step in steps:
        if step["Type"] == "Training":
            by_parameter["training_image"] = step["Arguments"]["AlgorithmSpecification"]["TrainingImage"]
        if step["Type"] == "Tuning":
            by_parameter["training_image"] = step["Arguments"]["TrainingJobDefinition"]["AlgorithmSpecification"][
                "TrainingImage"
            ]
        if step["Type"] == "Model":
            by_parameter["inference_image"] = step["Arguments"]["PrimaryContainer"]["Image"]
        if step["Type"] == "RegisterModel":
            by_parameter["inference_image"] = step["Arguments"]["InferenceSpecification"]["Containers"][0]["Image"]
    return by_parameter
