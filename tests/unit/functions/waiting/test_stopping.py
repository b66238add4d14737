"""Stopping a job all the way down, whoever stops it first, and beginning anew after a crash at any point."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions import (
    await_endpoint,
    deploy_endpoint,
    record_failure,
    start_pipeline,
    sweep_waits,
    track_endpoint,
    track_pipeline,
)
from functions.aws import times
from functions.jobs import ids, jobs
from functions.jobs.errors import JobOver
from functions.jobs.failure import Failure
from functions.jobs.job import Job, Kind, Status
from functions.waiting import stopping, waits
from functions.waiting.waits import WaitKind
from tests.unit.functions.cloud import Cloud, Context, client_error, execution, new_job

JOB_ID = ids.derived("b", "k", "v")
PIPELINE = "headrace-test-decision-trees"
ENDPOINT = PIPELINE
ARN = f"arn:aws:sagemaker:us-east-1:000000000000:pipeline/{PIPELINE}/execution/e1"
CONFIG = ids.deployment_name(ENDPOINT, JOB_ID)
REASON = Failure("JobStopped", "the job was stopped by request")


@pytest.fixture(autouse=True)
def _job(cloud: Cloud) -> None:
    now = times.iso(cloud.clock())
    jobs.create(cloud.services, new_job(JOB_ID, Kind.TRAINING, Status.INPROGRESS, now, execution=execution("e1")))


def row(cloud: Cloud) -> Job:
    job = jobs.get(cloud.services, JOB_ID)
    assert job is not None
    return job


def stop(cloud: Cloud) -> bool:
    return stopping.stop(row(cloud), REASON, cloud.services)


def start() -> None:
    job = {"job_id": JOB_ID, "pipeline_name": PIPELINE, "pipeline_seconds": 600}
    start_pipeline.handler({"token": "t1", "job": job}, Context())


def deploy() -> None:
    settings = json.dumps({"mode": "realtime", "instance_type": "ml.m5.large"})
    event = {"job_id": JOB_ID, "algorithm": "a", "model_package_arn": "p", "endpoint": ENDPOINT, "deploy": settings}
    deploy_endpoint.handler(event, Context())


def wait() -> None:
    event = {"token": "t2", "job_id": JOB_ID, "endpoint": ENDPOINT, "endpoint_config": CONFIG}
    await_endpoint.handler(event, Context())


def becomes(cloud: Cloud, status: str, config: str) -> None:
    cloud.sagemaker.endpoints[ENDPOINT] = {"EndpointStatus": status, "EndpointConfigName": config}
    track_endpoint.handler({"detail": {"EndpointName": ENDPOINT, "EndpointStatus": status}}, Context())


def swept(cloud: Cloud, minutes: float = 5) -> None:
    cloud.clock.advance(minutes=minutes)
    sweep_waits.handler({}, Context())


def left(cloud: Cloud) -> list[str]:
    return sorted(str(wait.kind) for wait in waits.everything(cloud.services))


def test_a_stop_goes_through_execution_and_pipeline(cloud: Cloud) -> None:
    start()
    assert stop(cloud)
    assert row(cloud).status is Status.STOPPED
    assert row(cloud).error == {"code": "JobStopped", "message": "the job was stopped by request"}
    assert [request["executionArn"] for request in cloud.stepfunctions.stopped] == [execution("e1")]
    assert [request["PipelineExecutionArn"] for request in cloud.sagemaker.called("stop_pipeline_execution")] == [ARN]
    # The pipeline's own wait stays until the pipeline has ended.
    assert left(cloud) == ["pipeline"]


def test_a_second_stop_changes_nothing(cloud: Cloud) -> None:
    start()
    assert stop(cloud)
    assert stop(cloud)
    assert len(cloud.sagemaker.called("stop_pipeline_execution")) == 1


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.FAILURE])
def test_a_job_that_has_ended_is_not_stopped(cloud: Cloud, status: Status) -> None:
    other = ids.derived("b", "k", status)
    job = new_job(other, Kind.TRAINING, status, times.iso(cloud.clock()), execution=execution("e2"))
    jobs.create(cloud.services, job)
    assert not stopping.stop(job, REASON, cloud.services)
    assert (cloud.stepfunctions.stopped, left(cloud)) == ([], [])


@pytest.mark.parametrize("broken", ["stop_execution", "stop_pipeline_execution"])
def test_a_stop_that_is_broken_off_anywhere_is_finished_by_the_sweep(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    start()
    client: Any = cloud.stepfunctions if broken == "stop_execution" else cloud.sagemaker

    def fail(**_: Any) -> None:
        raise client_error("ThrottlingException", "Rate exceeded")

    with monkeypatch.context() as patched:
        patched.setattr(client, broken, fail)
        with pytest.raises(ClientError):
            stop(cloud)
    assert row(cloud).status is Status.STOPPED
    swept(cloud, minutes=0)
    assert len(cloud.stepfunctions.stopped) >= 1
    assert len(cloud.sagemaker.called("stop_pipeline_execution")) == 1
    assert left(cloud) == ["pipeline"]


def test_a_stop_that_is_broken_off_before_the_row_is_written_is_no_stop(cloud: Cloud) -> None:
    waits.store(cloud.services, waits.new(cloud.services, WaitKind.STOP, JOB_ID, "stop"))
    swept(cloud, minutes=0)
    assert row(cloud).status is Status.INPROGRESS
    assert left(cloud) == []


def test_no_pipeline_is_started_for_a_stopped_job(cloud: Cloud) -> None:
    stop(cloud)
    with pytest.raises(JobOver):
        start()
    assert cloud.sagemaker.called("start_pipeline_execution") == []


def test_a_pipeline_that_starts_in_the_moment_of_the_stop_is_stopped(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cloud.sagemaker.start_pipeline_execution

    def stopped_meanwhile(**request: Any) -> Any:
        stop(cloud)
        return real(**request)

    monkeypatch.setattr(cloud.sagemaker, "start_pipeline_execution", stopped_meanwhile)
    with pytest.raises(JobOver):
        start()
    assert len(cloud.sagemaker.called("stop_pipeline_execution")) == 1


def test_a_pipeline_of_which_the_stop_knew_nothing_is_stopped_at_its_first_step(cloud: Cloud) -> None:
    stop(cloud)
    cloud.sagemaker.executions[ARN] = {
        "PipelineExecutionDisplayName": JOB_ID,
        "PipelineExecutionStatus": "Executing",
    }
    detail = {"pipelineExecutionArn": ARN, "stepName": "Process", "currentStepStatus": "Starting"}
    track_pipeline.handler({"detail": detail}, Context())
    assert len(cloud.sagemaker.called("stop_pipeline_execution")) == 1


@pytest.mark.parametrize(("status", "expected"), [("ABORTED", Status.STOPPED), ("TIMED_OUT", Status.FAILURE)])
def test_the_pipeline_of_an_execution_that_ended_first_is_stopped(cloud: Cloud, status: str, expected: Status) -> None:
    start()
    run = {"job_id": JOB_ID, "algorithm": "decision_trees"}
    record_failure.handler(
        {"detail": {"executionArn": execution("e1"), "status": status, "input": json.dumps(run)}}, Context()
    )
    assert row(cloud).status is expected
    assert len(cloud.sagemaker.called("stop_pipeline_execution")) == 1


def test_the_pipeline_of_a_state_that_ran_out_of_time_is_stopped(cloud: Cloud) -> None:
    start()
    state = {"job_id": JOB_ID, "failure": {"Error": "States.Timeout", "Cause": ""}}
    record_failure.handler({"input": {}, "state": state, "execution": execution("e1")}, Context())
    assert row(cloud).status is Status.FAILURE
    assert len(cloud.sagemaker.called("stop_pipeline_execution")) == 1


def test_a_pipeline_that_somebody_stopped_is_a_stopped_job_and_no_alarm(cloud: Cloud) -> None:
    start()
    state = {"job_id": JOB_ID, "failure": {"Error": "PipelineStopped", "Cause": "the pipeline was stopped"}}
    told = record_failure.handler({"input": {}, "state": state, "execution": execution("e1")}, Context())
    assert (told["status"], told["answerable"]) == ("STOPPED", "user")
    assert row(cloud).status is Status.STOPPED
    # The execution is at its own end: to stop it would cut that off.
    assert cloud.stepfunctions.stopped == []


def test_nothing_is_deployed_for_a_job_that_is_over(cloud: Cloud) -> None:
    stop(cloud)
    with pytest.raises(JobOver):
        deploy()
    with pytest.raises(JobOver):
        wait()
    assert (cloud.sagemaker.models, cloud.sagemaker.configs, cloud.sagemaker.calls) == ({}, {}, [])


def test_what_was_in_service_comes_back_when_the_endpoint_can_be_changed(cloud: Cloud) -> None:
    becomes(cloud, "InService", "before")
    deploy()
    wait()
    stop(cloud)
    assert left(cloud) == ["stop"]
    becomes(cloud, "InService", CONFIG)
    assert [request["EndpointConfigName"] for request in cloud.sagemaker.called("update_endpoint")] == [
        *(CONFIG, "before")
    ]
    becomes(cloud, "InService", "before")
    swept(cloud)
    assert left(cloud) == []


def test_an_endpoint_that_the_stopped_job_made_is_removed(cloud: Cloud) -> None:
    deploy()
    wait()
    stop(cloud)
    becomes(cloud, "InService", CONFIG)
    assert cloud.sagemaker.called("delete_endpoint") == [{"EndpointName": ENDPOINT}]
    del cloud.sagemaker.endpoints[ENDPOINT]
    swept(cloud)
    assert left(cloud) == []


def test_a_newer_deployment_is_left_alone(cloud: Cloud) -> None:
    becomes(cloud, "InService", "before")
    deploy()
    stop(cloud)
    becomes(cloud, "InService", "newer")
    swept(cloud)
    assert left(cloud) == []
    assert len(cloud.sagemaker.called("update_endpoint")) == 1


def test_a_deployment_that_was_under_way_in_the_moment_of_the_stop_is_taken_back(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    becomes(cloud, "InService", "before")
    real = cloud.sagemaker.create_model

    def stopped_meanwhile(**request: Any) -> Any:
        stop(cloud)
        return real(**request)

    monkeypatch.setattr(cloud.sagemaker, "create_model", stopped_meanwhile)
    deploy()
    assert left(cloud) == ["stop"]
    becomes(cloud, "InService", CONFIG)
    assert cloud.sagemaker.called("update_endpoint")[-1]["EndpointConfigName"] == "before"


def test_what_a_job_replaces_is_known_when_its_turn_comes(cloud: Cloud) -> None:
    """Its deploy step found the endpoint at work for another job."""
    becomes(cloud, "Updating", "older")
    deploy()
    wait()
    becomes(cloud, "InService", "others")
    assert row(cloud).endpoint_before == "others"
    stop(cloud)
    becomes(cloud, "InService", CONFIG)
    assert cloud.sagemaker.called("update_endpoint")[-1]["EndpointConfigName"] == "others"


def test_what_fails_on_the_way_down_is_the_stop_and_no_failure(cloud: Cloud) -> None:
    """A state that asks whether the job is open, or RecordSuccess, may come between the row and StopExecution."""
    stop(cloud)
    state = {"job_id": JOB_ID, "failure": {"Error": "JobOver", "Cause": "nothing more is started"}}
    told = record_failure.handler({"input": {}, "state": state, "execution": execution("e1")}, Context())
    assert (told["code"], told["status"], told["answerable"]) == ("JobStopped", "STOPPED", "user")
