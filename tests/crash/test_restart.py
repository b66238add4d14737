"""A local cloud that is stopped or killed in the middle of its work goes on with it at the next start."""

import os
import random
import signal
from pathlib import Path

import pytest

from tests.walk.cloud import ROOT, Cloud, copy_project, running_cloud, until
from tests.walk.test_training import IRIS

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("restart")]

DATASET = "datasets/decision_trees/long/table.csv"
PHOTOS = [f"images/crash/{number}.jpg" for number in range(2)]


def large_table(rows: int = 50_000) -> bytes:
    """Long enough to be in the middle of something when the end comes."""
    draw = random.Random(0)
    lines = [",".join([*IRIS, "Species"])]
    for number in range(rows):
        species = number % 3
        lines.append(",".join([*(f"{draw.gauss(species * 3 + 1, 0.3):.2f}" for _ in IRIS), f"kind-{species}"]))
    return "\n".join(lines).encode()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_what_was_under_way_ends_after_the_restart(tmp_path: Path, how: signal.Signals) -> None:
    photo = (ROOT / "algorithms/face_aging/samples/astronaut.jpg").read_bytes()
    project = copy_project(tmp_path / "project", "decision_trees", "face_aging")
    with running_cloud(project, tmp_path, ended_by=how) as cloud:
        cloud.put(DATASET, large_table())
        for number, key in enumerate(PHOTOS):
            cloud.put(key, photo + bytes([number]))
        under_way(cloud)
        os.kill(cloud.process.pid, how)
        cloud.process.wait(30)
    with running_cloud(project, tmp_path) as cloud:
        cloud.succeeded(DATASET)
        for key in PHOTOS:
            cloud.succeeded(key)


def under_way(cloud: Cloud) -> None:
    """Until the training is inside its pipeline and every photo has a job."""

    def seen() -> bool | None:
        jobs = cloud.jobs_of(DATASET)
        inside = bool(jobs) and jobs[0]["links"]["pipeline_execution"] is not None
        return True if inside and all(cloud.jobs_of(key) for key in PHOTOS) else None

    until(seen, "jobs under way")
    assert cloud.jobs_of(DATASET)[0]["status"] == "INPROGRESS"
