"""Selective execution: some steps of a pipeline run, over what an earlier execution left of the others. Pure.

Source: "Selective execution of pipeline steps" in the developer guide.
"""

from collections.abc import Iterable, Mapping

from local.documents import Document
from local.sagemaker.pipelines.definition import Definition
from local.sagemaker.pipelines.progress import StepStatus
from local.sagemaker.wire.errors import ValidationException


def needed(definition: Definition, selected: Iterable[str]) -> frozenset[str]:
    """Returns the steps not selected on which selected ones depend directly. Raises ValidationException."""
    chosen = list(selected)
    unknown = sorted(set(chosen) - set(definition.steps))
    if unknown:
        raise ValidationException(f"Invalid SelectedSteps: the pipeline has no steps {_list(unknown)}")
    between = sorted(_between(definition, frozenset(chosen)))
    if between:
        raise ValidationException(
            f"Invalid SelectedSteps: the steps {_list(between)} stand between selected steps and must be selected too"
        )
    return frozenset(name for step in chosen for name in definition.steps[step].after) - set(chosen)


def _between(definition: Definition, chosen: frozenset[str]) -> set[str]:
    """Returns the steps not chosen that come after one chosen step and before another."""
    before: set[str] = set()
    for name in chosen:
        _ancestors(definition, name, before)
    between = set()
    for name in before - chosen:
        own: set[str] = set()
        _ancestors(definition, name, own)
        if own & chosen:
            between.add(name)
    return between


def _ancestors(definition: Definition, name: str, ancestors: set[str]) -> None:
    todo = [name]
    while todo:
        for before in definition.steps[todo.pop()].after - ancestors:
            ancestors.add(before)
            todo.append(before)


def reused(selected: Iterable[str], wanted: Iterable[str], source: Mapping[str, Document] | None) -> list[Document]:
    """Returns the steps taken over from the source execution, by name; `source` is None where none was given.

    Raises ValidationException where one is not there or did not succeed.
    """
    names = sorted(wanted)
    if names and source is None:
        # AWS's words.
        raise ValidationException(
            f"Invalid SourcePipelineExecutionArn: null. The selected steps {_list(selected)} have dependencies on "
            f"{_list(names)}"
        )
    steps = source or {}
    missing = [name for name in names if steps.get(name, {}).get("StepStatus") != StepStatus.SUCCEEDED]
    if missing:
        raise ValidationException(
            f"Invalid SourcePipelineExecutionArn: the steps {_list(missing)} did not succeed in that execution"
        )
    return [steps[name] for name in names]


def _list(names: Iterable[str]) -> str:
    return f"[{', '.join(names)}]"
