"""The operations on pipeline executions."""

import json

from local.documents import Document
from local.sagemaker.machine.machine import Machine
from local.sagemaker.pipelines import api, names, selection, versions
from local.sagemaker.pipelines.definition import Definition, parse
from local.sagemaker.pipelines.executions import Executions
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


def start(executions: Executions, request: Document) -> Document:
    """Starts an execution, or answers the one that a ClientRequestToken it has seen started.

    Raises ConflictException where that was started with something else.
    """
    if "MlflowExperimentName" in request:
        raise ValidationException("MlflowExperimentName is not run by this local SageMaker.")
    machine = executions.machine
    pipeline = api.find(machine, request["PipelineName"])
    known = _started(machine, pipeline, request)
    if known is not None:
        return known
    used = _used(machine, pipeline, request)
    definition = parse(used["PipelineDefinition"])
    texts = {parameter["Name"]: parameter["Value"] for parameter in request.get("PipelineParameters", [])}
    values = definition.values(texts)
    reused, source = _selected(machine, definition, pipeline, request)
    name = pipeline["PipelineName"]
    execution_id = names.execution_id()
    key, arn = f"{name}/{execution_id}", machine.arns.execution(name, execution_id)
    document = _document(pipeline, used, request, arn, values)
    document["PipelineExperimentConfig"] = _experiment(definition, document, name, execution_id)
    stored = {"PipelineExecutionArn": arn, "Request": _identity(request)}
    try:
        with machine.store.transaction():
            machine.store.insert(api.TOKEN, f"{name}/{request['ClientRequestToken']}", stored)
            machine.store.insert(DEFINITION, key, {"PipelineDefinition": used["PipelineDefinition"]})
            machine.store.insert(EXECUTION, key, document)
            for step in reused:
                Journal(machine, key).step_reused(step, source)
            times = {"LastRunTime": document["CreationTime"], "LastExecutionTime": document["CreationTime"]}
            machine.store.change(api.KIND, name, lambda stored: stored.update(times))
            versions.executed(machine, name, document["PipelineVersionId"], arn)
            tell_execution(machine, document, None)
    except AlreadyThere:
        return _started(machine, pipeline, request) or {}
    executions.start(key)
    return {"PipelineExecutionArn": arn}


def _started(machine: Machine, pipeline: Document, request: Document) -> Document | None:
    token = machine.store.get(api.TOKEN, f"{pipeline['PipelineName']}/{request['ClientRequestToken']}")
    if token is None:
        return None
    if token["Request"] != _identity(request):
        raise ConflictException(
            f"The ClientRequestToken {request['ClientRequestToken']} has started {token['PipelineExecutionArn']} with "
            "other arguments."
        )
    return token


def _identity(request: Document) -> Document:
    """Returns what two requests of one token must have in common."""
    return {member: value for member, value in request.items() if member not in ("ClientRequestToken", "PipelineName")}


def _used(machine: Machine, pipeline: Document, request: Document) -> Document:
    """Returns the pipeline as of the version that is asked for."""
    version: int = request.get("PipelineVersionId") or pipeline["_Version"]
    return {**pipeline, **versions.get(machine, pipeline, version)}


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
        "_Selected": [step["StepName"] for step in request["SelectiveExecutionConfig"]["SelectedSteps"]]
        if "SelectiveExecutionConfig" in request
        else None,
    }


def _experiment(definition: Definition, document: Document, name: str, execution_id: str) -> Document | None:
    """Returns the names of the execution's experiment; nothing is tracked under them here."""
    variables = {
        "PipelineName": name.lower(),
        "PipelineExecutionId": execution_id,
        "PipelineArn": document["PipelineArn"],
        "PipelineExecutionArn": document["PipelineExecutionArn"],
    }
    scope = Scope(parameters=document["_Values"], execution=variables, steps={})
    return evaluate(dict(definition.experiment), scope) if definition.experiment else None


def _selected(
    machine: Machine, definition: Definition, pipeline: Document, request: Document
) -> tuple[list[Document], str]:
    """Returns the steps that a selective execution takes over, and from where."""
    config = request.get("SelectiveExecutionConfig")
    if config is None:
        return [], ""
    chosen = [step["StepName"] for step in config["SelectedSteps"]]
    wanted = selection.needed(definition, chosen)
    arn = config.get("SourcePipelineExecutionArn")
    steps = None
    if arn is not None:
        key, source = _execution(machine, {"PipelineExecutionArn": arn})
        if source["PipelineArn"] != pipeline["PipelineArn"]:
            raise ValidationException(f"Invalid SourcePipelineExecutionArn: {arn} is of another pipeline")
        if not _status(source).final:
            raise ValidationException(f"Invalid SourcePipelineExecutionArn: {arn} is still {_status(source).value}")
        steps = Journal(machine, key).steps()
    return selection.reused(chosen, wanted, steps), str(arn)


def describe(machine: Machine, request: Document) -> Document:
    return _execution(machine, request)[1]


def update(executions: Executions, request: Document) -> Document:
    """Changes its names, and how many steps may run at once, which holds at once for those that have not begun."""
    machine = executions.machine
    key, _ = _execution(machine, request)
    changes = {member: value for member, value in request.items() if member != "PipelineExecutionArn"}
    machine.store.change(
        EXECUTION, key, lambda document: document.update({**changes, "LastModifiedTime": now(), "LastModifiedBy": {}})
    )
    executions.look(key)
    return {"PipelineExecutionArn": request["PipelineExecutionArn"]}


def definition(machine: Machine, request: Document) -> Document:
    key, document = _execution(machine, request)
    return {"PipelineDefinition": Journal(machine, key).definition(), "CreationTime": document["CreationTime"]}


def listed(machine: Machine, request: Document) -> Document:
    name = api.find(machine, request["PipelineName"])["PipelineName"]
    summaries = [_summary(document) for document in machine.store.find(EXECUTION, f"{name}/")]
    asked = dict(request)
    if asked.pop("SortBy", None) == "PipelineExecutionArn":
        asked["SortBy"] = "Name"
    return listing.page("ListPipelineExecutions", summaries, asked, name="PipelineExecutionArn")


def _summary(document: Document) -> Document:
    failure = {"PipelineExecutionFailureReason": document["FailureReason"]} if "FailureReason" in document else {}
    return {**document, **failure}


def list_steps(machine: Machine, request: Document) -> Document:
    if "PipelineExecutionArn" not in request:
        raise ValidationException("PipelineExecutionArn is required.")
    key, _ = _execution(machine, request)
    steps = list(Journal(machine, key).steps().values())
    return listing.page("ListPipelineExecutionSteps", steps, request, name="StepName")


def list_parameters(machine: Machine, request: Document) -> Document:
    """Lists the parameters that were given, and the defaults of those that were not."""
    document = _execution(machine, request)[1]
    parameters = [
        {"Name": name, "Value": value if isinstance(value, str) else json.dumps(value)}
        for name, value in document["_Values"].items()
    ]
    return listing.page("ListPipelineParametersForExecution", parameters, request, name="Name", ascending=True)


def stop(executions: Executions, request: Document) -> Document:
    machine = executions.machine
    key, document = _execution(machine, request)
    status = _status(document)
    if status is not ExecutionStatus.STOPPING and not Journal(machine, key).set_status(ExecutionStatus.STOPPING):
        raise ValidationException(
            f"Only pipelines with an Executing status can be stopped; this one is {_status(document).value}."
        )
    executions.stop(key)
    return {"PipelineExecutionArn": document["PipelineExecutionArn"]}


def retry(executions: Executions, request: Document) -> Document:
    """Goes on after the steps that succeeded. The token of the retry that runs now is answered again."""
    machine = executions.machine
    key, document = _execution(machine, request)
    arn = document["PipelineExecutionArn"]
    token = request["ClientRequestToken"]
    if document.get("_RetryToken") == token and not _status(document).final:
        return {"PipelineExecutionArn": arn}
    if _status(document) not in (ExecutionStatus.FAILED, ExecutionStatus.STOPPED):
        raise ValidationException(
            f"Only a failed or stopped execution can be retried; this one is {_status(document).value}."
        )
    changes = {name: request[name] for name in ("ParallelismConfiguration",) if name in request}
    journal = Journal(machine, key)
    with machine.store.transaction():
        journal.forget_steps(lambda step: step["StepStatus"] == StepStatus.SUCCEEDED)
        machine.store.change(EXECUTION, key, lambda stored: stored.update({**changes, "_RetryToken": token}))
        if not journal.set_status(ExecutionStatus.EXECUTING):
            # Another retry was faster.
            return {"PipelineExecutionArn": arn}
    executions.start(key)
    return {"PipelineExecutionArn": arn}


def _execution(machine: Machine, request: Document) -> tuple[str, Document]:
    arn = request["PipelineExecutionArn"]
    key = resource(arn).replace("/execution/", "/")
    document = machine.store.get(EXECUTION, key)
    if document is None:
        raise ResourceNotFound(f"Pipeline execution with ARN {arn} does not exist.")
    return key, document


def _status(document: Document) -> ExecutionStatus:
    return ExecutionStatus(document["PipelineExecutionStatus"])
