"""A pipeline definition, parsed and validated as a whole.

Format: the "2020-12-01" JSON that both major versions of the sagemaker SDK write.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any

from local.sagemaker.errors import ValidationException
from local.sagemaker.pipelines import conditions, expressions

_VERSIONS = frozenset({"2020-12-01"})
_TYPES: Mapping[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (int, float),
    "Boolean": (bool,),
}


class StepType(StrEnum):
    """Those that are run here."""

    PROCESSING = "Processing"
    TRAINING = "Training"
    MODEL = "Model"
    REGISTER_MODEL = "RegisterModel"
    CONDITION = "Condition"
    LAMBDA = "Lambda"
    FAIL = "Fail"


KNOWN_TYPES = frozenset(
    {
        *StepType, "Transform", "Tuning", "Callback", "ClarifyCheck", "QualityCheck", "EMR", "EMRServerless", "AutoML",
        "Endpoint", "EndpointConfig", "NotebookJob", "InferenceComponent", "Lineage",
    }
)  # fmt: skip
"""Every step type of AWS; those that are not run here fail when they are reached, and say so."""


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    type: str
    body: Mapping[str, Any]
    """The step as it stands in the definition."""
    after: frozenset[str]
    """Steps that must have succeeded before it."""
    branch: tuple[str, bool] | None
    """The Condition step it stands in, and the outcome it runs for."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.body.get("Arguments", {})
        return found


@dataclass(frozen=True, slots=True)
class Definition:
    steps: Mapping[str, Step]
    """In the order of the definition; those inside branches after their Condition step."""
    parameters: Sequence[Mapping[str, Any]]

    def values(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Parameters of one execution, typed. Raises ValidationException naming what is wrong."""
        declared = {parameter["Name"]: parameter for parameter in self.parameters}
        unknown = sorted(set(given) - set(declared))
        if unknown:
            raise ValidationException(f"Unknown pipeline parameter(s): {', '.join(unknown)}")
        values: dict[str, Any] = {}
        missing = []
        for name, parameter in declared.items():
            if name in given:
                values[name] = _typed(parameter, given[name])
            elif "DefaultValue" in parameter:
                values[name] = parameter["DefaultValue"]
            else:
                missing.append(name)
        if missing:
            raise ValidationException(f"Pipeline parameter(s) without a value: {', '.join(missing)}")
        return values


def parse(text: str) -> Definition:
    """Raises ValidationException with every problem found."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ValidationException(f"Invalid pipeline definition: it is not JSON: {error}") from error
    problems: list[str] = []
    if not isinstance(document, dict) or not isinstance(document.get("Steps"), list):
        raise ValidationException("Invalid pipeline definition: it has no list of Steps")
    if document.get("Version") not in _VERSIONS:
        problems.append(f"Version {document.get('Version')!r} is not known; expected 2020-12-01")
    parameters = _parameters(document.get("Parameters", []), problems)
    steps = _steps(document["Steps"], problems)
    _check_references(steps, {parameter["Name"] for parameter in parameters}, problems)
    if problems:
        raise ValidationException(f"Invalid pipeline definition: {'; '.join(problems)}")
    return Definition(steps, parameters)


def _parameters(found: Any, problems: list[str]) -> list[Mapping[str, Any]]:
    parameters: list[Mapping[str, Any]] = []
    for parameter in found if isinstance(found, list) else [None]:
        if not isinstance(parameter, dict) or not parameter.get("Name") or parameter.get("Type") not in _TYPES:
            problems.append(f"a parameter needs a Name and a Type of {', '.join(_TYPES)}: {parameter!r}")
            continue
        default = parameter.get("DefaultValue")
        if "DefaultValue" in parameter and not _is_of(parameter["Type"], default):
            problems.append(f"parameter {parameter['Name']}: the default {default!r} is no {parameter['Type']}")
        if parameter["Name"] in {known["Name"] for known in parameters}:
            problems.append(f"parameter {parameter['Name']} is there twice")
        parameters.append(parameter)
    return parameters


def _is_of(kind: str, value: object) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "Boolean" or not isinstance(value, bool))


def _typed(parameter: Mapping[str, Any], text: str) -> Any:
    name, kind = parameter["Name"], parameter["Type"]
    value: Any
    try:
        match kind:
            case "Integer":
                value = int(text)
            case "Float":
                value = float(text)
                if not math.isfinite(value):
                    raise ValueError(text)
            case "Boolean":
                value = {"true": True, "false": False}[text.lower()]
            case _:
                value = text
    except (ValueError, KeyError) as error:
        raise ValidationException(f"Pipeline parameter {name}: {text!r} is no {kind}") from error
    allowed = parameter.get("EnumValues")
    if allowed and value not in allowed:
        raise ValidationException(f"Pipeline parameter {name}: {text!r} is not one of {allowed}")
    return value


def _steps(found: list[Any], problems: list[str]) -> dict[str, Step]:
    steps: dict[str, Step] = {}
    for body, branch in _all_steps(found, None, problems):
        name, kind = body["Name"], body["Type"]
        if name in steps:
            problems.append(f"two steps are named {name}")
        if kind not in KNOWN_TYPES:
            problems.append(f"step {name}: the type {kind!r} is not known")
        if kind == StepType.CONDITION:
            _check_conditions(name, body.get("Arguments", {}), problems)
        elif kind == StepType.LAMBDA and not body.get("FunctionArn"):
            problems.append(f"step {name}: a Lambda step needs a FunctionArn")
        steps[name] = Step(name, kind, body, _after(body, branch), branch)
    return steps


def _all_steps(
    found: Any, branch: tuple[str, bool] | None, problems: list[str]
) -> Iterator[tuple[dict[str, Any], tuple[str, bool] | None]]:
    for body in found if isinstance(found, list) else []:
        if not isinstance(body, dict) or not isinstance(body.get("Name"), str) or not isinstance(body.get("Type"), str):
            problems.append(f"a step needs a Name and a Type: {str(body)[:100]}")
            continue
        if not isinstance(body.get("Arguments", {}), dict):
            problems.append(f"step {body['Name']}: Arguments is no object")
            body = {**body, "Arguments": {}}
        yield body, branch
        if body["Type"] == StepType.CONDITION:
            arguments = body.get("Arguments", {})
            yield from _all_steps(arguments.get("IfSteps", []), (body["Name"], True), problems)
            yield from _all_steps(arguments.get("ElseSteps", []), (body["Name"], False), problems)


def _after(body: Mapping[str, Any], branch: tuple[str, bool] | None) -> frozenset[str]:
    """Explicit dependencies, those of references, and the condition it stands in."""
    own = dict(body)
    if body["Type"] == StepType.CONDITION:
        # What its branches refer to is for the steps in them.
        own["Arguments"] = {"Conditions": body.get("Arguments", {}).get("Conditions", [])}
    referred = {path.split(".")[1] for path in expressions.references(own) if path.startswith("Steps.")}
    named = [name.rpartition("Steps.")[2] for name in body.get("DependsOn") or []]
    return frozenset({*referred, *named, *([branch[0]] if branch else [])})


def _check_conditions(name: str, arguments: Mapping[str, Any], problems: list[str]) -> None:
    found = arguments.get("Conditions")
    if not isinstance(found, list) or not found:
        problems.append(f"step {name}: a Condition step needs Conditions")
        return
    wanted = {
        "In": ({"QueryValue"}, {"Values"}), "Or": ({"Conditions"},), "Not": ({"Condition", "Expression"},),
    }  # fmt: skip
    for condition in found:
        kind = condition.get("Type") if isinstance(condition, dict) else None
        if kind not in conditions.TYPES:
            problems.append(f"step {name}: the condition type {kind!r} is not known")
            continue
        for any_of in wanted.get(kind, ({"LeftValue"}, {"RightValue"})):
            if not any_of & set(condition):
                problems.append(f"step {name}: condition {kind} needs {' or '.join(sorted(any_of))}")
        inner = condition.get("Conditions") or [
            x for x in (condition.get("Condition"), condition.get("Expression")) if x
        ]
        if inner:
            _check_conditions(name, {"Conditions": inner}, problems)


def _check_references(steps: Mapping[str, Step], parameters: set[str], problems: list[str]) -> None:
    for step in steps.values():
        for unknown in sorted(step.after - set(steps)):
            problems.append(f"step {step.name} refers to the unknown step {unknown}")
        for path in expressions.references(step.body):
            root, _, rest = path.partition(".")
            if root == "Parameters" and rest.split(".")[0].split("[")[0] not in parameters:
                problems.append(f"step {step.name} refers to the unknown parameter {rest}")
            elif root not in ("Parameters", "Steps", "Execution"):
                problems.append(f"step {step.name}: Get {path!r} is no reference")
    try:
        TopologicalSorter({name: step.after for name, step in steps.items()}).prepare()
    except CycleError as error:
        problems.append(f"steps depend on each other in a circle: {' -> '.join(error.args[1])}")
