"""Which algorithms to train again: those with a `retrain` section whose newest dataset no job has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.catalogue import catalogue
from functions.catalogue.catalogue import Algorithm
from functions.jobs import ids
from functions.training import datasets, earlier
from functions.training.datasets import Dataset
from functions.uploads import plans

if TYPE_CHECKING:
    from functions.aws.services import Services


@dataclass(frozen=True, slots=True)
class Training:
    """An execution of `training` to start. Its name is the job id, so a second start of the same is refused."""

    job_id: str
    algorithm: str
    dataset: Dataset
    inherited: Mapping[str, Any]
    """From the last successful run: a schedule has no hyperparameters of its own to tell."""

    def as_run(self) -> dict[str, Any]:
        return {
            "name": self.job_id,
            "input": {
                "job_id": self.job_id,
                "algorithm": self.algorithm,
                "source": self.dataset.source.as_dict(),
                "hyperparameters": {},
                "inherited": dict(self.inherited),
                "reason": "retraining",
            },
        }


@dataclass(frozen=True, slots=True)
class Skipped:
    algorithm: str
    reason: str

    def as_dict(self) -> dict[str, str]:
        return {"algorithm": self.algorithm, "reason": self.reason}


def plan(wanted: Mapping[str, Any], started_at: str, services: Services) -> list[Training | Skipped]:
    """Returns one entry an algorithm, by name. `wanted` may name one; `started_at` is the execution's start time."""
    name = wanted.get("algorithm")
    if name:
        algorithm = catalogue.get(services, str(name))
        if algorithm is None:
            return [Skipped(str(name), plans.unknown_algorithm(str(name)))]
        return [_plan_one(algorithm, started_at, services)]
    algorithms = sorted(catalogue.everything(services), key=lambda algorithm: algorithm.name)
    return [_plan_one(algorithm, started_at, services) for algorithm in algorithms if algorithm.retrain is not None]


def _plan_one(algorithm: Algorithm, started_at: str, services: Services) -> Training | Skipped:
    if algorithm.retrain is None or not algorithm.trainable:
        return Skipped(algorithm.name, "it is not retrained: its algorithm.yaml has no retrain section")
    dataset = datasets.newest(algorithm, services)
    if dataset is None:
        return Skipped(algorithm.name, f"there is no dataset under datasets/{algorithm.name}/")
    if not algorithm.retrain.get("only_if_new_data", True):
        source = dataset.source
        version = source.version_id or dataset.etag
        job_id = ids.derived(source.bucket, source.key, version, started_at)
        return Training(job_id, algorithm.name, dataset, earlier.inherited(algorithm, services))
    job = datasets.trained_as(dataset, services)
    if job is not None:
        reason = f"nothing new: {dataset.source.key} is job {job.job_id} ({job.status.value})"
        return Skipped(algorithm.name, reason)
    return Training(dataset.job_id, algorithm.name, dataset, earlier.inherited(algorithm, services))
