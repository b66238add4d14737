"""What is told of jobs beside their rows: the logs of their steps, where they come from, how they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from functions.http import problems
from functions.jobs import comparing
from functions.jobs.job import LINKS, Job
from functions.uploads import ledger
from functions.waiting import step_logs
from functions.waiting.step_logs import AfterInvalid

if TYPE_CHECKING:
    from functions.aws.services import Services

MAX_LINES = 1000


def logs(job: Job, step: str | None, after: str | None, services: Services) -> dict[str, Any]:
    """Returns a page of one step's log: the last lines, or those behind `after`, which is the `next` of another page.

    The step is that which failed, or the latest, where none is named.

    Raises:
        Problem: there is no such step, or `after` is none that was told.
    """
    execution = job.links.get("pipeline_execution")
    known = step_logs.steps(execution, services) if execution else []
    log = next((entry for entry in known if step in {None, entry.step}), None)
    if log is None and step is not None and step not in job.steps:
        raise problems.invalid("step", f"expected one of {', '.join(job.steps) or 'no steps'}")
    try:
        place = step_logs.read_place(after) if after else None
    except AfterInvalid as error:
        raise problems.invalid("after", str(error)) from error
    if log is None:
        return {"step": step, "status": None, "steps": [], "lines": [], "next": after}
    lines = step_logs.following(log, place, MAX_LINES, services) if place else step_logs.tail(log, MAX_LINES, services)
    return {
        "step": log.step,
        "status": log.status,
        "steps": [entry.step for entry in known],
        "lines": [line.as_dict() for line in lines],
        "next": str(step_logs.place_after(lines, place)),
    }


def comparison(jobs: Sequence[Job]) -> dict[str, Any]:
    """Returns what differs between jobs."""
    return {"jobs": [job.job_id for job in jobs], "differences": comparing.differences(jobs)}


def lineage(job: Job, base_url: str, services: Services) -> dict[str, Any]:
    """Returns what came of what, from the upload on; what a job has not (yet) is left out."""
    nodes = [{"kind": kind, "id": name, "detail": detail} for kind, name, detail in _nodes(job, base_url, services)]
    return {"job_id": job.job_id, "lineage": nodes}


def _nodes(job: Job, base_url: str, services: Services) -> Iterator[tuple[str, str, str | None]]:
    for origin in ("rerun_of", "inherited_from"):
        if job.run.get(origin):
            yield origin, str(job.run[origin]), None
    if job.source:
        yield "upload", f"s3://{job.source.bucket}/{job.source.key}", job.source.version_id
        for delivery in ledger.deliveries(services, job.source.object):
            if delivery.job_id == job.job_id:
                yield "event", delivery.sequencer.rstrip("0"), f"{delivery.decision.value} {delivery.received_at}"
    yield "job", job.job_id, job.run.get("trigger")
    if job.run.get("input_uri"):
        yield "input", str(job.run["input_uri"]), None
    for name in LINKS:
        if job.links.get(name):
            yield name, job.links[name], job.endpoint_config if name == "endpoint" else None
    for result in job.results:
        yield "result", f"{base_url}/v1/jobs/{job.job_id}/results/{result['index']}", result["label"]
