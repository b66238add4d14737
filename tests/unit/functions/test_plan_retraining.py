"""A schedule trains again what has a new dataset, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from functions import plan_retraining
from functions.aws import times
from functions.jobs import ids, jobs
from functions.jobs.job import Kind, Source, Status
from functions.uploads import claims
from tests.unit.functions.cloud import UPLOADS, Cloud, Context, execution, new_job, uploaded

KEY = "datasets/decision_trees/iris/iris.csv"


def plan(time: str = "2026-11-20T06:00:00Z", **given: Any) -> dict[str, Any]:
    event = {"input": given, "execution": execution("r1", "retraining"), "time": time}
    return dict(plan_retraining.handler(event, Context()))


@pytest.fixture(autouse=True)
def _catalogue(cloud: Cloud) -> None:
    cloud.version_uploads()
    cloud.publish("decision_trees")
    cloud.publish_faces()


def test_a_new_dataset_is_trained_under_the_id_its_upload_has(cloud: Cloud) -> None:
    version = cloud.put(KEY)["VersionId"]
    job_id = ids.derived(UPLOADS, KEY, version)
    assert plan() == {
        "runs": [
            {
                "name": job_id,
                "input": {
                    "job_id": job_id,
                    "algorithm": "decision_trees",
                    "source": {"bucket": UPLOADS, "key": KEY, "version_id": version},
                    "hyperparameters": {},
                    "inherited": {},
                    "reason": "retraining",
                },
            }
        ],
        "skipped": [],
    }


def test_the_planned_input_is_one_that_claiming_starts(cloud: Cloud) -> None:
    cloud.put(KEY)
    (run,) = plan()["runs"]
    assert claims.claim(run["input"], execution(run["name"]), cloud.services).as_output()["decision"] == "started"


def test_a_dataset_that_was_trained_is_nothing_new(cloud: Cloud) -> None:
    version = cloud.put(KEY)["VersionId"]
    claims.claim(uploaded(KEY, version_id=version), execution("e1"), cloud.services)
    answer = plan()
    assert answer["runs"] == []
    assert "nothing new" in answer["skipped"][0]["reason"]
    cloud.put(KEY, b"other,data\n")
    assert len(plan()["runs"]) == 1


def test_a_dataset_trained_by_an_event_without_a_version_is_nothing_new(cloud: Cloud) -> None:
    etag = cloud.put(KEY)["ETag"].strip('"')
    source = Source(UPLOADS, KEY, None)
    job_id = ids.derived(UPLOADS, KEY, etag)
    now = times.iso(cloud.clock())
    jobs.create(cloud.services, new_job(job_id, Kind.TRAINING, Status.SUCCESS, now, source=source, etag=etag))
    assert plan()["runs"] == []


def test_a_dataset_that_came_through_the_api_is_recognised(cloud: Cloud) -> None:
    job_id = ids.ulid(cloud.clock())
    key = f"datasets/decision_trees/{job_id}/a.csv"
    row = new_job(job_id, Kind.TRAINING, Status.PENDING, times.iso(cloud.clock()), source=Source(UPLOADS, key, None))
    jobs.create(cloud.services, row)
    put = cloud.put(key)
    assert len(plan()["runs"]) == 1, "a PENDING job has not begun: its event may be lost"
    event = uploaded(key, version_id=put["VersionId"], etag=put["ETag"].strip('"'))
    assert claims.claim(event, execution("e1"), cloud.services).job_id == job_id
    assert plan()["runs"] == []


def test_the_newest_dataset_is_taken(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    del monkeypatch
    for name in ("b", "a", "c"):
        cloud.put(f"datasets/decision_trees/{name}/x.csv")
    cloud.put("datasets/decision_trees/z/notes.txt")
    cloud.put("datasets/decision_trees_2/z/x.csv")
    (run,) = plan()["runs"]
    assert run["input"]["source"]["key"] == "datasets/decision_trees/c/x.csv"


def test_a_folder_counts_once_its_marker_is_there(cloud: Cloud) -> None:
    cloud.publish("decision_trees", trigger={"on": "upload", "pattern": "_SUCCESS"})
    cloud.put("datasets/decision_trees/may/part-0.csv")
    cloud.put("datasets/decision_trees/_SUCCESS", b"")
    assert plan()["skipped"][0]["reason"] == "there is no dataset under datasets/decision_trees/"
    cloud.put("datasets/decision_trees/may/_SUCCESS", b"")
    assert plan()["runs"][0]["input"]["source"]["key"] == "datasets/decision_trees/may/_SUCCESS"


def test_without_only_if_new_data_every_execution_trains_once(cloud: Cloud) -> None:
    cloud.publish("decision_trees", retrain={"schedule": "rate(1 day)", "only_if_new_data": False})
    cloud.put(KEY)
    first, again, later = plan("t1"), plan("t1"), plan("t2")
    assert first == again
    assert first["runs"][0]["name"] != later["runs"][0]["name"]


def test_one_algorithm_can_be_asked_for(cloud: Cloud) -> None:
    cloud.publish("other")
    cloud.put(KEY)
    cloud.put("datasets/other/d/x.csv")
    assert len(plan()["runs"]) == 2
    assert [run["input"]["algorithm"] for run in plan(algorithm="other")["runs"]] == ["other"]
    assert plan(algorithm="nobody")["skipped"] == [
        {"algorithm": "nobody", "reason": "the catalogue has no algorithm 'nobody'"}
    ]
    assert "no retrain section" in plan(algorithm="face_aging")["skipped"][0]["reason"]
