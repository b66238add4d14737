"""One run of a SageMaker pipeline for one job: starting it, following its steps, telling its end.

A pipeline execution carries the job's id as its display name, and every event leads back to that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws.log import about, logger
from functions.aws.services import error_code, error_message
from functions.jobs import ids, jobs
from functions.jobs.errors import JobOver, PipelineNotStarted, PipelinesAtLimit, PipelineThrottled
from functions.jobs.job import Job
from functions.jobs.jobs import Progress
from functions.waiting import gates, measurements, stopping, waits
from functions.waiting.waits import PIPELINE_SECONDS, Failed, Resolution, Succeeded, Wait, WaitKind

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import ParameterTypeDef, PipelineExecutionStepTypeDef

    from functions.aws.services import Services

_ENDINGS = {"Failed": "PipelineFailed", "Stopped": "PipelineStopped", "Succeeded": ""}
_MAX_REASON = 4000
_REFUSALS: Mapping[str, type[PipelineNotStarted]] = {
    **dict.fromkeys(("ThrottlingException", "Throttling", "InternalFailure", "ServiceUnavailable"), PipelineThrottled),
    "ResourceLimitExceeded": PipelinesAtLimit,
}
"""Refusals for now. The state machine retries them by the names of their classes."""


def start(job: Mapping[str, Any], token: str, services: Services) -> str:
    """Parks the token and starts the pipeline of a claimed job; returns the execution's ARN.

    The token is stored first, so the completion event cannot come too early. A repeat after a crash starts nothing new:
    ClientRequestToken is computed from the job id and gives the same execution. Should that have ended meanwhile, its
    event met the old token, so the execution is looked at once, and the new token gets its answer here.

    Raises:
        PipelineNotStarted: SageMaker refused; the text says why.
        JobOver: the job was stopped meanwhile, and with it the pipeline, if it had been started.
    """
    job_id = job["job_id"]
    stopping.ensure_open(job_id, services)
    wait = waits.park_for(services, WaitKind.PIPELINE, job_id, token, job.get("pipeline_seconds") or PIPELINE_SECONDS)
    try:
        response = services.sagemaker.start_pipeline_execution(
            PipelineName=job["pipeline_name"],
            PipelineExecutionDisplayName=job_id,
            ClientRequestToken=ids.client_request_token(job_id),
            PipelineParameters=parameters(job),
            **_as_before(job),
        )
    except ClientError as error:
        waits.forget(services, wait)
        raise _REFUSALS.get(error_code(error), PipelineNotStarted)(_refusal(job["pipeline_name"], error)) from error
    execution = response["PipelineExecutionArn"]
    jobs.note(services, job_id, Progress(links={"pipeline_execution": execution}))
    _ensure_wanted(job_id, execution, services)
    try:
        resolve_if_ended(wait, execution, services)
    except ClientError as error:
        # The pipeline is started all the same: its event or the sweep ends the wait.
        logger.warning("a pipeline execution cannot be looked at", extra={"answer": error_code(error)})
    return execution


def _as_before(job: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what makes a run that is run again the same: the pipeline's version, and what need not be done anew."""
    request: dict[str, Any] = {}
    if job.get("pipeline_version"):
        request["PipelineVersionId"] = job["pipeline_version"]
    if job.get("selected_steps"):
        request["SelectiveExecutionConfig"] = {
            "SourcePipelineExecutionArn": job["source_execution"],
            "SelectedSteps": [{"StepName": step} for step in job["selected_steps"]],
        }
    return request


def _ensure_wanted(job_id: str, execution: str, services: Services) -> None:
    """Stops what was started for a job that was stopped in the same moment, which found no pipeline to stop."""
    try:
        stopping.ensure_open(job_id, services)
    except JobOver:
        stopping.stop_pipeline_execution(execution, services)
        raise


def resolve_if_ended(wait: Wait, execution: str, services: Services) -> bool:
    """Asks for the execution's status and, if it has ended, tells the state that waits; False if it goes on."""
    response = services.sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
    status = response["PipelineExecutionStatus"]
    if status not in _ENDINGS:
        return False
    _resolve(wait, execution, status, services)
    return True


def _resolve(wait: Wait, execution: str, status: str, services: Services) -> None:
    waits.resolve(services, wait, outcome(wait.job_id, execution, status, services))


def parameters(job: Mapping[str, Any]) -> list[ParameterTypeDef]:
    """Pipeline parameters of a claimed job; values are text whatever their type. No dataset, no InputUri."""
    values: dict[str, Any] = {"JobId": job["job_id"]}
    if job.get("input_uri"):
        values["InputUri"] = job["input_uri"]
    values |= job.get("hyperparameters") or {}
    return [{"Name": name, "Value": str(value)} for name, value in values.items()]


def _refusal(pipeline: str, error: ClientError) -> str:
    match error_code(error):
        case "ResourceNotFound":
            return f"the pipeline {pipeline} does not exist: publish the catalogue first"
        case "ResourceLimitExceeded":
            return f"the pipeline {pipeline} cannot run now, a limit of the account is reached: {error_message(error)}"
        case _:
            return f"the pipeline {pipeline} could not be started: {error_message(error)}"


@dataclass(frozen=True, slots=True)
class Ended:
    """A pipeline execution has come to its end."""

    execution: str
    display_name: str | None
    status: str


@dataclass(frozen=True, slots=True)
class StepChanged:
    execution: str
    step: str
    status: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Irrelevant:
    """An event that needs nothing done, e.g. a pipeline that has just begun."""


def read_event(detail: Mapping[str, Any]) -> Ended | StepChanged | Irrelevant:
    """Reads a SageMaker pipeline event's detail.

    https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
    """
    execution = str(detail.get("pipelineExecutionArn", ""))
    if "stepName" in detail:
        status = str(detail.get("currentStepStatus", ""))
        return StepChanged(execution, str(detail["stepName"]), status, detail.get("metadata") or {})
    status = str(detail.get("currentPipelineExecutionStatus", ""))
    if status in _ENDINGS and execution:
        return Ended(execution, detail.get("pipelineExecutionDisplayName"), status)
    return Irrelevant()


def track(detail: Mapping[str, Any], services: Services) -> str:
    """Brings the job up to date with one event; returns a word for the log.

    SageMaker may send an event several times and in any order. Nothing here counts or toggles: steps are added to a
    set, links are set to what they are, and a second end finds no token.
    """
    match read_event(detail):
        case Ended() as ended:
            return _end(ended, services)
        case StepChanged() as change:
            return _note_step(change, services)
        case Irrelevant():
            return "irrelevant"


def _job_id(execution: str, display_name: str | None, services: Services) -> str | None:
    """Returns the job a pipeline execution belongs to; None for one that somebody else started."""
    if display_name is None:
        response = services.sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
        display_name = response.get("PipelineExecutionDisplayName")
    return display_name if display_name and ids.is_job_id(display_name) else None


def _note_step(change: StepChanged, services: Services) -> str:
    job_id = _job_id(change.execution, None, services)
    about(job_id)
    job = jobs.get(services, job_id) if job_id else None
    if job is None:
        return "unknown job"
    links = _links({_lower_arns(name): value for name, value in change.metadata.items()})
    if change.status == "Succeeded":
        jobs.note(services, job.job_id, Progress(done=frozenset({change.step}), links=links))
        return "step done"
    if change.status in {"Starting", "Executing"} and job.status.final:
        # Whoever ended the job could not know of its pipeline yet, or was cut off before it was stopped.
        stopping.stop_pipeline_execution(change.execution, services)
        return "not wanted"
    if change.status in {"Starting", "Executing"} and _is_later(job, change.step):
        jobs.note(services, job.job_id, Progress(step=change.step, links=links))
        return "step begun"
    return "nothing new"


def _is_later(job: Job, step: str) -> bool:
    """Tells whether `step` is ahead of the one shown: an event that comes late must not turn the job back."""
    if step in job.done_steps:
        return False
    if job.step not in job.steps or step not in job.steps:
        return True
    return job.steps.index(step) >= job.steps.index(job.step)


def _lower_arns(name: str) -> str:
    """Events write `trainingJob`, ListPipelineExecutionSteps writes `TrainingJob`."""
    return name[:1].upper() + name[1:]


def _links(metadata: Mapping[str, Any]) -> dict[str, str | None]:
    """Links told by a step's metadata: the training job's name, the model package's ARN."""
    training = _arn(metadata.get("TrainingJob"))
    return {
        "training_job": training.rsplit("/", 1)[-1] if training else None,
        "model_package": _arn(metadata.get("RegisterModel")),
    }


def _arn(part: Any) -> str | None:
    if not isinstance(part, Mapping):
        return None
    arn = part.get("Arn") or part.get("arn")
    return str(arn) if arn else None


def _end(ended: Ended, services: Services) -> str:
    job_id = _job_id(ended.execution, ended.display_name, services)
    about(job_id)
    wait = waits.get(services, WaitKind.PIPELINE, job_id) if job_id else None
    if wait is None:
        return "nobody waits"
    _resolve(wait, ended.execution, ended.status, services)
    return "resolved"


def outcome(job_id: str, execution: str, status: str, services: Services) -> Resolution:
    """Returns what the waiting state gets for a pipeline execution that has ended with `status`.

    The steps are read from SageMaker rather than from the events seen so far: an event may be late or lost, and the
    links must be whole when the state machine goes on.
    """
    steps = steps_of(execution, services)
    links: dict[str, str | None] = {"pipeline_execution": execution}
    for step in steps:
        links |= {name: link for name, link in _links(step.get("Metadata", {})).items() if link}
    done = frozenset(step["StepName"] for step in steps if step.get("StepStatus") == "Succeeded")
    metrics = measurements.of_job(job_id, links.get("training_job"), services)
    durations = measurements.durations(steps)
    jobs.note(services, job_id, Progress(links=links, done=done, metrics=metrics, durations=durations))
    if status != "Succeeded":
        measured = _measured(steps, metrics) + gates.kept(steps, services)
        return Failed(_ENDINGS[status], _cause(status, execution, steps, services) + measured)
    job = jobs.get(services, job_id)
    known = job.links if job else {}
    return Succeeded(
        {
            "endpoint": known.get("endpoint"),
            "endpoint_config": job.endpoint_config if job else None,
            "model_package": known.get("model_package"),
            "training_job": known.get("training_job"),
        }
    )


def steps_of(execution: str, services: Services) -> list[PipelineExecutionStepTypeDef]:
    """Returns all steps of an execution, in the order they began."""
    steps: list[PipelineExecutionStepTypeDef] = []
    request: dict[str, Any] = {"PipelineExecutionArn": execution, "SortOrder": "Ascending", "MaxResults": 100}
    while True:
        page = services.sagemaker.list_pipeline_execution_steps(**request)
        steps += page["PipelineExecutionSteps"]
        if not page.get("NextToken"):
            return steps
        request["NextToken"] = page["NextToken"]


def _cause(status: str, execution: str, steps: list[PipelineExecutionStepTypeDef], services: Services) -> str:
    """Returns one sentence for a person, e.g. `Process: the dataset has no column "Species"; found: ...`."""
    failed = [step for step in steps if step.get("StepStatus") == "Failed"]
    if failed:
        return "; ".join(f"{step['StepName']}: {_reason(step, services)}" for step in failed)
    if status == "Stopped":
        return "the pipeline was stopped before it had finished"
    response = services.sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
    return response.get("FailureReason") or "the pipeline failed, and SageMaker gives no reason"


def _measured(steps: Iterable[PipelineExecutionStepTypeDef], metrics: Mapping[str, float]) -> str:
    """Returns what was measured, where a Fail step refused it, which knows only what is asked for."""
    refused = any(step.get("StepStatus") == "Failed" and "Fail" in step.get("Metadata", {}) for step in steps)
    values = ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())
    return f" Measured: {values}." if refused and values else ""


def _reason(step: PipelineExecutionStepTypeDef, services: Services) -> str:
    """Returns the reason the step's own container gave, where it gave one; else SageMaker's."""
    told = ""
    metadata: Mapping[str, Any] = step.get("Metadata", {})
    try:
        told = _reason_of_job(metadata, services)
    except ClientError as error:
        # A job that can no longer be described costs its detail, not the record of the failure.
        logger.warning("no detail of a failed step", extra={"step": step["StepName"], "answer": error_code(error)})
    reason = told or metadata.get("Fail", {}).get("ErrorMessage") or step.get("FailureReason") or ""
    return plain(reason) or "it failed, and SageMaker gives no reason"


def _reason_of_job(metadata: Mapping[str, Any], services: Services) -> str:
    if processing := _arn(metadata.get("ProcessingJob")):
        job = services.sagemaker.describe_processing_job(ProcessingJobName=processing.rsplit("/", 1)[-1])
        return job.get("ExitMessage") or job.get("FailureReason") or ""
    if training := _arn(metadata.get("TrainingJob")):
        response = services.sagemaker.describe_training_job(TrainingJobName=training.rsplit("/", 1)[-1])
        return response.get("FailureReason") or ""
    return ""


def plain(reason: str) -> str:
    """Returns a failure reason without SageMaker's own label in front, and of a length that a person reads."""
    reason = re.sub(r"^(AlgorithmError|ClientError): ", "", reason.strip())
    return reason if len(reason) <= _MAX_REASON else reason[:_MAX_REASON] + "..."
