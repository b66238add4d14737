"""A wait whose event was lost is resolved by asking."""

from __future__ import annotations

from typing import Any

import pytest

from functions import sweep_waits
from functions.aws import times
from functions.jobs import ids, jobs
from functions.jobs.job import Kind, Source, Status
from functions.jobs.jobs import Progress
from functions.waiting import sweep, waits
from functions.waiting.waits import Change, Wait, WaitKind
from tests.unit.functions.cloud import ARTIFACTS, UPLOADS, Cloud, Context, client_error, new_job

JOB_ID = ids.derived("b", "k", "v")
ARN = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/p/execution/e1"


@pytest.fixture(autouse=True)
def _job(cloud: Cloud) -> None:
    row = new_job(JOB_ID, Kind.TRAINING, Status.INPROGRESS, times.iso(cloud.clock()))
    jobs.create(cloud.services, row)
    jobs.note(cloud.services, JOB_ID, Progress(links={"pipeline_execution": ARN}))


def park(cloud: Cloud, kind: WaitKind, **more: Any) -> Wait:
    return waits.park(cloud.services, kind, JOB_ID, "t1", **more)


def run(cloud: Cloud, minutes: float = 3) -> dict[str, int]:
    cloud.clock.advance(minutes=minutes)
    return dict(sweep_waits.handler({}, Context()))


def test_a_pipeline_that_has_ended_unheard(cloud: Cloud) -> None:
    park(cloud, WaitKind.PIPELINE)
    cloud.sagemaker.executions[ARN] = {"PipelineExecutionStatus": "Executing"}
    assert run(cloud)["resolved"] == 0
    cloud.sagemaker.executions[ARN] = {"PipelineExecutionStatus": "Succeeded"}
    assert run(cloud)["resolved"] == 1
    assert run(cloud) == {"seen": 0, "resolved": 0, "expired": 0, "unanswered": 0, "unsent": 0}
    assert [sent[1] for sent in cloud.stepfunctions.sent] == ["success"]


def test_a_pipeline_that_is_not_known_yet_is_left(cloud: Cloud) -> None:
    waits.park(cloud.services, WaitKind.PIPELINE, ids.derived("x", "y", "z"), "t1")
    assert run(cloud) == {"seen": 1, "resolved": 0, "expired": 0, "unanswered": 0, "unsent": 0}


def test_an_endpoint_that_is_ready_unheard(cloud: Cloud) -> None:
    park(cloud, WaitKind.ENDPOINT, change=Change("e", "c"))
    cloud.sagemaker.endpoints["e"] = {"EndpointStatus": "InService", "EndpointConfigName": "c"}
    assert run(cloud)["resolved"] == 1


def test_an_inference_that_has_answered_unheard(cloud: Cloud) -> None:
    wait = park(cloud, WaitKind.INFERENCE)
    assert run(cloud)["resolved"] == 0
    waits.note_locations(cloud.services, wait, f"s3://{ARTIFACTS}/o", f"s3://{ARTIFACTS}/f")
    assert run(cloud)["resolved"] == 0
    cloud.put("o", b"x", ARTIFACTS)
    assert run(cloud)["resolved"] == 1
    assert cloud.stepfunctions.sent == [("t1", "success", {"output": {"bucket": ARTIFACTS, "key": "o"}})]


def test_an_inference_that_has_failed_unheard(cloud: Cloud) -> None:
    wait = park(cloud, WaitKind.INFERENCE)
    waits.note_locations(cloud.services, wait, f"s3://{ARTIFACTS}/o", f"s3://{ARTIFACTS}/f")
    cloud.put("f", b'{"error": "No face found in the photo"}', ARTIFACTS)
    assert run(cloud)["resolved"] == 1
    assert cloud.stepfunctions.sent == [("t1", "failure", ("InferenceFailed", "No face found in the photo"))]


def test_a_young_wait_is_left_to_its_event(cloud: Cloud) -> None:
    park(cloud, WaitKind.PIPELINE)
    cloud.sagemaker.executions[ARN] = {"PipelineExecutionStatus": "Succeeded"}
    assert run(cloud, minutes=1.9)["resolved"] == 0
    assert run(cloud, minutes=0.2)["resolved"] == 1


def test_an_expired_wait_is_deleted_and_nothing_is_sent(cloud: Cloud) -> None:
    park(cloud, WaitKind.ENDPOINT, change=Change("e", "c"))
    assert run(cloud, minutes=24 * 60)["expired"] == 1
    assert cloud.stepfunctions.sent == []
    assert list(waits.everything(cloud.services)) == []


def test_one_wait_that_cannot_be_asked_about_does_not_stop_the_others(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    park(cloud, WaitKind.PIPELINE)
    park(cloud, WaitKind.ENDPOINT, change=Change("e", "c"))
    cloud.sagemaker.executions[ARN] = {"PipelineExecutionStatus": "Succeeded"}

    def throttled(**_: Any) -> Any:
        raise client_error("ThrottlingException", "Rate exceeded")

    monkeypatch.setattr(cloud.sagemaker, "describe_endpoint", throttled)
    assert run(cloud) == {"seen": 2, "resolved": 1, "expired": 0, "unanswered": 1, "unsent": 0}


def test_the_sweep_stops_in_time(cloud: Cloud) -> None:
    park(cloud, WaitKind.PIPELINE)
    assert sweep.sweep(cloud.services, lambda: False).seen == 0


def _waits(cloud: Cloud, count: int) -> set[str]:
    return {
        waits.park(cloud.services, WaitKind.PIPELINE, ids.derived("b", "k", str(number)), "t").wait_id
        for number in range(count)
    }


def _looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    looked_at: list[str] = []

    def look(_: Any, wait: Wait) -> str:
        looked_at.append(wait.wait_id)
        return ""

    monkeypatch.setattr(sweep, "_sweep_one", look)
    return looked_at


def test_a_sweep_goes_on_where_the_last_one_stopped(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at, expected = _looked_at(monkeypatch), _waits(cloud, 8)
    monkeypatch.setattr(sweep, "BATCH", 3)
    assert [run(cloud)["seen"] for _ in range(3)] == [3, 3, 2]
    assert (len(looked_at), set(looked_at)) == (8, expected)
    assert run(cloud)["seen"] == 3
    assert looked_at[8:] == looked_at[:3]


def test_a_sweep_without_time_keeps_its_place(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at, expected = _looked_at(monkeypatch), _waits(cloud, 4)
    for number in range(4):
        assert sweep.sweep(cloud.services, lambda: len(looked_at) <= number).seen == 1  # noqa: B023
    assert set(looked_at) == expected


def test_the_place_outlasts_the_wait_that_marked_it(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at, expected = _looked_at(monkeypatch), _waits(cloud, 4)
    monkeypatch.setattr(sweep, "BATCH", 2)
    run(cloud)
    for wait in list(waits.everything(cloud.services)):
        if wait.wait_id in looked_at:
            waits.forget(cloud.services, wait)
    run(cloud)
    assert set(looked_at) == expected


def test_a_wait_that_ends_a_sweep_does_not_end_the_next(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at, expected = [], _waits(cloud, 3)

    def stumble(_: Any, wait: Wait) -> str:
        looked_at.append(wait.wait_id)
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(sweep, "_sweep_one", stumble)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            run(cloud)
    assert set(looked_at) == expected


def announced(cloud: Cloud, key: str) -> str:
    job_id = ids.ulid(cloud.clock())
    source = Source(UPLOADS, f"images/{job_id}/{key}", None)
    jobs.create(cloud.services, new_job(job_id, Kind.FACE, Status.PENDING, times.iso(cloud.clock()), source=source))
    return job_id


def test_an_upload_that_was_announced_and_never_sent_ends(cloud: Cloud) -> None:
    never, late = announced(cloud, "never.jpg"), announced(cloud, "late.jpg")
    cloud.put(f"images/{late}/late.jpg")
    assert run(cloud, minutes=20)["unsent"] == 0
    assert run(cloud, minutes=180)["unsent"] == 1
    statuses = [job.status for job_id in (never, late) if (job := jobs.get(cloud.services, job_id))]
    assert statuses == [Status.FAILURE, Status.PENDING]
    assert run(cloud)["unsent"] == 0
