"""A pipeline definition, parsed and validated as a whole.

Format: the "2020-12-01" JSON that both major versions of the sagemaker SDK write.
"""

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from local.documents import Document, Json
from local.sagemaker.pipelines import arguments, conditions, durations, expressions, parameters, retries
from local.sagemaker.pipelines.kinds import KINDS, Kind, StepType
from local.sagemaker.pipelines.parameters import Parameter
from local.sagemaker.wire.errors import ValidationException

_VERSIONS = frozenset({"2020-12-01"})
_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    type: str
    body: Mapping[str, Json]
    """The step as it stands in the definition."""
    after: frozenset[str]
    """Steps that must have succeeded before it."""
    branch: tuple[str, bool] | None
    """The Condition step it stands in, and the outcome it runs for."""

    @property
    def arguments(self) -> Mapping[str, Json]:
        return self.body.get("Arguments") or {}

    @property
    def kind(self) -> Kind:
        return KINDS[self.type]

    @property
    def cache_seconds(self) -> float | None:
        """How old an earlier run may be to stand in for this one; None: none may."""
        cache = self.body.get("CacheConfig") or {}
        if not cache.get("Enabled") or self.kind.key is None:
            return None
        expire = cache.get("ExpireAfter")
        return float("inf") if expire is None else float(durations.seconds(expire))


@dataclass(frozen=True, slots=True)
class Definition:
    steps: Mapping[str, Step]
    """In the order of the definition; those inside branches after their Condition step."""
    parameters: Sequence[Parameter]
    experiment: Mapping[str, Json]
    """PipelineExperimentConfig, with its expressions."""

    def values(self, texts: Mapping[str, str]) -> Document:
        """Returns the parameters of an execution, typed. Raises ValidationException naming everything that is wrong."""
        return parameters.values(self.parameters, texts)


@functools.lru_cache(maxsize=64)
def parse(text: str) -> Definition:
    """Raises ValidationException with every problem found."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused([f"it is not JSON: {error}"]) from error
    if not isinstance(document, dict):
        raise _refused(["Expecting start of Json Object. There is no list of Steps"])
    problems: list[str] = []
    if document.get("Version") not in _VERSIONS:
        problems.append(f"Version {document.get('Version')!r} is not known; expected 2020-12-01")
    if not isinstance(document.get("Steps"), list):
        problems.append("Expecting start of Json Array. There is no list of Steps")
    declared = parameters.declared(document.get("Parameters") or [], problems)
    steps = _steps(document.get("Steps"), problems)
    for step in steps.values():
        problems.extend(f"step {step.name}: {problem}" for problem in _wrong(step))
    _check_references(steps, {parameter["Name"] for parameter in declared}, problems)
    if problems:
        raise _refused(problems)
    return Definition(steps, declared, document.get("PipelineExperimentConfig") or {})


def _refused(problems: Sequence[str]) -> ValidationException:
    # The first words, and those of what the request model refuses, are AWS's own.
    return ValidationException(f"Unable to parse pipeline definition. {'; '.join(problems)}")


def _steps(bodies: Json, problems: list[str]) -> dict[str, Step]:
    steps: dict[str, Step] = {}
    for body, branch in _all_steps(bodies, None, problems):
        name, kind = body["Name"], body["Type"]
        if name in steps:
            problems.append(f"two steps are named {name}")
        if kind not in KINDS:
            problems.append(f"step {name}: the type {kind!r} is not known")
            continue
        steps[name] = Step(name, kind, body, _after(body, branch), branch)
    if not steps and not problems:
        problems.append("there are no Steps")
    return steps


def _all_steps(
    bodies: Json, branch: tuple[str, bool] | None, problems: list[str]
) -> Iterator[tuple[Document, tuple[str, bool] | None]]:
    for body in bodies if isinstance(bodies, list) else []:
        if not isinstance(body, dict) or not isinstance(body.get("Name"), str) or not isinstance(body.get("Type"), str):
            problems.append(f"a step needs a Name and a Type: {str(body)[:100]}")
            continue
        if not isinstance(body.get("Arguments") or {}, dict):
            problems.append(f"step {body['Name']}: Expecting start of Json Object. Arguments is no object")
            body = {**body, "Arguments": {}}
        yield body, branch
        if body["Type"] == StepType.CONDITION:
            inner = body.get("Arguments") or {}
            yield from _all_steps(inner.get("IfSteps") or [], (body["Name"], True), problems)
            yield from _all_steps(inner.get("ElseSteps") or [], (body["Name"], False), problems)


def _after(body: Mapping[str, Json], branch: tuple[str, bool] | None) -> frozenset[str]:
    """Returns explicit dependencies, those of references, and the condition it stands in."""
    referred = {name for path in expressions.references(_own(body)) if (name := _step_of(path))}
    depends = body.get("DependsOn")
    named = [str(name).rpartition("Steps.")[2] for name in depends] if isinstance(depends, list) else []
    return frozenset({*referred, *named, *([branch[0]] if branch else [])})


def _own(body: Mapping[str, Json]) -> Mapping[str, Json]:
    """Returns the step without the steps in its branches: what those refer to is for them."""
    if body["Type"] != StepType.CONDITION:
        return body
    return {**body, "Arguments": {"Conditions": (body.get("Arguments") or {}).get("Conditions", [])}}


def _step_of(path: str) -> str | None:
    """Returns the name of the step that a `Get` refers to."""
    try:
        parts = expressions.split(path)
    except expressions.ExpressionError:
        return None
    return str(parts[1]) if len(parts) > 1 and parts[0] == "Steps" else None


def _wrong(step: Step) -> Iterator[str]:
    """Yields what is wrong with one step by itself."""
    if _NAME.fullmatch(step.name) is None:
        yield r"Name must satisfy regular expression pattern: [A-Za-z0-9\-_]{1,64}"
    if not isinstance(step.body.get("DependsOn") or [], list):
        yield "Expecting start of Json Array. DependsOn is no list"
    yield from _wrong_kind(step)
    if step.body.get("RetryPolicies") is not None:
        yield from _wrong_policies(step)
    if step.body.get("CacheConfig") is not None:
        yield from _wrong_cache(step.body["CacheConfig"])
    if step.body.get("PropertyFiles") is not None:
        yield from _wrong_property_files(step)


def _wrong_kind(step: Step) -> Iterator[str]:
    match step.type:
        case StepType.CONDITION:
            yield from conditions.problems(step.arguments.get("Conditions"))
            for member in ("IfSteps", "ElseSteps"):
                if not isinstance(step.arguments.get(member) or [], list):
                    yield f"Expecting start of Json Array. {member} is no list"
        case StepType.LAMBDA if not step.body.get("FunctionArn"):
            yield "a Lambda step needs a FunctionArn"
        case StepType.CALLBACK if not step.body.get("SqsQueueUrl"):
            yield "a Callback step needs an SqsQueueUrl"
    if step.kind.resource:
        if "Arguments" not in step.body:
            yield f"a {step.type} step needs Arguments"
        yield from arguments.problems(step.kind, dict(step.arguments))
    yield from _wrong_outputs(step.body.get("OutputParameters") or [])


def _wrong_outputs(outputs: Json) -> Iterator[str]:
    for output in outputs if isinstance(outputs, list) else [None]:
        if not isinstance(output, dict) or not isinstance(output.get("OutputName"), str):
            yield f"an output parameter needs an OutputName: {str(output)[:100]}"


def _wrong_policies(step: Step) -> Iterator[str]:
    if not step.kind.retried:
        yield f"RetryPolicies cannot stand in a {step.type} step"
    yield from retries.problems(step.body["RetryPolicies"])


def _wrong_cache(config: Json) -> Iterator[str]:
    if not isinstance(config, dict) or not isinstance(config.get("Enabled"), bool):
        yield "CacheConfig needs Enabled, true or false"
        return
    try:
        if config.get("ExpireAfter") is not None:
            durations.seconds(str(config["ExpireAfter"]))
    except ValueError as error:
        yield f"CacheConfig: ExpireAfter {error}"


def _wrong_property_files(step: Step) -> Iterator[str]:
    files = step.body["PropertyFiles"]
    output_config = step.arguments.get("ProcessingOutputConfig")
    listed = output_config.get("Outputs") if isinstance(output_config, dict) else None
    outputs = (
        {declared.get("OutputName") for declared in listed if isinstance(declared, dict)}
        if isinstance(listed, list)
        else None
    )
    for declared in files if isinstance(files, list) else [None]:
        members = ("PropertyFileName", "OutputName", "FilePath")
        if not isinstance(declared, dict) or not all(isinstance(declared.get(member), str) for member in members):
            yield f"a property file needs {', '.join(members)}: {str(declared)[:100]}"
        elif outputs is not None and declared["OutputName"] not in outputs:
            yield f"property file {declared['PropertyFileName']}: there is no output {declared['OutputName']}"


def _check_references(steps: Mapping[str, Step], known: set[str], problems: list[str]) -> None:
    for step in steps.values():
        for unknown in sorted(step.after - set(steps)):
            problems.append(f"step {step.name} refers to the unknown step {unknown}")
        for path in expressions.references(_own(step.body)):
            problem = _wrong_reference(path, steps, known)
            if problem is not None:
                problems.append(f"step {step.name} {problem}")
    try:
        TopologicalSorter({name: step.after for name, step in steps.items()}).prepare()
    except CycleError as error:
        problems.append(f"steps depend on each other in a circle: {' -> '.join(error.args[1])}")


def _wrong_reference(path: str, steps: Mapping[str, Step], known: set[str]) -> str | None:
    try:
        parts = expressions.split(path)
    except expressions.ExpressionError as error:
        return f"has a reference that is none: {error}"
    if len(parts) < 2 or parts[0] not in ("Parameters", "Steps", "Execution"):
        return f"Get {path!r} is no reference"
    if parts[0] == "Parameters" and parts[1] not in known:
        return f"refers to the unknown parameter {parts[1]}"
    if parts[0] == "Execution" and parts[1] not in expressions.EXECUTION_VARIABLES:
        return f"refers to the unknown execution variable {parts[1]}"
    if parts[0] == "Steps" and len(parts) > 3 and parts[2] == "PropertyFiles" and parts[1] in steps:
        files = steps[str(parts[1])].body.get("PropertyFiles")
        names = [file.get("PropertyFileName") for file in files if isinstance(file, dict)] if files else []
        if parts[3] not in names:
            return f"refers to the unknown property file {parts[3]} of step {parts[1]}"
    return None
