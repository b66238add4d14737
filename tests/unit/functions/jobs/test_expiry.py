"""Rows of finished jobs end some day; those of running jobs, of trainings and of deployments never do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from functions.aws import times
from functions.jobs import ids, jobs
from functions.jobs.job import Kind, Status
from tests.unit.functions.cloud import JOBS, Cloud, execution, new_job

JOB_ID = ids.derived("b", "k", "v")
ROOT = Path(__file__).resolve().parents[4]
YEAR = 365 * 86400


def create(cloud: Cloud, kind: Kind, status: Status = Status.INPROGRESS) -> None:
    job = new_job(JOB_ID, kind, status, times.iso(cloud.clock()), execution=execution("e1"))
    assert jobs.create(cloud.services, job) is None


def fail(cloud: Cloud) -> None:
    assert jobs.fail(cloud.services, JOB_ID, execution("e1"), {"code": "JobFailed", "message": "no"})


def succeed(cloud: Cloud) -> None:
    """Records success as the state machines do, with their own request."""
    definition = json.loads((ROOT / "state_machines" / "face_processing.asl.json").read_text())
    parameters = definition["States"]["RecordSuccess"]["Parameters"]
    values = parameters["ExpressionAttributeValues"] | {":now": {"S": times.iso(cloud.clock())}}
    request = parameters | {"TableName": JOBS, "Key": {"job_id": {"S": JOB_ID}}, "ExpressionAttributeValues": values}
    cloud.dynamodb.update_item(**request)


def row(cloud: Cloud) -> dict[str, Any]:
    return dict(cloud.dynamodb.get_item(TableName=JOBS, Key={"job_id": {"S": JOB_ID}})["Item"])


@pytest.mark.parametrize("status", [Status.PENDING, Status.INPROGRESS])
def test_a_job_that_is_not_finished_does_not_expire(cloud: Cloud, status: Status) -> None:
    create(cloud, Kind.FACE, status)
    assert "expires_at" not in row(cloud)


@pytest.mark.parametrize("finish", [fail, succeed])
@pytest.mark.parametrize("kind", [Kind.FACE, Kind.CHAIN, Kind.BATCH])
def test_a_finished_job_expires_a_year_after_it_began(cloud: Cloud, kind: Kind, finish: Any) -> None:
    begun = times.epoch(cloud.clock())
    create(cloud, kind)
    cloud.clock.advance(minutes=5)
    finish(cloud)
    assert row(cloud)["expires_at"] == {"N": str(begun + YEAR)}


def test_a_job_that_is_written_as_failed_expires_too(cloud: Cloud) -> None:
    begun = times.epoch(cloud.clock())
    create(cloud, Kind.FACE, Status.FAILURE)
    assert row(cloud)["expires_at"] == {"N": str(begun + YEAR)}


@pytest.mark.parametrize("finish", [fail, succeed])
@pytest.mark.parametrize("kind", [Kind.TRAINING, Kind.DEPLOYMENT])
def test_what_made_a_model_stays(cloud: Cloud, kind: Kind, finish: Any) -> None:
    create(cloud, kind)
    finish(cloud)
    assert row(cloud)["expires_at"] == {"N": str(jobs.NEVER)}


def test_a_row_of_an_older_headrace_can_be_finished_and_stays(cloud: Cloud) -> None:
    create(cloud, Kind.FACE)
    cloud.dynamodb.update_item(
        TableName=JOBS, Key={"job_id": {"S": JOB_ID}}, UpdateExpression="REMOVE expires_when_final"
    )
    fail(cloud)
    assert row(cloud)["expires_at"] == {"N": str(jobs.NEVER)}


def test_a_row_that_expires_while_it_stands_in_the_way_makes_room(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(cloud, Kind.FACE)
    real = jobs.get

    def expired(services: Any, job_id: str) -> Any:
        monkeypatch.setattr(jobs, "get", real)
        cloud.dynamodb.delete_item(TableName=JOBS, Key={"job_id": {"S": job_id}})
        return real(services, job_id)

    monkeypatch.setattr(jobs, "get", expired)
    create(cloud, Kind.FACE)
    assert real(cloud.services, JOB_ID) is not None
