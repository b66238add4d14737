"""What each step type does: its arguments, with every expression replaced, become the operation AWS would call.

`run` is the whole of a step: an earlier run that may stand in for it, its attempts, and what it leaves behind.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from local.documents import Document
from local.sagemaker.jobs import processing, training, transform, tuning
from local.sagemaker.jobs.runner import INTERRUPTED, JobKind, Status
from local.sagemaker.operations import OPERATIONS
from local.sagemaker.pipelines import caching, callbacks, conditions, functions, names, retries, supplied
from local.sagemaker.pipelines.kinds import StepType
from local.sagemaker.pipelines.retries import Failure
from local.sagemaker.pipelines.run import Hold, Result, Run, StepFailed
from local.sagemaker.resources import registry
from local.sagemaker.wire import shapes
from local.sagemaker.wire.errors import ApiError, WorkFailed

_LOOK_SECONDS = 0.1
_JOBS: Mapping[str, JobKind] = {
    kind.prefix: kind for kind in (training.KIND, processing.KIND, transform.KIND, tuning.KIND)
}


def run(given: Run) -> Result:
    """Blocks until the step has ended. Raises StepFailed (a WorkFailed)."""
    try:
        key = _cache_key(given)
        found = caching.find(given.context, given.pipeline, given.step, key) if key is not None else None
        if found is not None and given.interrupted is None:
            return Result(found["Properties"], found["Metadata"], cache_hit=found["ExecutionArn"])
    except (ApiError, WorkFailed) as error:
        raise StepFailed(f"ClientError: {error}") from error
    return replace(_attempts(given), cache_key=key)


def _cache_key(given: Run) -> str | None:
    """None for a step that says nothing of caching: what it leaves would only be kept for nobody."""
    if given.step.kind.key is None or "CacheConfig" not in given.step.body:
        return None
    return caching.key(given.step, given.arguments(), given.beside())


def _attempts(given: Run) -> Result:
    """As many as its retry policies allow."""
    policies = given.step.body.get("RetryPolicies") or []
    began = time.monotonic()
    attempt = int(given.stored.get("AttemptCount", 1))
    while True:
        try:
            return _attempt(given)
        except StepFailed as error:
            wait = retries.pause(policies, error.failure, attempt, time.monotonic() - began)
            if wait is None or not given.watch.pause(wait):
                raise _final(given, error) from error
        attempt += 1
        given.watch.attempt(attempt)
        given = replace(given, interrupted=None)


def _attempt(given: Run) -> Result:
    work = _WORK.get(given.step.type, supplied.run)
    try:
        return work(given)
    except StepFailed:
        raise
    except (ApiError, WorkFailed) as error:
        raise StepFailed(f"ClientError: {error}", failure=_failure(error)) from error


def _failure(error: Exception) -> Failure | None:
    return retries.of_code(error.code) if isinstance(error, ApiError) else None


def _final(given: Run, error: StepFailed) -> StepFailed:
    """With AWS's words where a policy could have helped and none was there."""
    policies = given.step.body.get("RetryPolicies") or []
    if error.failure is None or any(error.failure in policy["ExceptionType"] for policy in policies):
        return error
    why = (
        f"Retry not appropriate on execution of step with PipelineExecutionArn {given.execution_arn} and StepId "
        f"{given.step.name}. No retry policy configured for the exception type "
        f"{error.failure.upper().replace('.', '_')}."
    )
    return StepFailed(f"{error}\n{why}", error.metadata)


def _call(given: Run, operation: str, request: Document) -> Document:
    """One operation, with the checks and the answer that a client would have. Raises StepFailed in AWS's words."""
    function = OPERATIONS.get(operation)
    if function is None:
        raise StepFailed(f"ClientError: the operation {operation} is not run by this local SageMaker.")
    try:
        shapes.check(shapes.input_shape(operation), request)
        return shapes.answer(operation, function(given.context, request))
    except ApiError as error:
        raise _not_invoked(operation, error) from error


def _not_invoked(operation: str, error: ApiError) -> StepFailed:
    return StepFailed(
        f"ClientError: Failed to invoke sagemaker:{operation}. Error Details: {error}", failure=_failure(error)
    )


# Jobs.


def _job(given: Run) -> Result:
    kind = _JOBS.get(given.step.kind.resource)
    if kind is None:
        raise StepFailed(f"Step type {given.step.type} is not run by this local SageMaker.")
    name = _still_good(given, kind) or _create(given)
    metadata: Document = {given.step.kind.metadata: {"Arn": given.context.arns.of(kind.kind, name)}}
    hold = Hold(stop=lambda: given.context.jobs.stop(kind, name))
    given.watch.executing(metadata, hold, name)
    document = given.context.jobs.wait(kind, name)
    status = Status(document[kind.status])
    if status is not Status.COMPLETED:
        reason = document.get("FailureReason") or f"The job ended with status {status.value}"
        raise StepFailed(reason, metadata, _job_failure(given, reason))
    return Result(_properties(given, kind, document), metadata)


def _create(given: Run) -> str:
    if not given.watch.pause(0):
        raise StepFailed("The execution was stopped before the job was made.")
    prefix = given.step.arguments.get(given.step.kind.name)
    if given.step.type == StepType.TUNING:
        name = names.tuning_job(given.execution_id, given.step.name)
    else:
        name = names.job(given.execution_id, given.step.name, prefix if isinstance(prefix, str) else None)
    request = {**given.named(name).arguments(), given.step.kind.name: name}
    # Experiments are for looking at afterwards; nothing here reads them.
    request.pop("ExperimentConfig", None)
    _call(given, given.step.kind.operation, request)
    return name


def _still_good(given: Run, kind: JobKind) -> str | None:
    """The job that was there before the local cloud was interrupted, unless that was its end."""
    name = given.stored.get("_Job")
    document = given.context.store.get(kind.kind, name) if name else None
    if document is None or str(document.get("FailureReason", "")).startswith(INTERRUPTED):
        return None
    return str(name)


def _job_failure(given: Run, reason: str) -> Failure | None:
    failure = retries.of_reason(reason)
    # AWS: tuning retries its own jobs.
    return None if failure is Failure.JOB_INTERNAL_ERROR and given.step.type == StepType.TUNING else failure


def _properties(given: Run, kind: JobKind, document: Document) -> Document:
    properties = shapes.answer(f"Describe{kind.prefix}", document)
    if given.step.type == StepType.TUNING:
        properties |= _best_first(given, document)
    return properties


def _best_first(given: Run, document: Document) -> Document:
    """TrainingJobSummaries, the best first: what get_top_model_s3_uri of the SDK refers to."""
    operation = "ListTrainingJobsForHyperParameterTuningJob"
    objective = document.get("HyperParameterTuningJobConfig", {}).get("HyperParameterTuningJobObjective", {})
    request = {
        "HyperParameterTuningJobName": document["HyperParameterTuningJobName"],
        "SortBy": "FinalObjectiveMetricValue",
        "StatusEquals": "Completed",
        "SortOrder": "Ascending" if objective.get("Type") == "Minimize" else "Descending",
    }
    return {"TrainingJobSummaries": _call(given, operation, request).get("TrainingJobSummaries", [])}


# What is made at once.


def _model(given: Run) -> Result:
    name = names.job(given.execution_id, given.step.name)
    arn = _call(given, "CreateModel", {**given.arguments(), "ModelName": name})["ModelArn"]
    return Result(_call(given, "DescribeModel", {"ModelName": name}), {"Model": {"Arn": arn}})


def _register_model(given: Run) -> Result:
    request = given.arguments()
    group = request.get("ModelPackageGroupName")
    if group is not None and not registry.group_exists(given.context, group):
        # A pipeline makes the group it registers into.
        _call(given, "CreateModelPackageGroup", {"ModelPackageGroupName": group})
    request["MetadataProperties"] = {"GeneratedBy": given.execution_arn, **request.get("MetadataProperties", {})}
    arn = _call(given, "CreateModelPackage", request)["ModelPackageArn"]
    described = _call(given, "DescribeModelPackage", {"ModelPackageName": arn})
    return Result(described, {"RegisterModel": {"Arn": arn}})


def _endpoint_config(given: Run) -> Result:
    request = given.arguments()
    arn = _call(given, "CreateEndpointConfig", request)["EndpointConfigArn"]
    described = _call(given, "DescribeEndpointConfig", {"EndpointConfigName": request["EndpointConfigName"]})
    return Result(described, {"EndpointConfig": {"Arn": arn}})


def _endpoint(given: Run) -> Result:
    """Created, or updated where it is there; the step ends when it is in service."""
    request = given.arguments()
    name = request.get("EndpointName")
    there = given.context.store.get("endpoint", str(name)) is not None
    if there:
        request = {member: value for member, value in request.items() if member != "Tags"}
    if not (there and given.stored.get("Metadata")):
        _call(given, "UpdateEndpoint" if there else "CreateEndpoint", request)
    metadata: Document = {"Endpoint": {"Arn": given.context.arns.of("endpoint", str(name))}}
    given.watch.executing(metadata)
    described = _call(given, "DescribeEndpoint", {"EndpointName": name})
    while described["EndpointStatus"] not in ("InService", "Failed", "UpdateRollbackFailed"):
        if not given.watch.pause(_LOOK_SECONDS):
            raise StepFailed("The execution was stopped before the endpoint was in service.", metadata)
        described = _call(given, "DescribeEndpoint", {"EndpointName": name})
    if described["EndpointStatus"] != "InService":
        raise StepFailed(f"ClientError: {described.get('FailureReason', 'the endpoint failed')}", metadata)
    return Result(described, metadata)


def _condition(given: Run) -> Result:
    outcome = "True" if conditions.all_hold(given.step.arguments["Conditions"], given.scope) else "False"
    return Result({"Outcome": outcome}, {"Condition": {"Outcome": outcome}})


def _fail(given: Run) -> Result:
    message = str(given.arguments().get("ErrorMessage", ""))
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
