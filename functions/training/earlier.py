"""The last successful run of an algorithm, whose hyperparameters a run without a word about them takes over."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from functions.catalogue.catalogue import Algorithm
from functions.jobs import jobs
from functions.jobs.job import Job, Kind, Status
from functions.uploads import settings

if TYPE_CHECKING:
    from functions.aws.services import Services

_SEEN = 2000
"""Trainings looked at, the newest first: further back nobody would look for what is in use."""


def last_success(algorithm: str, services: Services) -> Job | None:
    """Returns the newest training of an algorithm that succeeded."""
    trainings = islice(jobs.of_kind(services, Kind.TRAINING), _SEEN)
    return next((job for job in trainings if job.algorithm == algorithm and job.status is Status.SUCCESS), None)


def inherited(algorithm: Algorithm, services: Services) -> dict[str, Any]:
    """Returns what the next run takes over, {} where there is nothing: `job_id` and the `hyperparameters` told."""
    job = last_success(algorithm.name, services)
    values = settings.still_fitting(algorithm, job.told) if job else {}
    return {"job_id": job.job_id, "hyperparameters": values} if job and values else {}
