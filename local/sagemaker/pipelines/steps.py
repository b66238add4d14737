"""What each step type does: its arguments, with every expression replaced, become the operation AWS would call."""

import json
import re
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker import models, registry, wire
from local.sagemaker.context import Context
from local.sagemaker.errors import ApiError, WorkFailed
from local.sagemaker.jobs import processing, training
from local.sagemaker.jobs.runner import JobKind, Status
from local.sagemaker.pipelines import conditions
from local.sagemaker.pipelines.definition import Step, StepType
from local.sagemaker.pipelines.expressions import Scope, evaluate
from local.store import Document

_MAX_NAME = 63
_SUFFIX = string.ascii_letters + string.digits


class StepFailed(WorkFailed):
    """The step's FailureReason; `metadata` stands in the list of steps beside it."""

    def __init__(self, reason: str, metadata: Document | None = None) -> None:
        super().__init__(reason)
        self.metadata = metadata or {}


@dataclass(frozen=True, slots=True)
class Result:
    """What a step that succeeded leaves behind."""

    properties: Document
    """What later steps may refer to."""
    metadata: Document


@dataclass(frozen=True, slots=True)
class Run:
    """One step of one execution, about to run."""

    context: Context
    step: Step
    scope: Scope
    execution_id: str
    execution_arn: str
    job_name: str
    """For the job or model it makes, if it makes one."""
    started: Callable[[JobKind, str, Document], None] = field(default=lambda _kind, _name, _metadata: None)
    """Told of the job once it is there: (kind, name, metadata)."""

    def arguments(self) -> Document:
        arguments: Document = evaluate(dict(self.step.arguments), self.scope)
        return arguments


def run(given: Run) -> Result:
    """Blocks until the step has ended. Raises StepFailed (a WorkFailed)."""
    work = _WORK.get(given.step.type)
    if work is None:
        raise StepFailed(f"Step type {given.step.type} is not run by this local SageMaker.")
    try:
        return work(given)
    except StepFailed:
        raise
    except (ApiError, WorkFailed) as error:
        raise StepFailed(f"ClientError: {error}") from error


def job_name(execution_id: str, step: str) -> str:
    """`pipelines-<execution id>-<step>-<suffix>`, as AWS names them."""
    suffix = "".join(secrets.choice(_SUFFIX) for _ in range(10))
    room = _MAX_NAME - len(f"pipelines-{execution_id}--{suffix}")
    clean = re.sub(r"[^A-Za-z0-9]+", "-", step)[:room].strip("-") or "step"
    return f"pipelines-{execution_id}-{clean}-{suffix}"


def _job(given: Run, kind: JobKind, create: Callable[[Context, Document], Document], metadata_name: str) -> Result:
    operation, name_member = f"Create{kind.prefix}", f"{kind.prefix}Name"
    arguments = given.arguments()
    request = {**arguments, name_member: given.job_name}
    request.pop("ExperimentConfig", None)
    wire.check(wire.input_shape(operation), request)
    arn = create(given.context, request)[f"{kind.prefix}Arn"]
    metadata = {metadata_name: {"Arn": arn}}
    given.started(kind, given.job_name, metadata)
    document = given.context.jobs.wait(kind, given.job_name)
    status = Status(document[f"{kind.prefix}Status"])
    if status is not Status.COMPLETED:
        reason = document.get("FailureReason") or f"The job ended with status {status.value}"
        raise StepFailed(reason, metadata)
    return Result(wire.answer(f"Describe{kind.prefix}", document), metadata)


def _processing(given: Run) -> Result:
    return _job(given, processing.KIND, processing.create, "ProcessingJob")


def _training(given: Run) -> Result:
    return _job(given, training.KIND, training.create, "TrainingJob")


def _model(given: Run) -> Result:
    request = {**given.arguments(), "ModelName": given.job_name}
    wire.check(wire.input_shape("CreateModel"), request)
    arn = models.create(given.context, request)["ModelArn"]
    described = models.describe(given.context, {"ModelName": given.job_name})
    return Result(wire.answer("DescribeModel", described), {"Model": {"Arn": arn}})


def _register_model(given: Run) -> Result:
    request = given.arguments()
    group = request.get("ModelPackageGroupName")
    wire.check(wire.input_shape("CreateModelPackage"), request)
    if group is not None and not registry.group_exists(given.context, group):
        # A pipeline makes the group it registers into.
        registry.create_group(given.context, {"ModelPackageGroupName": group})
    request["MetadataProperties"] = {"GeneratedBy": given.execution_arn, **request.get("MetadataProperties", {})}
    arn = registry.create_package(given.context, request)["ModelPackageArn"]
    described = registry.describe_package(given.context, {"ModelPackageName": arn})
    return Result(wire.answer("DescribeModelPackage", described), {"RegisterModel": {"Arn": arn}})


def _condition(given: Run) -> Result:
    outcome = "True" if conditions.all_hold(given.step.arguments["Conditions"], given.scope) else "False"
    return Result({"Outcome": outcome}, {"Condition": {"Outcome": outcome}})


def _lambda(given: Run) -> Result:
    function = evaluate(given.step.body["FunctionArn"], given.scope)
    metadata: Document = {"Lambda": {"Arn": function, "OutputParameters": []}}
    payload = json.dumps(given.arguments()).encode()
    try:
        answer = given.context.cloud.client("lambda").invoke(FunctionName=function, Payload=payload)
        text = answer["Payload"].read().decode("utf-8", "replace")
    except (ClientError, BotoCoreError) as error:
        raise StepFailed(f"ClientError: the function {function} could not be invoked: {error}", metadata) from error
    if answer.get("FunctionError"):
        raise StepFailed(f"ClientError: Lambda function {function} failed: {_said(text)}", metadata)
    outputs = _outputs(given.step.body.get("OutputParameters") or [], text, function, metadata)
    metadata["Lambda"]["OutputParameters"] = [
        {"Name": name, "Value": value if isinstance(value, str) else json.dumps(value)}
        for name, value in outputs.items()
    ]
    return Result({"OutputParameters": outputs}, metadata)


def _outputs(declared: list[Mapping[str, Any]], text: str, function: str, metadata: Document) -> Document:
    """OutputParameters: the members of the function's answer that the step declares."""
    try:
        document = json.loads(text) if text else None
    except ValueError:
        document = None
    names = [parameter["OutputName"] for parameter in declared]
    if not names:
        return {}
    found = document if isinstance(document, dict) else {}
    missing = [name for name in names if name not in found]
    if missing:
        raise StepFailed(
            f"ClientError: Lambda function {function} did not answer the output parameter(s) {', '.join(missing)}",
            metadata,
        )
    return {name: found[name] for name in names}


def _said(text: str) -> str:
    """`<errorType>: <errorMessage>` of a function's error answer."""
    try:
        error = json.loads(text)
        return f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return text


def _fail(given: Run) -> Result:
    message = str(given.arguments().get("ErrorMessage", ""))
    raise StepFailed(message or "The pipeline reached a Fail step.", {"Fail": {"ErrorMessage": message}})


_WORK: Mapping[str, Callable[[Run], Result]] = {
    StepType.PROCESSING: _processing,
    StepType.TRAINING: _training,
    StepType.MODEL: _model,
    StepType.REGISTER_MODEL: _register_model,
    StepType.CONDITION: _condition,
    StepType.LAMBDA: _lambda,
    StepType.FAIL: _fail,
}
