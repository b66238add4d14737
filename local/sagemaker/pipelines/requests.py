"""The operations on pipeline executions."""

import json

from local.documents import Document
from local.sagemaker.machine.machine import Context
from local.sagemaker.pipelines import api, names, selection, versions
from local.sagemaker.pipelines.definition import Definition, parse
from local.sagemaker.pipelines.expressions import Scope, evaluate
from local.sagemaker.pipelines.journal import (
    DEFINITION,
    EXECUTION,
    ExecutionStatus,
    Journal,
    tell_execution,
)
from local.sagemaker.pipelines.progress import StepStatus
from local.sagemaker.wire import listing
from local.sagemaker.wire.arns import resource
from local.sagemaker.wire.errors import ConflictException, ResourceNotFound, ValidationException
from local.store import AlreadyThere, now

_KEPT = ("PipelineExecutionDescription", "ParallelismConfiguration", "SelectiveExecutionConfig", "PipelineVersionId")


def start(context: Context, request: Document) -> Document:
    """With a ClientRequestToken it has seen, answers the execution that token started.

    Raises ConflictException where that was started with something else.
    """
    if "MlflowExperimentName" in request:
        raise ValidationException("MlflowExperimentName is not run by this local SageMaker.")
    pipeline = api.found(context, request["PipelineName"])
    known = _started(context, pipeline, request)
    if known is not None:
        return known
    used = _used(context, pipeline, request)
    definition = parse(used["PipelineDefinition"])
    given = {one["Name"]: one["Value"] for one in request.get("PipelineParameters", [])}
    values = definition.values(given)
    reused, source = _selected(context, definition, pipeline, request)
    name = pipeline["PipelineName"]
    execution_id = names.execution_id()
    key, arn = f"{name}/{execution_id}", context.arns.execution(name, execution_id)
    document = _document(pipeline, used, request, arn, values)
    document["PipelineExperimentConfig"] = _experiment(definition, document, name, execution_id)
    stored = {"PipelineExecutionArn": arn, "Request": _identity(request)}
    try:
        with context.store.transaction():
            context.store.insert(api.TOKEN, f"{name}/{request['ClientRequestToken']}", stored)
            context.store.insert(DEFINITION, key, {"PipelineDefinition": used["PipelineDefinition"]})
            context.store.insert(EXECUTION, key, document)
            for step in reused:
                Journal(context, key).step_reused(step, source)
            times = {"LastRunTime": document["CreationTime"], "LastExecutionTime": document["CreationTime"]}
            context.store.change(api.KIND, name, lambda stored: stored.update(times))
            versions.executed(context, name, document["PipelineVersionId"], arn)
            tell_execution(context, document, None)
    except AlreadyThere:
        return _started(context, pipeline, request) or {}
    context.executions.start(key)
    return {"PipelineExecutionArn": arn}


def _started(context: Context, pipeline: Document, request: Document) -> Document | None:
    token = context.store.get(api.TOKEN, f"{pipeline['PipelineName']}/{request['ClientRequestToken']}")
    if token is None:
        return None
    if token["Request"] != _identity(request):
        raise ConflictException(
            f"The ClientRequestToken {request['ClientRequestToken']} has started {token['PipelineExecutionArn']} with "
            "other arguments."
        )
    return token


def _identity(request: Document) -> Document:
    """What two requests of one token must have in common."""
    return {member: value for member, value in request.items() if member not in ("ClientRequestToken", "PipelineName")}


def _used(context: Context, pipeline: Document, request: Document) -> Document:
    """The pipeline as of the version that is asked for."""
    version: int = request.get("PipelineVersionId") or pipeline["_Version"]
    return {**pipeline, **versions.get(context, pipeline, version)}


def _document(pipeline: Document, used: Document, request: Document, arn: str, values: Document) -> Document:
    created = now()
    kept = {**used, **request}
    return {
        "PipelineArn": pipeline["PipelineArn"],
        "PipelineExecutionArn": arn,
        "PipelineExecutionDisplayName": request.get("PipelineExecutionDisplayName", f"execution-{int(created * 1000)}"),
        "PipelineExecutionStatus": ExecutionStatus.EXECUTING.value,
        "PipelineParameters": request.get("PipelineParameters", []),
        **{member: kept[member] for member in _KEPT if member in kept},
        "CreationTime": created,
        "StartTime": created,
        "LastModifiedTime": created,
        "CreatedBy": {},
        "LastModifiedBy": {},
        "_PipelineName": pipeline["PipelineName"],
        "_Values": values,
        "_Selected": [one["StepName"] for one in request["SelectiveExecutionConfig"]["SelectedSteps"]]
        if "SelectiveExecutionConfig" in request
        else None,
    }


def _experiment(definition: Definition, document: Document, name: str, execution_id: str) -> Document | None:
    """Its names; nothing is tracked under them here."""
    variables = {
        "PipelineName": name.lower(),
        "PipelineExecutionId": execution_id,
        "PipelineArn": document["PipelineArn"],
        "PipelineExecutionArn": document["PipelineExecutionArn"],
    }
    scope = Scope(parameters=document["_Values"], execution=variables, steps={})
    return evaluate(dict(definition.experiment), scope) if definition.experiment else None


def _selected(
    context: Context, definition: Definition, pipeline: Document, request: Document
) -> tuple[list[Document], str]:
    """The steps that a selective execution takes over, and from where."""
    config = request.get("SelectiveExecutionConfig")
    if config is None:
        return [], ""
    chosen = [one["StepName"] for one in config["SelectedSteps"]]
    wanted = selection.needed(definition, chosen)
    arn = config.get("SourcePipelineExecutionArn")
    steps = None
    if arn is not None:
        key, source = _execution(context, {"PipelineExecutionArn": arn})
        if source["PipelineArn"] != pipeline["PipelineArn"]:
            raise ValidationException(f"Invalid SourcePipelineExecutionArn: {arn} is of another pipeline")
        if not _status(source).final:
            raise ValidationException(f"Invalid SourcePipelineExecutionArn: {arn} is still {_status(source).value}")
        steps = Journal(context, key).steps()
    return selection.reused(chosen, wanted, steps), str(arn)


def describe(context: Context, request: Document) -> Document:
    return _execution(context, request)[1]


def update(context: Context, request: Document) -> Document:
    """Its names, and how many of its steps may run at once: at once for those that have not begun."""
    key, _ = _execution(context, request)
    changes = {member: value for member, value in request.items() if member != "PipelineExecutionArn"}
    context.store.change(
        EXECUTION, key, lambda document: document.update({**changes, "LastModifiedTime": now(), "LastModifiedBy": {}})
    )
    context.executions.look(key)
    return {"PipelineExecutionArn": request["PipelineExecutionArn"]}


def definition(context: Context, request: Document) -> Document:
    key, document = _execution(context, request)
    return {"PipelineDefinition": Journal(context, key).definition(), "CreationTime": document["CreationTime"]}


def listed(context: Context, request: Document) -> Document:
    name = api.found(context, request["PipelineName"])["PipelineName"]
    found = [_summary(one) for one in context.store.find(EXECUTION, f"{name}/")]
    asked = dict(request)
    if asked.pop("SortBy", None) == "PipelineExecutionArn":
        asked["SortBy"] = "Name"
    return listing.page("ListPipelineExecutions", found, asked, name="PipelineExecutionArn")


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
    """What was given, and the defaults of what was not."""
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
    """Go on after the steps that succeeded. The token of the retry that runs now is answered again."""
    key, document = _execution(context, request)
    arn = document["PipelineExecutionArn"]
    token = request["ClientRequestToken"]
    if document.get("_RetryToken") == token and not _status(document).final:
        return {"PipelineExecutionArn": arn}
    if _status(document) not in (ExecutionStatus.FAILED, ExecutionStatus.STOPPED):
        raise ValidationException(
            f"Only a failed or stopped execution can be retried; this one is {_status(document).value}."
        )
    changes = {name: request[name] for name in ("ParallelismConfiguration",) if name in request}
    journal = Journal(context, key)
    with context.store.transaction():
        journal.forget_steps(lambda step: step["StepStatus"] == StepStatus.SUCCEEDED)
        context.store.change(EXECUTION, key, lambda stored: stored.update({**changes, "_RetryToken": token}))
        if not journal.set_status(ExecutionStatus.EXECUTING):
            # Another retry was faster.
            return {"PipelineExecutionArn": arn}
    context.executions.start(key)
    return {"PipelineExecutionArn": arn}


def _execution(context: Context, request: Document) -> tuple[str, Document]:
    arn = request["PipelineExecutionArn"]
    key = resource(arn).replace("/execution/", "/")
    document = context.store.get(EXECUTION, key)
    if document is None:
        raise ResourceNotFound(f"Pipeline execution with ARN {arn} does not exist.")
    return key, document


def _status(document: Document) -> ExecutionStatus:
    return ExecutionStatus(document["PipelineExecutionStatus"])
