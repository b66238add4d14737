"""What a definition names and no service has: actions, and fields of their parameters, refused when it is created.

Step Functions knows a service of the AWS SDK by its name in the SDK for Java 2 (`sfn`, `cloudwatchlogs`), and checks
the names of parameters before anything runs; what stands behind a path or a JSONata expression it learns only then.
Source: "The field ... is not supported by Step Functions" in public reports of CreateStateMachine, among them
aws-step-functions-data-science-sdk-python#200.
"""

from collections.abc import Iterator, Mapping

from botocore.exceptions import UnknownServiceError
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from local import wire
from local.documents import Document, Json
from local.stepfunctions.asl import resources
from local.stepfunctions.asl.resources import Resource, ResourceKind
from local.stepfunctions.asl.validation import Code, Problem
from local.stepfunctions.integrations import naming, optimized, shapes

_SDK = "aws-sdk:"
_COMPUTED = ".$"
_NESTED = ("Iterator", "ItemProcessor")
_UNCHECKED = frozenset({"eks", "elasticmapreduce"})
"""Optimized integrations whose parameters are not those of one operation of the service."""


def problems(definition: Json, location: str = "") -> Iterator[Problem]:
    """Yields what is wrong with the tasks of a definition that is well-formed; nothing for what is not."""
    states = definition.get("States") if isinstance(definition, dict) else None
    for name, state in states.items() if isinstance(states, dict) else ():
        if not isinstance(state, dict):
            continue
        place = f"{location}/States/{name}"
        if state.get("Type") == "Task" and isinstance(state.get("Resource"), str):
            yield from _of_task(state, place)
        branches = state.get("Branches")
        for index, branch in enumerate(branches if isinstance(branches, list) else ()):
            yield from problems(branch, f"{place}/Branches[{index}]")
        for nested in _NESTED:
            if nested in state:
                yield from problems(state[nested], f"{place}/{nested}")


def _of_task(state: Document, place: str) -> Iterator[Problem]:
    resource = resources.parse(state["Resource"])
    if resource is None or resource.kind is not ResourceKind.SERVICE:
        return
    operation = _operation(resource)
    if operation is None:
        if resource.service.startswith(_SDK):
            message = (
                f"The resource provided {resource.arn} is not recognized. The value is not a valid resource ARN, or "
                "the resource is not available in this region."
            )
            yield Problem(Code.SCHEMA_VALIDATION_FAILED, message, f"{place}/Resource")
        return
    for field in ("Parameters", "Arguments"):
        if isinstance(state.get(field), dict):
            for unknown in _unknown(operation.input_shape, state[field]):
                message = f'The field "{unknown}" is not supported by Step Functions'
                yield Problem(Code.SCHEMA_VALIDATION_FAILED, message, f"{place}/{field}")


def _operation(resource: Resource) -> OperationModel | None:
    """Returns the operation that a task's parameters are those of; None where there is none, or not one alone."""
    sdk = resource.service.startswith(_SDK)
    name = resource.service.removeprefix(_SDK)
    if not sdk and (name in _UNCHECKED or optimized.has_rules_of_its_own(resource)):
        return None
    service = naming.botocore_service(name) if not sdk else naming.sdk_service(name)
    if service is None:
        return None
    try:
        model = wire.model(service)
    except UnknownServiceError:
        return None
    alike = [known for known in model.operation_names if known.lower() == resource.action.lower()]
    return model.operation_model(alike[0]) if alike else None


def _unknown(shape: Shape | None, value: Json) -> Iterator[str]:
    """Yields the names that a shape does not have; what is computed only when it runs is not looked into."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        yield from _unknown_members(shape, value)
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for inner in value:
            yield from _unknown(shape.member, inner)
    elif isinstance(shape, MapShape) and isinstance(value, Mapping):
        for key, inner in value.items():
            yield from () if key.endswith(_COMPUTED) else _unknown(shape.value, inner)


def _unknown_members(shape: StructureShape, value: Mapping[str, Json]) -> Iterator[str]:
    if getattr(shape, "is_document_type", False):
        return
    spelled = shapes.members(shape)
    for key, inner in value.items():
        name = key.removesuffix(_COMPUTED)
        if name not in spelled:
            yield name
        elif name == key:
            yield from _unknown(shape.members[spelled[name]], inner)
