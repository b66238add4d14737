"""A definition's steps against the AWS calls they become, checked with botocore's own models and without a network."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

import botocore.session
from botocore.model import Shape
from botocore.validate import ParamValidator

from pipelines.definition.document import steps_of
from pipelines.documents import Document, Json

OPERATIONS: Final = {
    "Processing": ("CreateProcessingJob", "ProcessingJobName"),
    "Training": ("CreateTrainingJob", "TrainingJobName"),
    "Tuning": ("CreateHyperParameterTuningJob", "HyperParameterTuningJobName"),
    "Transform": ("CreateTransformJob", "TransformJobName"),
    "Model": ("CreateModel", "ModelName"),
    "RegisterModel": ("CreateModelPackage", None),
}
"""Step type -> the call SageMaker makes of its Arguments, and the name that it adds itself."""

_SAMPLES: Final = {"String": "s3://bucket/key", "Integer": 1, "Float": 1.0, "Boolean": True}
_PARAMETER: Final = re.compile(r"Parameters\.(?P<name>.+)")
_STEP: Final = re.compile(r"Steps\.(?P<name>[A-Za-z0-9-]+)[.\[]")


def argument_problems(definition: Document) -> list[str]:
    """Returns what AWS would refuse in the steps' arguments, and the references to what is not there."""
    parameters = {item["Name"]: item for item in definition.get("Parameters", [])}
    steps = list(steps_of(definition))
    refused = [problem for step in steps for problem in _step_problems(step, parameters)]
    return refused + list(_dangling(definition, set(parameters), {step["Name"] for step in steps}))


def _step_problems(step: Document, parameters: dict[str, Document]) -> Iterator[str]:
    if step["Type"] not in OPERATIONS:
        return
    operation, name = OPERATIONS[step["Type"]]
    arguments = _filled(step["Arguments"], parameters)
    if name is not None:
        arguments[name] = "name"
    report = ParamValidator().validate(arguments, _input_of(operation))
    for line in report.generate_report().splitlines():
        yield f"{step['Name']} ({operation}): {line}"


@cache
def _input_of(operation: str) -> Shape:
    shape = botocore.session.get_session().get_service_model("sagemaker").operation_model(operation).input_shape
    if shape is None:
        raise ValueError(f"expected a call with an input, found {operation}")
    return shape


def _filled(value: Json, parameters: dict[str, Document]) -> Json:
    """Returns the arguments with every expression replaced by a value of its type."""
    match value:
        case {"Get": str(reference)}:
            named = _PARAMETER.fullmatch(reference)
            return _value_of(parameters.get(named["name"], {})) if named else _SAMPLES["String"]
        case {"Std:Join": _} | {"Std:JsonGet": _}:
            return _SAMPLES["String"]
        case dict():
            return {key: _filled(item, parameters) for key, item in value.items()}
        case list():
            return [_filled(item, parameters) for item in value]
        case _:
            return value


def _value_of(parameter: Document) -> Json:
    return parameter.get("DefaultValue", _SAMPLES[parameter.get("Type", "String")])


def _dangling(definition: Document, parameters: set[str], steps: set[str]) -> Iterator[str]:
    for reference in _references(definition):
        parameter, step = _PARAMETER.fullmatch(reference), _STEP.match(reference)
        if parameter and parameter["name"] not in parameters:
            yield f"expected a parameter of the pipeline, found {reference}"
        if reference.startswith("Steps.") and (step is None or step["name"] not in steps):
            yield f"expected a step of the pipeline, found {reference}"


def _references(value: Json) -> Iterator[str]:
    match value:
        case {"Get": str(reference)}:
            yield reference
        case dict():
            for item in value.values():
                yield from _references(item)
        case list():
            for item in value:
                yield from _references(item)
