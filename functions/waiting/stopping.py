"""Stopping a job all the way down: its execution, its pipeline execution with the step's job, and what it deployed.

The order makes a crash at any point harmless. A wait of kind STOP says first that there is something to stop; then the
row becomes STOPPED, from which on nothing of the job starts any more (start_pipeline, deploy_endpoint and
await_endpoint ask); then what runs is stopped, each call harmless when repeated. The wait goes last, and until then
the sweep begins again at the row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from functions.aws.log import logger
from functions.aws.services import error_code, error_message
from functions.jobs import ids, jobs
from functions.jobs.errors import JobOver
from functions.jobs.failure import Failure
from functions.jobs.job import Job, Kind, Status
from functions.waiting import endpoints, waits
from functions.waiting.waits import Wait, WaitKind

if TYPE_CHECKING:
    from functions.aws.services import Services

_TOKEN = "stop"


def stop(job: Job, reason: Failure, services: Services) -> bool:
    """Ends a job that a person wants no more; True also when that was done before, False when it had ended already."""
    wait = waits.store(services, waits.new(services, WaitKind.STOP, job.job_id, _TOKEN))
    moved = jobs.stop(services, job.job_id, reason.as_dict())
    present = jobs.get(services, job.job_id)
    if present is None or not (moved or present.status is Status.STOPPED):
        waits.forget(services, wait)
        return False
    wind_down(present, services)
    return True


def carry_on(wait: Wait, services: Services) -> bool:
    """Goes on with a stop that was broken off, or whose endpoint was changing; True when nothing is left of it."""
    job = jobs.get(services, wait.job_id)
    if job is None or job.status is not Status.STOPPED:
        # Broken off before the row was written: the caller was told nothing, and the job goes on.
        waits.forget(services, wait)
        return True
    if wait.endpoint is not None:
        return endpoints.settle(services, wait.endpoint, wait) > 0
    return wind_down(job, services)


def wind_down(job: Job, services: Services) -> bool:
    """Stops all that runs on behalf of a STOPPED job; True when nothing is left to be done."""
    stop_execution(job, services)
    return stop_below(job, services)


def stop_below(job: Job, services: Services) -> bool:
    """Stops what runs below the execution of a job that is over; True when nothing is left to be done.

    Of one that a person stopped, what it put behind its endpoint is taken back, too.
    """
    stop_pipeline(job, services)
    if job.status is not Status.STOPPED:
        return True
    if not _drop_candidate(job, services):
        return False
    for kind in (WaitKind.ENDPOINT, WaitKind.INFERENCE):
        if (wait := waits.get(services, kind, job.job_id)) is not None:
            waits.forget(services, wait)
    wait = waits.new(services, WaitKind.STOP, job.job_id, _TOKEN)
    endpoint = job.links.get("endpoint")
    if endpoint and job.endpoint_config and job.endpoint_before is not None:
        # Written over the first one, which had no endpoint: from here on the endpoint's events find it.
        withdrawal = replace(wait, endpoint=endpoint, endpoint_config=job.endpoint_config, before=job.endpoint_before)
        return endpoints.settle(services, endpoint, waits.store(services, withdrawal)) > 0
    waits.forget(services, wait)
    return True


def _drop_candidate(job: Job, services: Services) -> bool:
    """Deletes the endpoint at which a deployment's model is asked first; False while SageMaker is still making it."""
    endpoint = job.links.get("endpoint")
    if job.kind is not Kind.DEPLOYMENT or not endpoint:
        return True
    candidate = endpoints.describe(services, ids.candidate_name(endpoint, job.job_id))
    if candidate is None or candidate.status == "Deleting":
        return True
    endpoints.delete(services, candidate.name)
    return candidate.status in {"InService", "Failed"}


def stop_execution(job: Job, services: Services) -> None:
    """StopExecution of the job's state machine; nothing if it has ended."""
    execution = job.links.get("execution")
    if not execution:
        return
    try:
        services.stepfunctions.stop_execution(executionArn=execution, error="JobStopped", cause="the job was stopped")
    except ClientError as error:
        # Of one that has ended it is no error at all; ValidationException is for Express.
        if error_code(error) != "ExecutionDoesNotExist":
            raise


def stop_pipeline(job: Job, services: Services) -> None:
    """StopPipelineExecution of the job's pipeline, which stops the jobs of its steps; nothing if it has ended."""
    execution = job.links.get("pipeline_execution")
    if execution:
        stop_pipeline_execution(execution, services)


def stop_pipeline_execution(execution: str, services: Services) -> None:
    """Stops a pipeline execution by its ARN; nothing if it has ended, is stopping, or is gone."""
    try:
        status = services.sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution)
        if status["PipelineExecutionStatus"] == "Executing":
            token = ids.client_request_token(execution)
            services.sagemaker.stop_pipeline_execution(PipelineExecutionArn=execution, ClientRequestToken=token)
    except ClientError as error:
        # It ended between the two calls, or is deleted with its pipeline.
        if error_code(error) not in {"ResourceNotFound", "ValidationException", "ConflictException"}:
            raise
        logger.info("a pipeline execution could not be stopped", extra={"answer": error_message(error)})


def ensure_open(job_id: str, services: Services) -> None:
    """Raises JobOver if the job has ended; one that has no row, which nobody tracks, is open."""
    job = jobs.get(services, job_id)
    if job is not None and job.status.final:
        raise JobOver(f"job {job_id} is {job.status.value}: nothing more is started for it")
