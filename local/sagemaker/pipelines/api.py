"""The operations on pipelines and their executions."""

import json
import secrets
import string

from local.sagemaker import listing, storage, tags
from local.sagemaker.arns import resource
from local.sagemaker.context import Context
from local.sagemaker.errors import ConflictException, ResourceNotFound, ValidationException, WorkFailed
from local.sagemaker.pipelines.definition import parse
from local.sagemaker.pipelines.journal import EXECUTION, ExecutionStatus, Journal, StepStatus, tell_execution
from local.store import AlreadyThere, Document, now

KIND = "pipeline"
_TOKEN = "execution-token"
_ID = string.ascii_lowercase + string.digits


# Pipelines.


def create(context: Context, request: Document) -> Document:
    name = request["PipelineName"]
    arn = context.arns.of(KIND, name)
    created = now()
    document: Document = {
        **request,
        "PipelineArn": arn,
        "PipelineDefinition": _definition(context, request),
        "PipelineStatus": "Active",
        "CreationTime": created,
        "LastModifiedTime": created,
        "CreatedBy": {},
        "LastModifiedBy": {},
    }
    document.setdefault("PipelineDisplayName", name)
    try:
        with context.store.transaction():
            context.store.insert(KIND, name, document)
            tags.add(context, arn, request)
    except AlreadyThere as error:
        stored = describe(context, request)
        if stored.get("ClientRequestToken") == request["ClientRequestToken"]:
            return {"PipelineArn": arn}
        raise ValidationException(
            f"Pipeline names must be unique within an AWS account and region. Pipeline with name ({name}) already "
            "exists."
        ) from error
    return {"PipelineArn": arn}


def update(context: Context, request: Document) -> Document:
    name = request["PipelineName"]
    describe(context, request)
    changes = {member: value for member, value in request.items() if member != "PipelineDefinitionS3Location"}
    if "PipelineDefinition" in request or "PipelineDefinitionS3Location" in request:
        changes["PipelineDefinition"] = _definition(context, request)

    def change(document: Document) -> None:
        document.update(changes)
        document["LastModifiedTime"] = now()

    context.store.change(KIND, name, change)
    return {"PipelineArn": context.arns.of(KIND, name)}


def describe(context: Context, request: Document) -> Document:
    name = resource(request["PipelineName"])
    document = context.store.get(KIND, name)
    if document is None:
        raise ResourceNotFound(f"Pipeline '{context.arns.of(KIND, name)}' does not exist.")
    return document


def delete(context: Context, request: Document) -> Document:
    document = describe(context, request)
    name = document["PipelineName"]
    if any(not _status(execution).final for execution in context.store.find(EXECUTION, f"{name}/")):
        raise ConflictException(f"Pipeline '{document['PipelineArn']}' has running executions; stop them first.")
    context.store.delete(KIND, name)
    tags.forget(context, document["PipelineArn"])
    return {"PipelineArn": document["PipelineArn"]}


def listed(context: Context, request: Document) -> Document:
    prefix = request.get("PipelineNamePrefix", "")
    return listing.page("ListPipelines", context.store.find(KIND, prefix), request, name="PipelineName")


def _definition(context: Context, request: Document) -> str:
    """The definition's text, validated."""
    location = request.get("PipelineDefinitionS3Location")
    if ("PipelineDefinition" in request) == (location is not None):
        raise ValidationException("Give exactly one of PipelineDefinition and PipelineDefinitionS3Location.")
    text: str = request.get("PipelineDefinition", "")
    if location is not None:
        try:
            text = storage.read_text(context.s3, f"s3://{location['Bucket']}/{location['ObjectKey']}")
        except WorkFailed as error:
            raise ValidationException(f"The pipeline definition cannot be read: {error}") from error
    parse(text)
    return text


# Executions.


def start(context: Context, request: Document) -> Document:
    """With a ClientRequestToken it has seen, answers the execution that token started."""
    for unsupported in ("SelectiveExecutionConfig", "PipelineVersionId"):
        if request.get(unsupported):
            raise ValidationException(f"{unsupported} is not run by this local SageMaker.")
    pipeline = describe(context, request)
    name = pipeline["PipelineName"]
    given = {one["Name"]: one["Value"] for one in request.get("PipelineParameters", [])}
    values = parse(pipeline["PipelineDefinition"]).values(given)
    execution_id = "".join(secrets.choice(_ID) for _ in range(12))
    arn = context.arns.execution(name, execution_id)
    created = now()
    document: Document = {
        "PipelineArn": pipeline["PipelineArn"],
        "PipelineExecutionArn": arn,
        "PipelineExecutionDisplayName": request.get("PipelineExecutionDisplayName", f"execution-{int(created * 1000)}"),
        "PipelineExecutionStatus": ExecutionStatus.EXECUTING.value,
        "PipelineParameters": [{"Name": key, "Value": value} for key, value in given.items()],
        "CreationTime": created,
        "StartTime": created,
        "LastModifiedTime": created,
        "CreatedBy": {},
        "LastModifiedBy": {},
        "_PipelineName": name,
        "_Definition": pipeline["PipelineDefinition"],
        "_Values": values,
    }
    for member in ("PipelineExecutionDescription", "ParallelismConfiguration"):
        found = request.get(member, pipeline.get(member))
        if found is not None:
            document[member] = found
    key = f"{name}/{execution_id}"
    try:
        with context.store.transaction():
            context.store.insert(_TOKEN, f"{name}/{request['ClientRequestToken']}", {"PipelineExecutionArn": arn})
            context.store.insert(EXECUTION, key, document)
            context.store.put(KIND, name, {**pipeline, "LastRunTime": created, "LastExecutionTime": created})
            tell_execution(context, document, None)
    except AlreadyThere:
        return context.store.get(_TOKEN, f"{name}/{request['ClientRequestToken']}") or {}
    context.executions.start(key)
    return {"PipelineExecutionArn": arn}


def describe_execution(context: Context, request: Document) -> Document:
    return _execution(context, request)[1]


def definition_for_execution(context: Context, request: Document) -> Document:
    document = _execution(context, request)[1]
    return {"PipelineDefinition": document["_Definition"], "CreationTime": document["CreationTime"]}


def list_executions(context: Context, request: Document) -> Document:
    name = describe(context, request)["PipelineName"]
    found = context.store.find(EXECUTION, f"{name}/")
    asked = {member: value for member, value in request.items() if member != "SortBy"}
    asked |= {"CreationTimeAfter": request["CreatedAfter"]} if "CreatedAfter" in request else {}
    return listing.page("ListPipelineExecutions", [_summary(one) for one in found], asked, name="PipelineExecutionArn")


def _summary(document: Document) -> Document:
    failure = {"PipelineExecutionFailureReason": document["FailureReason"]} if "FailureReason" in document else {}
    return {**document, **failure}


def list_steps(context: Context, request: Document) -> Document:
    if "PipelineExecutionArn" not in request:
        raise ValidationException("PipelineExecutionArn is required.")
    key, _ = _execution(context, request)
    found = list(Journal(context, key).steps().values())
    return listing.page("ListPipelineExecutionSteps", found, request, name="StepName")


def list_parameters(context: Context, request: Document) -> Document:
    """What was given, then the defaults of what was not."""
    document = _execution(context, request)[1]
    found = [
        {"Name": name, "Value": value if isinstance(value, str) else json.dumps(value)}
        for name, value in document["_Values"].items()
    ]
    return listing.page("ListPipelineParametersForExecution", found, request, name="Name", ascending=True)


def stop(context: Context, request: Document) -> Document:
    key, document = _execution(context, request)
    status = _status(document)
    if status is not ExecutionStatus.STOPPING and not Journal(context, key).set_status(ExecutionStatus.STOPPING):
        raise ValidationException(
            f"Only pipelines with an Executing status can be stopped; this one is {_status(document).value}."
        )
    context.executions.stop(key)
    return {"PipelineExecutionArn": document["PipelineExecutionArn"]}


def retry(context: Context, request: Document) -> Document:
    """Go on after the steps that succeeded."""
    key, document = _execution(context, request)
    if _status(document) not in (ExecutionStatus.FAILED, ExecutionStatus.STOPPED):
        raise ValidationException(
            f"Only a failed or stopped execution can be retried; this one is {_status(document).value}."
        )
    journal = Journal(context, key)
    with context.store.transaction():
        journal.forget_steps(lambda step: step["StepStatus"] == StepStatus.SUCCEEDED)
        journal.set_status(ExecutionStatus.EXECUTING)
    context.executions.start(key)
    return {"PipelineExecutionArn": document["PipelineExecutionArn"]}


def _execution(context: Context, request: Document) -> tuple[str, Document]:
    arn = request["PipelineExecutionArn"]
    key = resource(arn).replace("/execution/", "/")
    document = context.store.get(EXECUTION, key)
    if document is None:
        raise ResourceNotFound(f"Pipeline execution with ARN {arn} does not exist.")
    return key, document


def _status(document: Document) -> ExecutionStatus:
    return ExecutionStatus(document["PipelineExecutionStatus"])
