"""Running a finished job again: the same input, hyperparameters and pipeline, unless something is asked otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws.services import error_code
from functions.catalogue import catalogue
from functions.catalogue.catalogue import Algorithm
from functions.http import problems, requests
from functions.jobs import ids, jobs
from functions.jobs.job import Job, Kind

if TYPE_CHECKING:
    from functions.aws.services import Services

_KINDS = frozenset({Kind.TRAINING, Kind.BATCH, Kind.DEPLOYMENT})
_GONE = {"ResourceNotFound", "ResourceNotFoundException", "ValidationException"}


def start(job: Job, hyperparameters: Mapping[str, Any], from_step: str | None, services: Services) -> Job:
    """Returns a PENDING job that runs `job` again, its execution started; `from_step` leaves out what comes before.

    Raises:
        Problem: the job still runs, is of a kind that is not run by name, or cannot be run again so.
    """
    algorithm = _algorithm(job, services)
    requests.check(algorithm, hyperparameters)
    again = {
        "job_id": job.job_id,
        "input_uri": job.run.get("input_uri"),
        "definition_sha256": job.run.get("definition_sha256"),
        "pipeline_version": _version(job, algorithm, services),
        **(_selection(job, from_step, services) if from_step else {}),
    }
    inherited = {"job_id": job.job_id, "hyperparameters": {**job.hyperparameters, **job.told}}
    now = services.now()
    new = requests.pending(ids.ulid(now), job.kind, algorithm.name, job.source, now)
    new = replace(new, steps=job.steps or algorithm.steps, etag=job.etag, run={"rerun_of": job.job_id})
    jobs.create(services, new)
    asked = {"hyperparameters": dict(hyperparameters), "inherited": inherited, "reason": "rerun", "again": again}
    requests.start_execution(new, asked, services)
    return new


def _algorithm(job: Job, services: Services) -> Algorithm:
    if not job.status.final:
        raise problems.conflict(f"the job {job.job_id} is {job.status.value}: stop it first, or wait for its end")
    if job.kind not in _KINDS:
        raise problems.conflict(f"a {job.kind.value} is run again by sending its image again")
    algorithm = catalogue.get(services, job.algorithm) if job.algorithm else None
    if algorithm is None:
        raise problems.conflict(f"the catalogue has no algorithm '{job.algorithm}' any more")
    return algorithm


def _version(job: Job, algorithm: Algorithm, services: Services) -> int | None:
    """Returns the version of the pipeline that ran; None where none did, or where it is the present one anyway."""
    execution = job.links.get("pipeline_execution")
    if execution is None:
        return None
    try:
        version = services.sagemaker.describe_pipeline_execution(PipelineExecutionArn=execution).get(
            "PipelineVersionId"
        )
    except ClientError as error:
        if error_code(error) not in _GONE:
            raise
        version = None
    if version is None and job.run.get("definition_sha256") not in {None, algorithm.spec.get("definition_sha256")}:
        raise problems.conflict(f"{algorithm.name} was published anew since, and SageMaker keeps no version of before")
    return version


def _selection(job: Job, from_step: str, services: Services) -> dict[str, Any]:
    """Returns the steps from one on, and the execution that the steps before are taken over from."""
    if from_step not in job.steps:
        raise problems.invalid("from_step", f"expected one of {', '.join(job.steps) or 'no steps'}")
    before = job.steps[: job.steps.index(from_step)]
    missing = [step for step in before if step not in job.done_steps]
    if missing:
        raise problems.invalid("from_step", f"{missing[0]} comes before it, and did not succeed in job {job.job_id}")
    execution = job.links.get("pipeline_execution")
    if execution is None:
        raise problems.conflict(f"the job {job.job_id} had no pipeline")
    try:
        text = services.sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=execution)
    except ClientError as error:
        if error_code(error) not in _GONE:
            raise
        raise problems.conflict(f"the pipeline execution of job {job.job_id} is no longer there") from error
    names = list(_names(json.loads(text["PipelineDefinition"])["Steps"]))
    return {"steps": [name for name in names if name not in before], "source_execution": execution}


def _names(steps: list[dict[str, Any]]) -> Iterator[str]:
    """Yields the names of all steps, those in the branches of a condition, too."""
    for step in steps:
        yield step["Name"]
        if step["Type"] == "Condition":
            yield from _names(step["Arguments"]["IfSteps"])
            yield from _names(step["Arguments"]["ElseSteps"])
