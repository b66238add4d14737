"""Every failure ends as a code and a sentence on the right job's row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions import record_failure
from functions.aws import times
from functions.jobs import errors, failure, ids, jobs
from functions.jobs.failure import Failure
from functions.jobs.job import Job, Kind, Source, Status
from functions.uploads import claims
from tests.unit.functions.cloud import UPLOADS, Cloud, Context, execution, new_job, uploaded

KEY = "datasets/decision_trees/iris/iris.csv"
JOB_ID = ids.derived("no", "such", "job")
LAMBDA = {"stackTrace": ["File ..."], "requestId": "r"}


def record(cloud: Cloud, failure: Any, event: Any = None, name: str = "e1", **state: Any) -> dict[str, Any]:
    del cloud
    given = {"input": event or uploaded(KEY), "state": {"failure": failure, **state}, "execution": execution(name)}
    return dict(record_failure.handler(given, Context()))


def job(cloud: Cloud, job_id: str) -> Job:
    found = jobs.get(cloud.services, job_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("caught", "expected"),
    [
        (
            {"Error": "UploadRejected", "Cause": "the key does not fit"},
            Failure("UploadRejected", "the key does not fit"),
        ),
        (
            {"Error": "PipelineFailed", "Cause": 'Process: the dataset has no column "Species"'},
            Failure("PipelineFailed", 'Process: the dataset has no column "Species"'),
        ),
        (
            {"Error": "ImageRejected", "Cause": json.dumps({"errorMessage": "is empty", "errorType": "ImageRejected"})},
            Failure("ImageRejected", "is empty"),
        ),
        (
            {"Error": "ImageRejected", "Cause": json.dumps({"errorMessage": "x", "errorType": "Runtime.HandlerError"})},
            Failure("ImageRejected", "x"),
        ),
        (
            {
                "Error": "Runtime.HandlerError",
                "Cause": json.dumps({"errorMessage": "gone", "errorType": "Runtime.HandlerError"} | LAMBDA),
            },
            Failure("HandlerError", "gone"),
        ),
        (
            {"Error": "KeyError", "Cause": json.dumps({"errorMessage": "'job_id'", "errorType": "KeyError"})},
            Failure("KeyError", "KeyError: 'job_id'"),
        ),
        (
            {
                "Error": "Exception",
                "Cause": json.dumps(
                    {
                        "errorType": "Exception",
                        "errorMessage": json.dumps({"errorType": "ResultInvalid", "errorMessage": "it is cut short"}),
                    }
                ),
            },
            Failure("ResultInvalid", "it is cut short"),
        ),
        ({"Error": "States.Timeout", "Cause": ""}, Failure("States.Timeout", "the step did not finish in time")),
        ({"Error": "States.Timeout"}, Failure("States.Timeout", "the step did not finish in time")),
        (
            {
                "Error": "Sandbox.Timedout",
                "Cause": json.dumps(
                    {"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: 1 Error: Task timed out after 3.00 s"}
                ),
            },
            Failure("Sandbox.Timedout", "a function did not finish in time"),
        ),
        ({"Error": "X", "Cause": '{"odd": 1}'}, Failure("X", "a step failed with X, and nothing more is told")),
        ({"Error": "X", "Cause": '{"not json'}, Failure("X", "a step failed with X, and nothing more is told")),
        ("a plain reason", Failure("JobFailed", "a plain reason")),
        (None, Failure("JobFailed", "the job failed, and nothing tells why")),
        ({}, Failure("JobFailed", "a step failed with JobFailed, and nothing more is told")),
    ],
)
def test_what_was_caught_becomes_a_code_and_a_sentence(caught: Any, expected: Failure) -> None:
    assert failure.read(caught) == expected


json_values = st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner))


@given(st.text(), st.text() | json_values.map(json.dumps))
def test_no_cause_reaches_a_person_as_json_or_too_long(error: str, cause: str) -> None:
    told = failure.read({"Error": error, "Cause": cause})
    assert told.message
    assert not told.message.startswith("{")
    assert len(told.message.encode(errors="replace")) <= failure.MAX_MESSAGE


def test_a_long_message_is_cut_at_a_character() -> None:
    message = failure.shorten("ñ" * 5000)
    assert len(message.encode()) <= 4096
    assert message.endswith("ñ...")


def test_the_code_of_each_own_error_is_its_class_name() -> None:
    for code in errors.own_codes():
        caught = {"Error": code, "Cause": json.dumps({"errorMessage": "one", "errorType": code})}
        assert failure.read(caught) == Failure(code, "one")


def test_a_running_job_fails_with_its_reason(cloud: Cloud) -> None:
    cloud.publish("decision_trees")
    output = claims.claim(uploaded(KEY), execution("e1"), cloud.services)
    assert output.job_id is not None
    answer = record(cloud, {"Error": "PipelineFailed", "Cause": "Train: no rows"}, job_id=output.job_id)
    told = {"code": "PipelineFailed", "message": "Train: no rows", "status": "FAILURE", "answerable": "operator"}
    assert answer == {"job_id": output.job_id, **told}
    row = job(cloud, output.job_id)
    assert row.status is Status.FAILURE
    assert row.error == {"code": "PipelineFailed", "message": "Train: no rows"}


def test_a_second_record_changes_nothing(cloud: Cloud) -> None:
    record(cloud, {"Error": "A", "Cause": "the first"})
    job_id = ids.derived(UPLOADS, KEY, "v1")
    record(cloud, {"Error": "B", "Cause": "the second"})
    assert job(cloud, job_id).error == {"code": "A", "message": "the first"}


def test_a_job_that_succeeded_is_left_alone(cloud: Cloud) -> None:
    job_id = ids.derived(UPLOADS, KEY, "v1")
    row = new_job(job_id, Kind.TRAINING, Status.SUCCESS, times.iso(cloud.clock()), execution=execution("e1"))
    jobs.create(cloud.services, row)
    record(cloud, {"Error": "A", "Cause": "late"}, job_id=job_id)
    assert job(cloud, job_id).status is Status.SUCCESS


def test_an_execution_that_never_claimed_does_not_fail_anothers_job(cloud: Cloud) -> None:
    cloud.publish("decision_trees")
    output = claims.claim(uploaded(KEY), execution("e1"), cloud.services)
    assert output.job_id is not None
    record(cloud, {"Error": "Lambda.Unknown", "Cause": ""}, name="e2")
    assert job(cloud, output.job_id).status is Status.INPROGRESS


def test_a_claim_that_crashed_leaves_a_job_that_says_so(cloud: Cloud) -> None:
    answer = record(cloud, {"Error": "Lambda.Unknown", "Cause": ""})
    assert answer["job_id"] == ids.derived(UPLOADS, KEY, "v1")
    (found,) = jobs.of_object(cloud.services, UPLOADS, KEY)
    assert found.status is Status.FAILURE
    assert found.source == Source(UPLOADS, KEY, "v1")


def test_a_pending_job_of_the_api_fails_by_its_own_id(cloud: Cloud) -> None:
    job_id = ids.ulid(cloud.clock())
    key = f"images/{job_id}/me.jpg"
    row = new_job(job_id, Kind.FACE, Status.PENDING, times.iso(cloud.clock()), source=Source(UPLOADS, key, None))
    jobs.create(cloud.services, row)
    record(cloud, {"Error": "A", "Cause": "b"}, uploaded(key))
    assert job(cloud, job_id).status is Status.FAILURE


def test_a_failed_direct_run_is_recorded_under_its_id(cloud: Cloud) -> None:
    job_id = ids.ulid(cloud.clock())
    record(cloud, {"Error": "A", "Cause": "b"}, {"job_id": job_id, "algorithm": "trees"})
    assert job(cloud, job_id).algorithm == "trees"


@pytest.mark.parametrize("odd", [{"odd": 1}, {}, [], 5, None, "text", {"job_id": 5}, {"job_id": JOB_ID}])
def test_an_input_that_nobody_understands_has_a_failure_row_too(cloud: Cloud, odd: Any) -> None:
    state = {"failure": {"Error": "EventNotUnderstood", "Cause": "neither"}}
    answer = record_failure.handler({"input": odd, "state": state, "execution": execution("e1")}, Context())
    row = job(cloud, answer["job_id"])
    assert (row.status, row.algorithm, row.source) == (Status.FAILURE, None, None)
    assert row.error == {"code": "EventNotUnderstood", "message": "neither"}
