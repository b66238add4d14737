"""A failed execution's reason onto its job's row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.aws import times
from functions.deployments import claims as claims_of_deployments
from functions.jobs import failure, ids, jobs
from functions.jobs.errors import EventNotUnderstood
from functions.jobs.failure import Failure
from functions.jobs.job import Job, Kind, Status
from functions.uploads import claims
from functions.waiting import stopping

if TYPE_CHECKING:
    from functions.aws.services import Services


@dataclass(frozen=True, slots=True)
class Recorded:
    job_id: str
    failure: Failure


def record(event: Mapping[str, Any], services: Services) -> Recorded:
    """Moves the job of a failed execution to its end; a job that is over, or another execution's, is left alone.

    A repeat finds the job at its end and changes nothing.
    """
    state, execution = event.get("state") or {}, str(event["execution"])
    reason = failure.read(state.get("failure") if isinstance(state, Mapping) else None)
    identity = identify(event.get("input"), execution, services, job_id=_job_id(state))
    write(identity, execution, reason, services)
    return Recorded(identity.job_id, _stopped(identity.job_id, services) or reason)


def _stopped(job_id: str, services: Services) -> Failure | None:
    """Returns how a job was stopped, if it was: what fails on the way down is no failure of its own."""
    job = jobs.get(services, job_id)
    if job is None or job.status is not Status.STOPPED or job.error is None:
        return None
    return Failure(job.error["code"], job.error["message"])


def write(identity: claims.Identity, execution: str, reason: Failure, services: Services) -> None:
    """Writes the end onto the job's row, which is made if there is none; a job of another execution stays as it is.

    What runs below the execution is stopped then: of a state that ran out of time, the pipeline goes on.
    """
    if identity.anothers:
        return
    _write(identity, execution, reason, services)
    job = jobs.get(services, identity.job_id)
    if job is not None and job.status.final and job.links.get("execution") == execution:
        stopping.stop_below(job, services)


def _write(identity: claims.Identity, execution: str, reason: Failure, services: Services) -> None:
    now = times.iso(services.now())
    job = Job(
        job_id=identity.job_id,
        kind=identity.kind,
        status=reason.status,
        algorithm=identity.algorithm,
        source=identity.source,
        created_at=now,
        updated_at=now,
        links={"execution": execution},
        etag=identity.etag,
        error=reason.as_dict(),
    )
    if jobs.create(services, job) is not None:
        jobs.end(services, identity.job_id, execution, reason.status, reason.as_dict())


def _job_id(told: Any) -> str | None:
    """Returns the id in a state's data or in an execution's input, if there is one."""
    job_id = told.get("job_id") if isinstance(told, Mapping) else None
    return job_id if isinstance(job_id, str) and ids.is_job_id(job_id) else None


def identify(event: Any, execution: str, services: Services, *, job_id: str | None = None) -> claims.Identity:
    """Returns the job an execution with the input `event` was about: told by `job_id`, else as `claim` finds it."""
    known = job_id or _job_id(event) or claims_of_deployments.job_of(event, execution, services)
    there = jobs.get(services, known) if known else None
    if there is not None:
        return claims.Identity(there.job_id, there.kind, there.algorithm, there.source, there.etag)
    try:
        return claims.identify(event, execution, services)
    except EventNotUnderstood:
        # Not about any upload. The execution gets a row under an id of its own, so that the failure is not lost.
        return claims.Identity(ids.derived("execution", execution, ""), _kind(execution), None, None)


def _kind(execution: str) -> Kind:
    """Returns the kind of the jobs that the state machine of an execution (its ARN) works on."""
    machines = {
        "-face-processing:": Kind.FACE,
        "-chained-inference:": Kind.CHAIN,
        "-deployment:": Kind.DEPLOYMENT,
    }
    return next((kind for machine, kind in machines.items() if machine in execution), Kind.TRAINING)
