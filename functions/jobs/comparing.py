"""Two or more jobs side by side: only what differs, what was measured first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from functions.jobs.job import Job


def differences(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Returns what differs, as `{"name", "values"}` with a value a job, null where it has none.

    Metrics come first, then hyperparameters, what they ran on and with, and how long their steps took.
    """
    tables = [dict(_facts(job)) for job in jobs]
    names = dict.fromkeys(name for section in _SECTIONS for table in tables for name in table if name[0] == section)
    rows = ((".".join(filter(None, name)), [table.get(name) for table in tables]) for name in names)
    return [{"name": name, "values": values} for name, values in rows if any(value != values[0] for value in values)]


_SECTIONS = ("metrics", "hyperparameters", "run", "durations")


def _facts(job: Job) -> Iterator[tuple[tuple[str, str], Any]]:
    yield from ((("metrics", name), value) for name, value in job.metrics.items())
    known: Mapping[str, Mapping[str, Any]] = job.run.get("hyperparameters") or {}
    yield from ((("hyperparameters", name), entry["value"]) for name, entry in known.items())
    yield ("run", "algorithm"), job.algorithm
    yield ("run", "status"), job.status.value
    yield ("run", "error"), job.error["message"] if job.error else None
    yield ("run", "object"), job.object
    yield ("run", "version_id"), job.source.version_id if job.source else None
    yield ("run", "definition_sha256"), job.run.get("definition_sha256")
    yield ("run", "trigger"), job.run.get("trigger")
    yield from ((("durations", name), value) for name, value in job.durations.items())
