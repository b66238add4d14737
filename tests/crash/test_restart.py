"""A local cloud that is stopped or killed in the middle of its work goes on with it at the next start."""

import os
import random
import signal
from pathlib import Path

import pytest

from tests.walk.cloud import ROOT, Cloud, copy_project, running_cloud, until
from tests.walk.test_training import IRIS

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("restart")]


def large_table(rows: int = 50_000) -> bytes:
    """Long enough to be in the middle of something when the end comes."""
    draw = random.Random(0)
    lines = [",".join([*IRIS, "Species"])]
    for number in range(rows):
        species = number % 3
        lines.append(",".join([*(f"{draw.gauss(species * 3 + 1, 0.3):.2f}" for _ in IRIS), f"kind-{species}"]))
    return "\n".join(lines).encode()


def test_what_was_under_way_when_it_was_stopped_or_killed_ends_after_the_restart(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project", "decision_trees", "face_aging")
    stopped, killed = Work("stopped"), Work("killed")
    with running_cloud(project, tmp_path, ended_by=signal.SIGTERM) as cloud:
        stopped.begin(cloud)
        end(cloud, signal.SIGTERM)
    with running_cloud(project, tmp_path, ended_by=signal.SIGKILL) as cloud:
        stopped.succeeded(cloud)
        killed.begin(cloud)
        end(cloud, signal.SIGKILL)
    with running_cloud(project, tmp_path) as cloud:
        killed.succeeded(cloud)


def end(cloud: Cloud, how: signal.Signals) -> None:
    os.kill(cloud.process.pid, how)
    cloud.process.wait(30)


class Work:
    """A training and two photos, under keys and with contents of their own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._dataset = f"datasets/decision_trees/{name}/table.csv"
        self._photos = [f"images/{name}/{number}.jpg" for number in range(2)]

    def begin(self, cloud: Cloud) -> None:
        """Until the training is inside its pipeline and every photo has a job."""
        photo = (ROOT / "algorithms/face_aging/samples/astronaut.jpg").read_bytes()
        cloud.put(self._dataset, large_table())
        for number, key in enumerate(self._photos):
            cloud.put(key, photo + f"{self._name} {number}".encode())

        def under_way() -> bool | None:
            jobs = cloud.jobs_of(self._dataset)
            inside = bool(jobs) and jobs[0]["links"]["pipeline_execution"] is not None
            return True if inside and all(cloud.jobs_of(key) for key in self._photos) else None

        until(under_way, "jobs under way")
        assert cloud.jobs_of(self._dataset)[0]["status"] == "INPROGRESS"

    def succeeded(self, cloud: Cloud) -> None:
        for key in (self._dataset, *self._photos):
            cloud.succeeded(key)
