"""What each step type does: its arguments, with every expression replaced, become the operation AWS would call.

`run` is the whole of a step: an earlier run that may stand in for it, its attempts, and what it leaves behind.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from local.documents import Document
from local.sagemaker.jobs import kinds
from local.sagemaker.jobs.job import INTERRUPTED, JobKind, Status
from local.sagemaker.pipelines import caching, callbacks, conditions, functions, names, retries, supplied
from local.sagemaker.pipelines.kinds import StepType
from local.sagemaker.pipelines.retries import Failure
from local.sagemaker.pipelines.run import Hold, Result, Run, StepFailed
from local.sagemaker.resources import model_package_groups
from local.sagemaker.wire import shapes
from local.sagemaker.wire.errors import ApiError, WorkFailed

_LOOK_SECONDS = 0.1
_JOBS: Mapping[str, JobKind] = {kind.prefix: kind for kind in kinds.KINDS}


def run(run: Run) -> Result:
    """Blocks until the step has ended. Raises StepFailed (a WorkFailed)."""
    try:
        key = _cache_key(run)
        earlier = caching.find(run.reach.machine, run.pipeline, run.step, key) if key is not None else None
        if earlier is not None and run.interrupted is None:
            return Result(earlier["Properties"], earlier["Metadata"], cache_hit=earlier["ExecutionArn"])
    except (ApiError, WorkFailed) as error:
        raise StepFailed(f"ClientError: {error}") from error
    return replace(_attempts(run), cache_key=key)


def _cache_key(run: Run) -> str | None:
    """Returns the key, None for a step that says nothing of caching: what it leaves would be kept for nobody."""
    if run.step.kind.key is None or "CacheConfig" not in run.step.body:
        return None
    return caching.key(run.step, run.arguments(), run.beside())


def _attempts(run: Run) -> Result:
    """Tries the step as often as its retry policies allow."""
    policies = run.step.body.get("RetryPolicies") or []
    began = time.monotonic()
    attempt = int(run.stored.get("AttemptCount", 1))
    while True:
        try:
            return _attempt(run)
        except StepFailed as error:
            wait = retries.pause(policies, error.failure, attempt, time.monotonic() - began)
            if wait is None or not run.watch.pause(wait):
                raise _final(run, error) from error
        attempt += 1
        run.watch.attempt(attempt)
        run = replace(run, interrupted=None)


def _attempt(run: Run) -> Result:
    work = _WORK.get(run.step.type, supplied.run)
    try:
        return work(run)
    except StepFailed:
        raise
    except (ApiError, WorkFailed) as error:
        raise StepFailed(f"ClientError: {error}", failure=_failure(error)) from error


def _failure(error: Exception) -> Failure | None:
    return retries.of_code(error.code) if isinstance(error, ApiError) else None


def _final(run: Run, error: StepFailed) -> StepFailed:
    """Adds AWS's words where a policy could have helped and none was there."""
    policies = run.step.body.get("RetryPolicies") or []
    if error.failure is None or any(error.failure in policy["ExceptionType"] for policy in policies):
        return error
    why = (
        f"Retry not appropriate on execution of step with PipelineExecutionArn {run.execution_arn} and StepId "
        f"{run.step.name}. No retry policy configured for the exception type "
        f"{error.failure.upper().replace('.', '_')}."
    )
    return StepFailed(f"{error}\n{why}", error.metadata)


def _call(run: Run, operation: str, request: Document) -> Document:
    """Calls one operation, as a client would. Raises StepFailed in AWS's words."""
    try:
        return run.reach.call(operation, request)
    except ApiError as error:
        raise _not_invoked(operation, error) from error


def _not_invoked(operation: str, error: ApiError) -> StepFailed:
    return StepFailed(
        f"ClientError: Failed to invoke sagemaker:{operation}. Error Details: {error}", failure=_failure(error)
    )


# Jobs.


def _job(run: Run) -> Result:
    kind = _JOBS.get(run.step.kind.resource)
    if kind is None:
        raise StepFailed(f"Step type {run.step.type} is not run by this local SageMaker.")
    name = _still_good(run, kind) or _create(run)
    metadata: Document = {run.step.kind.metadata: {"Arn": run.reach.machine.arns.of(kind.kind, name)}}
    hold = Hold(stop=lambda: run.reach.jobs.stop(kind, name))
    run.watch.executing(metadata, hold, name)
    document = run.reach.jobs.wait(kind, name)
    status = Status(document[kind.status])
    if status is not Status.COMPLETED:
        reason = document.get("FailureReason") or f"The job ended with status {status.value}"
        raise StepFailed(reason, metadata, _job_failure(run, reason))
    return Result(_properties(run, kind, document), metadata)


def _create(run: Run) -> str:
    if not run.watch.pause(0):
        raise StepFailed("The execution was stopped before the job was made.")
    prefix = run.step.arguments.get(run.step.kind.name)
    if run.step.type == StepType.TUNING:
        name = names.tuning_job(run.execution_id, run.step.name)
    else:
        name = names.job(run.execution_id, run.step.name, prefix if isinstance(prefix, str) else None)
    request = {**run.named(name).arguments(), run.step.kind.name: name}
    # Experiments are for looking at afterwards; nothing here reads them.
    request.pop("ExperimentConfig", None)
    _call(run, run.step.kind.operation, request)
    return name


def _still_good(run: Run, kind: JobKind) -> str | None:
    """Returns the job that was there before the local cloud was interrupted, unless that was its end."""
    name = run.stored.get("_Job")
    document = run.reach.machine.store.get(kind.kind, name) if name else None
    if document is None or str(document.get("FailureReason", "")).startswith(INTERRUPTED):
        return None
    return str(name)


def _job_failure(run: Run, reason: str) -> Failure | None:
    failure = retries.of_reason(reason)
    # AWS: tuning retries its own jobs.
    return None if failure is Failure.JOB_INTERNAL_ERROR and run.step.type == StepType.TUNING else failure


def _properties(run: Run, kind: JobKind, document: Document) -> Document:
    properties = shapes.answer(f"Describe{kind.prefix}", document)
    if run.step.type == StepType.TUNING:
        properties |= _best_first(run, document)
    return properties


def _best_first(run: Run, document: Document) -> Document:
    """Returns TrainingJobSummaries, the best first: what get_top_model_s3_uri of the SDK refers to."""
    operation = "ListTrainingJobsForHyperParameterTuningJob"
    objective = document.get("HyperParameterTuningJobConfig", {}).get("HyperParameterTuningJobObjective", {})
    request = {
        "HyperParameterTuningJobName": document["HyperParameterTuningJobName"],
        "SortBy": "FinalObjectiveMetricValue",
        "StatusEquals": "Completed",
        "SortOrder": "Ascending" if objective.get("Type") == "Minimize" else "Descending",
    }
    return {"TrainingJobSummaries": _call(run, operation, request).get("TrainingJobSummaries", [])}


# What is made at once.


def _model(run: Run) -> Result:
    name = names.job(run.execution_id, run.step.name)
    arn = _call(run, "CreateModel", {**run.arguments(), "ModelName": name})["ModelArn"]
    return Result(_call(run, "DescribeModel", {"ModelName": name}), {"Model": {"Arn": arn}})


def _register_model(run: Run) -> Result:
    request = run.arguments()
    group = request.get("ModelPackageGroupName")
    if group is not None and not model_package_groups.exists(run.reach.machine, group):
        # A pipeline makes the group it registers into.
        _call(run, "CreateModelPackageGroup", {"ModelPackageGroupName": group})
    request["MetadataProperties"] = {"GeneratedBy": run.execution_arn, **request.get("MetadataProperties", {})}
    arn = _call(run, "CreateModelPackage", request)["ModelPackageArn"]
    described = _call(run, "DescribeModelPackage", {"ModelPackageName": arn})
    return Result(described, {"RegisterModel": {"Arn": arn}})


def _endpoint_config(run: Run) -> Result:
    request = run.arguments()
    arn = _call(run, "CreateEndpointConfig", request)["EndpointConfigArn"]
    described = _call(run, "DescribeEndpointConfig", {"EndpointConfigName": request["EndpointConfigName"]})
    return Result(described, {"EndpointConfig": {"Arn": arn}})


def _endpoint(run: Run) -> Result:
    """Creates the endpoint, or updates it where it is there; the step ends when it is in service."""
    request = run.arguments()
    name = request.get("EndpointName")
    there = run.reach.machine.store.get("endpoint", str(name)) is not None
    if there:
        request = {member: value for member, value in request.items() if member != "Tags"}
    if not (there and run.stored.get("Metadata")):
        _call(run, "UpdateEndpoint" if there else "CreateEndpoint", request)
    metadata: Document = {"Endpoint": {"Arn": run.reach.machine.arns.of("endpoint", str(name))}}
    run.watch.executing(metadata)
    described = _call(run, "DescribeEndpoint", {"EndpointName": name})
    while described["EndpointStatus"] not in ("InService", "Failed", "UpdateRollbackFailed"):
        if not run.watch.pause(_LOOK_SECONDS):
            raise StepFailed("The execution was stopped before the endpoint was in service.", metadata)
        described = _call(run, "DescribeEndpoint", {"EndpointName": name})
    if described["EndpointStatus"] != "InService":
        raise StepFailed(f"ClientError: {described.get('FailureReason', 'the endpoint failed')}", metadata)
    return Result(described, metadata)


def _condition(run: Run) -> Result:
    outcome = "True" if conditions.all_hold(run.step.arguments["Conditions"], run.scope) else "False"
    return Result({"Outcome": outcome}, {"Condition": {"Outcome": outcome}})


def _fail(run: Run) -> Result:
    message = str(run.arguments().get("ErrorMessage", ""))
    raise StepFailed(message or "The pipeline reached a Fail step.", {"Fail": {"ErrorMessage": message}})


_WORK: Mapping[str, Callable[[Run], Result]] = {
    StepType.PROCESSING: _job,
    StepType.TRAINING: _job,
    StepType.TUNING: _job,
    StepType.TRANSFORM: _job,
    StepType.MODEL: _model,
    StepType.REGISTER_MODEL: _register_model,
    StepType.CONDITION: _condition,
    StepType.LAMBDA: functions.run,
    StepType.CALLBACK: callbacks.run,
    StepType.FAIL: _fail,
    StepType.ENDPOINT_CONFIG: _endpoint_config,
    StepType.ENDPOINT: _endpoint,
}
