"""The tracked job, from upload to result: its statuses with their legal moves, and what the API tells of it.

PENDING (the API gave an upload URL) -> INPROGRESS (an execution claimed it) -> SUCCESS, FAILURE or STOPPED (a person
ended it), which are final.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    PENDING = "PENDING"
    INPROGRESS = "INPROGRESS"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    STOPPED = "STOPPED"

    @property
    def final(self) -> bool:
        return not MOVES[self]


MOVES: Mapping[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.INPROGRESS, Status.FAILURE, Status.STOPPED}),
    Status.INPROGRESS: frozenset({Status.SUCCESS, Status.FAILURE, Status.STOPPED}),
    Status.SUCCESS: frozenset(),
    Status.FAILURE: frozenset(),
    Status.STOPPED: frozenset(),
}


class Kind(StrEnum):
    TRAINING = "training"
    FACE = "face"
    CHAIN = "chain"
    BATCH = "batch"
    DEPLOYMENT = "deployment"


EXPIRING = frozenset({Kind.FACE, Kind.CHAIN, Kind.BATCH})
"""Kinds whose finished jobs are removed some day.

Trainings and deployments stay: their models may be in service, and what was trained before is what tells the schedule
that a dataset is nothing new, and publishing that a model is deployed already.
"""

LINKS = ("execution", "pipeline_execution", "training_job", "model_package", "endpoint")


RUN = ("trigger", "rerun_of", "inherited_from", "definition_sha256", "hyperparameters", "input_uri")
"""What a claim remembers: who or what started it, which jobs it goes back to, the hash of its pipeline's definition,
every hyperparameter as `{"value", "origin"}`, and the copy of what it reads."""


def told(resolved: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the hyperparameters that somebody told: what a pipeline is given, which has the defaults itself."""
    return {name: entry["value"] for name, entry in resolved.items() if entry["origin"] != "default"}


@dataclass(frozen=True, slots=True)
class Source:
    """The uploaded object that a job is about."""

    bucket: str
    key: str
    version_id: str | None

    @property
    def object(self) -> str:
        return f"{self.bucket}/{self.key}"

    def as_dict(self) -> dict[str, str | None]:
        return {"bucket": self.bucket, "key": self.key, "version_id": self.version_id}


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the jobs table."""

    job_id: str
    kind: Kind
    status: Status
    algorithm: str | None
    source: Source | None
    created_at: str
    updated_at: str
    step: str | None = None
    steps: list[str] = field(default_factory=list)
    done_steps: frozenset[str] = frozenset()
    links: dict[str, str] = field(default_factory=dict)
    endpoint_config: str | None = None
    endpoint_before: str | None = None
    """The config that the endpoint had before this job's; "" where there was no endpoint."""
    results: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, str] | None = None
    etag: str | None = None
    """Of the source, so that an upload without a version id is recognised again."""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    """What the upload was announced with."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """What it was run with, as its claim found it: see RUN."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    durations: Mapping[str, float] = field(default_factory=dict)
    """Seconds of each step that has ended."""

    @property
    def created(self) -> str:
        """Sort key of the indexes: time first, id to make it unique."""
        return f"{self.created_at}#{self.job_id}"

    @property
    def object(self) -> str | None:
        return self.source.object if self.source else None

    @property
    def told(self) -> dict[str, Any]:
        """The hyperparameters that somebody told, whose values are no defaults."""
        return told(self.run.get("hyperparameters") or {})

    @property
    def steps_done(self) -> int:
        return len(self.steps) if self.status is Status.SUCCESS else len(self.done_steps & set(self.steps))

    def as_status(self, base_url: str) -> dict[str, Any]:
        """Returns the job as the API tells it; result URLs are under `base_url` (no slash at its end)."""
        return {
            "job_id": self.job_id,
            "kind": self.kind.value,
            "status": self.status.value,
            "algorithm": self.algorithm,
            "step": None if self.status.final else self.step,
            "steps_done": self.steps_done,
            "steps_total": len(self.steps),
            "links": {name: self.links.get(name) for name in LINKS},
            "results": [
                {
                    "index": result["index"],
                    "label": result["label"],
                    "url": f"{base_url}/v1/jobs/{self.job_id}/results/{result['index']}",
                }
                for result in self.results
            ],
            "error": self.error,
            "source": self.source.as_dict() if self.source else None,
            "run": {
                **{name: self.run.get(name) for name in RUN},
                "metrics": dict(self.metrics),
                "durations": dict(self.durations),
            },
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }
