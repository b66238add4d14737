"""An execution that was stopped, or ran out of time, leaves a job that says so and somebody who has been told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions import record_failure
from functions.aws import times
from functions.failures import executions, failures
from functions.jobs import failure, ids, jobs
from functions.jobs.job import Job, Kind, Source, Status
from functions.uploads import claims
from tests.unit.functions.cloud import UPLOADS, Cloud, Context, client_error, execution, new_job, uploaded

KEY = "datasets/decision_trees/iris/iris.csv"
JOB_ID = ids.derived(UPLOADS, KEY, "v1")
STOPPED = {"code": "ExecutionStopped", "message": "the execution was stopped"}


@pytest.fixture(autouse=True)
def _catalogue(cloud: Cloud) -> None:
    cloud.publish("decision_trees")


def ended(status: str = "ABORTED", given: Any = None, name: str = "e1", **more: Any) -> dict[str, Any]:
    """What record_failure answers to the event that the execution `name` with the input `given` ended."""
    detail = {
        "executionArn": execution(name),
        "stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:headrace-test-training",
        "name": name,
        "status": status,
        "startDate": 1771000000000,
        "stopDate": 1771000001000,
        "input": json.dumps(uploaded(KEY) if given is None else given),
        "output": None,
        "inputDetails": {"included": True},
        "error": None,
        "cause": None,
    }
    event = {"detail-type": "Step Functions Execution Status Change", "source": "aws.states", "detail": detail | more}
    return dict(record_failure.handler(event, Context()))


def claimed(cloud: Cloud, name: str = "e1", **changes: Any) -> None:
    claims.claim(uploaded(KEY, **changes), execution(name), cloud.services)


def job(cloud: Cloud, job_id: str = JOB_ID) -> Job:
    found = jobs.get(cloud.services, job_id)
    assert found is not None
    return found


def test_the_job_of_a_stopped_execution_is_stopped_and_told(cloud: Cloud) -> None:
    claimed(cloud)
    assert ended() == {"job_id": JOB_ID, **STOPPED, "status": "STOPPED", "answerable": "user"}
    assert (job(cloud).status, job(cloud).error) == (Status.STOPPED, STOPPED)
    message = {"status": "STOPPED", "job_id": JOB_ID, **STOPPED, "execution": execution("e1")}
    assert cloud.topics.published == [("arn:aws:sns:us-east-1:000000000000:jobs", message)]


@pytest.mark.parametrize(
    ("status", "more", "code", "message"),
    [
        ("TIMED_OUT", {}, "ExecutionTimedOut", "the execution took longer than its limit"),
        (
            "ABORTED",
            {"error": "Cost", "cause": "too dear"},
            "ExecutionStopped",
            "the execution was stopped (Cost: too dear)",
        ),
        ("FAILED", {"error": "States.Runtime", "cause": "the path is not there"}, "States.Runtime", "the path is not"),
        ("FAILED", {"error": "States.ServiceRestart"}, "States.ServiceRestart", "failed with States.ServiceRestart"),
        ("FAILED", {}, "ExecutionFailed", "nothing more is told"),
        ("FAILED", {"error": "JobFailed", "cause": "The reason is in the job's row"}, "JobFailed", "could not write"),
    ],
)
def test_the_reason_is_a_sentence(cloud: Cloud, status: str, more: dict[str, str], code: str, message: str) -> None:
    claimed(cloud)
    answer = ended(status, **more)
    assert answer["code"] == code
    assert message in answer["message"]


def test_a_failure_that_the_execution_recorded_itself_is_told_once(cloud: Cloud) -> None:
    claimed(cloud)
    state = {"failure": {"Error": "PipelineFailed", "Cause": "Train: no rows"}, "job_id": JOB_ID}
    failures.record({"input": uploaded(KEY), "state": state, "execution": execution("e1")}, cloud.services)
    assert ended("FAILED", error="JobFailed") == {}
    assert job(cloud).error == {"code": "PipelineFailed", "message": "Train: no rows"}
    assert cloud.topics.published == []


def test_a_second_event_changes_nothing_and_tells_nobody(cloud: Cloud) -> None:
    claimed(cloud)
    ended()
    assert ended("TIMED_OUT") == {}
    assert job(cloud).error == STOPPED
    assert len(cloud.topics.published) == 1


def test_a_job_that_succeeded_is_left_alone(cloud: Cloud) -> None:
    row = new_job(JOB_ID, Kind.TRAINING, Status.SUCCESS, times.iso(cloud.clock()), execution=execution("e1"))
    jobs.create(cloud.services, row)
    assert ended() == {}
    assert job(cloud).status is Status.SUCCESS


def test_a_stopped_duplicate_does_not_fail_the_job_of_the_first(cloud: Cloud) -> None:
    claimed(cloud)
    assert ended(name="e2") == {}
    assert job(cloud).status is Status.INPROGRESS
    assert cloud.topics.published == []


def test_a_stopped_duplicate_does_not_fail_a_job_that_the_first_is_about_to_take(cloud: Cloud) -> None:
    """The first execution has its claim in the ledger, and crashed before it wrote the job's row."""
    claimed(cloud)
    cloud.dynamodb.delete_item(TableName=cloud.services.settings.jobs_table, Key={"job_id": {"S": JOB_ID}})
    assert ended(name="e2") == {}
    state = {"failure": {"Error": "Lambda.Unknown", "Cause": ""}}
    failures.record({"input": uploaded(KEY), "state": state, "execution": execution("e2")}, cloud.services)
    assert jobs.get(cloud.services, JOB_ID) is None
    assert claims.claim(uploaded(KEY), execution("e1"), cloud.services).decision == "started"


def test_a_stopped_duplicate_does_not_fail_the_apis_job_that_the_first_is_about_to_take(cloud: Cloud) -> None:
    job_id = ids.ulid(cloud.clock())
    key = f"datasets/decision_trees/{job_id}/a.csv"
    claims.claim(uploaded(key), execution("e1"), cloud.services)
    cloud.dynamodb.delete_item(
        TableName=cloud.services.settings.jobs_table, Key={"job_id": {"S": ids.derived(UPLOADS, key, "v1")}}
    )
    pending(cloud, job_id, key)
    assert ended(given=uploaded(key), name="e2") == {}
    assert job(cloud, job_id).status is Status.PENDING


def pending(cloud: Cloud, job_id: str, key: str) -> None:
    row = new_job(job_id, Kind.TRAINING, Status.PENDING, times.iso(cloud.clock()), source=Source(UPLOADS, key, None))
    jobs.create(cloud.services, row)


def test_an_older_upload_in_the_ledger_does_not_hide_the_failure_of_a_newer(cloud: Cloud) -> None:
    claimed(cloud)
    ended(given=uploaded(KEY, "0061A2", version_id="v2"), name="e2")
    assert job(cloud, ids.derived(UPLOADS, KEY, "v2")).status is Status.STOPPED
    assert job(cloud).status is Status.INPROGRESS


def test_an_execution_stopped_before_it_claimed_leaves_a_row(cloud: Cloud) -> None:
    assert ended()["job_id"] == JOB_ID
    assert job(cloud).error == STOPPED


def test_a_pending_job_of_the_api_fails_with_the_execution_that_was_to_take_it(cloud: Cloud) -> None:
    job_id = ids.ulid(cloud.clock())
    pending(cloud, job_id, KEY)
    run = {"job_id": job_id, "algorithm": "decision_trees", "source": None}
    assert ended(given=run, name=job_id)["job_id"] == job_id
    assert job(cloud, job_id).status is Status.STOPPED


def test_a_second_execution_of_a_run_does_not_fail_the_first(cloud: Cloud) -> None:
    job_id = ids.ulid(cloud.clock())
    run = {"job_id": job_id, "algorithm": "decision_trees", "source": Source(UPLOADS, KEY, "v1").as_dict()}
    claims.claim(run, execution("e1"), cloud.services)
    assert ended(given=run, name="e2") == {}
    assert job(cloud, job_id).status is Status.INPROGRESS


def test_where_the_input_is_not_told_the_name_of_the_execution_tells_the_job(cloud: Cloud) -> None:
    job_id = ids.ulid(cloud.clock())
    run = {"job_id": job_id, "algorithm": "decision_trees", "source": Source(UPLOADS, KEY, "v1").as_dict()}
    claims.claim(run, execution(job_id), cloud.services)
    assert ended(name=job_id, input=None)["job_id"] == job_id
    assert job(cloud, job_id).status is Status.STOPPED


@pytest.mark.parametrize("told", [None, "[" * 100_000, "{"])
def test_an_execution_that_nobody_can_place_has_a_row_of_its_own(cloud: Cloud, told: str | None) -> None:
    answer = ended(input=told)
    assert job(cloud, answer["job_id"]).links["execution"] == execution("e1")
    assert len(cloud.topics.published) == 1


@pytest.mark.parametrize(("given", "words"), [([], "[]"), (5, "5"), ({}, "neither an S3 event nor a run")])
def test_an_input_that_no_state_could_go_on_with_is_told_in_words(cloud: Cloud, given: Any, words: str) -> None:
    """AWS cannot put `$.failure` into a list or a number: the execution breaks off in its first state."""
    answer = ended("FAILED", given, error="States.ResultPathMatchFailure", cause="Unable to apply step to input")
    assert answer["code"] == "EventNotUnderstood"
    assert words in answer["message"]
    row = job(cloud, answer["job_id"])
    assert (row.status, row.kind, row.algorithm, row.source) == (Status.FAILURE, Kind.TRAINING, None, None)


def test_what_cannot_be_published_is_left_to_the_retry(cloud: Cloud) -> None:
    claimed(cloud)
    cloud.topics.refuse = client_error("InternalError", "try again")
    with pytest.raises(ClientError):
        ended()
    cloud.topics.refuse = None
    ended()
    assert len(cloud.topics.published) == 1
    assert job(cloud).status is Status.STOPPED


def test_a_very_long_cause_is_cut(cloud: Cloud) -> None:
    del cloud
    told = executions.read({"executionArn": execution("e1"), "status": "ABORTED", "cause": "x" * 100_000})
    assert len(executions.explain(told).message.encode()) <= failure.MAX_MESSAGE
