"""Deploying to an endpoint, and waiting until it serves what was deployed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions import await_endpoint, deploy_endpoint, sweep_waits, track_endpoint
from functions.aws import times
from functions.jobs import ids, jobs
from functions.jobs.errors import DeploymentRejected
from functions.jobs.job import Kind, Status
from functions.waiting import waits
from functions.waiting.endpoints import MAX_ATTEMPTS
from functions.waiting.waits import WaitKind
from tests.unit.functions.cloud import ARTIFACTS, Cloud, Context, client_error, new_job

ENDPOINT = "headrace-test-decision-trees"
A, B, C = (ids.derived("b", "k", version) for version in "abc")
PACKAGE = "arn:aws:sagemaker:us-east-1:000000000000:model-package/g/1"
REALTIME = {"mode": "realtime", "instance_type": "ml.m5.large", "count": 2}


def name(job_id: str) -> str:
    return ids.deployment_name(ENDPOINT, job_id)


def deploy(job_id: str, settings: dict[str, Any] | None = None) -> dict[str, Any]:
    event = {
        "job_id": job_id,
        "algorithm": "decision_trees",
        "model_package_arn": PACKAGE,
        "endpoint": ENDPOINT,
        "deploy": json.dumps(settings or REALTIME),
    }
    return dict(deploy_endpoint.handler(event, Context()))


def wait(cloud: Cloud, job_id: str) -> None:
    event = {"token": f"t-{job_id}", "job_id": job_id, "endpoint": ENDPOINT, "endpoint_config": name(job_id)}
    await_endpoint.handler(event, Context())
    cloud.clock.advance(seconds=1)


def becomes(cloud: Cloud, status: str, config: str | None = None, reason: str | None = None) -> None:
    state = cloud.sagemaker.endpoints.setdefault(ENDPOINT, {})
    state["EndpointStatus"] = status
    if config:
        state["EndpointConfigName"] = config
    if reason:
        state["FailureReason"] = reason
    track_endpoint.handler({"detail": {"EndpointName": ENDPOINT, "EndpointStatus": status}}, Context())


def gone(cloud: Cloud) -> None:
    """The deletion ends, and SageMaker tells."""
    del cloud.sagemaker.endpoints[ENDPOINT]
    track_endpoint.handler({"detail": {"EndpointName": ENDPOINT, "EndpointStatus": "DELETED"}}, Context())


def sent(cloud: Cloud) -> list[tuple[str, str]]:
    return [(token.removeprefix("t-"), how) for token, how, _ in cloud.stepfunctions.sent]


def test_the_first_deployment_creates_the_endpoint(cloud: Cloud) -> None:
    jobs.create(cloud.services, new_job(A, Kind.TRAINING, Status.INPROGRESS, times.iso(cloud.clock())))
    assert deploy(A) == {"statusCode": 200, "endpoint": ENDPOINT, "endpoint_config": name(A)}
    assert cloud.sagemaker.models[name(A)]["Containers"] == [{"ModelPackageName": PACKAGE}]
    (variant,) = cloud.sagemaker.configs[name(A)]["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.m5.large", 2)
    assert cloud.sagemaker.endpoints[ENDPOINT]["EndpointConfigName"] == name(A)
    job = jobs.get(cloud.services, A)
    assert job is not None
    assert job.links == {"endpoint": ENDPOINT, "model_package": PACKAGE}
    assert job.endpoint_config == name(A)


def test_a_repeated_deployment_makes_nothing_twice(cloud: Cloud) -> None:
    deploy(A)
    deploy(A)
    assert len(cloud.sagemaker.models) == len(cloud.sagemaker.configs) == 1
    assert len(cloud.sagemaker.called("create_endpoint")) == 1
    assert cloud.sagemaker.called("update_endpoint") == []


def test_an_endpoint_in_service_is_updated(cloud: Cloud) -> None:
    becomes(cloud, "InService", "old")
    deploy(A)
    assert cloud.sagemaker.called("update_endpoint") == [{"EndpointName": ENDPOINT, "EndpointConfigName": name(A)}]


def test_a_busy_endpoint_is_left_alone(cloud: Cloud) -> None:
    becomes(cloud, "Updating", "old")
    assert deploy(A)["statusCode"] == 200
    assert cloud.sagemaker.called("update_endpoint") == []


def test_an_endpoint_that_failed_is_made_anew_when_it_is_gone(cloud: Cloud) -> None:
    becomes(cloud, "Failed", "old")
    assert deploy(A)["statusCode"] == 200
    assert cloud.sagemaker.endpoints[ENDPOINT]["EndpointStatus"] == "Deleting"
    wait(cloud, A)
    assert (sent(cloud), cloud.sagemaker.called("create_endpoint")) == ([], [])
    gone(cloud)
    assert cloud.sagemaker.endpoints[ENDPOINT] == {"EndpointStatus": "Creating", "EndpointConfigName": name(A)}
    becomes(cloud, "InService")
    assert sent(cloud) == [(A, "success")]


def test_an_endpoint_that_is_being_deleted_is_a_busy_one(cloud: Cloud) -> None:
    becomes(cloud, "Deleting", "old")
    deploy(A)
    wait(cloud, A)
    assert [operation for operation, _ in cloud.sagemaker.calls] == []
    gone(cloud)
    assert len(cloud.sagemaker.called("create_endpoint")) == 1


def test_the_end_of_a_deletion_that_no_event_tells_is_found_by_the_sweep(cloud: Cloud) -> None:
    becomes(cloud, "Deleting", "old")
    wait(cloud, A)
    del cloud.sagemaker.endpoints[ENDPOINT]
    cloud.clock.advance(minutes=5)
    sweep_waits.handler({}, Context())
    assert cloud.sagemaker.endpoints[ENDPOINT]["EndpointConfigName"] == name(A)


def test_another_jobs_failed_config_fails_that_job_and_makes_way_for_the_next(cloud: Cloud) -> None:
    deploy(A)
    for job_id in (A, B):
        deploy(job_id)
        wait(cloud, job_id)
    becomes(cloud, "Failed", reason="no capacity")
    assert sent(cloud) == [(A, "failure")]
    assert len(cloud.sagemaker.called("delete_endpoint")) == 1
    gone(cloud)
    becomes(cloud, "InService")
    assert sent(cloud) == [(A, "failure"), (B, "success")]


def test_a_deployment_repeated_after_its_endpoint_failed_leaves_the_reason_to_the_wait(cloud: Cloud) -> None:
    deploy(A)
    becomes(cloud, "Failed", reason="no capacity")
    deploy(A)
    assert cloud.sagemaker.called("delete_endpoint") == []


def test_an_async_endpoint_tells_both_topics(cloud: Cloud) -> None:
    deploy(A, {"mode": "async", "instance_type": "ml.m5.large", "max_concurrent_invocations": 7})
    config = cloud.sagemaker.configs[name(A)]["AsyncInferenceConfig"]
    assert config["ClientConfig"] == {"MaxConcurrentInvocationsPerInstance": 7}
    assert config["OutputConfig"] == {
        "S3OutputPath": f"s3://{ARTIFACTS}/async/decision_trees/output",
        "S3FailurePath": f"s3://{ARTIFACTS}/async/decision_trees/failure",
        "NotificationConfig": {
            "SuccessTopic": "arn:aws:sns:us-east-1:000000000000:success",
            "ErrorTopic": "arn:aws:sns:us-east-1:000000000000:error",
        },
    }


def test_an_endpoint_runs_where_its_jobs_do_and_under_their_keys(cloud: Cloud) -> None:
    network = {"subnets": ["subnet-1"], "security_group_ids": ["sg-1"], "isolation": True}
    keys = {"volume_key": "alias/volume", "output_key": "alias/output"}
    deploy(A, {**REALTIME, "mode": "async", "network": network, "encryption": keys, "tags": {"team": "vision"}})
    model, config = cloud.sagemaker.models[name(A)], cloud.sagemaker.configs[name(A)]
    assert model["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert model["EnableNetworkIsolation"] is True
    assert config["KmsKeyId"] == "alias/volume"
    assert config["AsyncInferenceConfig"]["OutputConfig"]["KmsKeyId"] == "alias/output"
    assert model["Tags"] == config["Tags"] == [{"Key": "team", "Value": "vision"}]


def test_a_serverless_endpoint_has_no_instances(cloud: Cloud) -> None:
    deploy(A, {"mode": "serverless"})
    (variant,) = cloud.sagemaker.configs[name(A)]["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    assert "InstanceType" not in variant


def test_a_deployment_that_is_refused_says_why(cloud: Cloud) -> None:
    with pytest.raises(DeploymentRejected, match="its deploy mode is none"):
        deploy(A, {"mode": "none"})
    cloud.sagemaker.refuse_update = client_error("ValidationException", "no such instance type")
    becomes(cloud, "InService", "old")
    with pytest.raises(DeploymentRejected, match="no such instance type"):
        deploy(B)


def test_a_wait_ends_when_the_endpoint_serves_its_config(cloud: Cloud) -> None:
    deploy(A)
    wait(cloud, A)
    becomes(cloud, "Creating")
    assert sent(cloud) == []
    becomes(cloud, "InService")
    becomes(cloud, "InService")
    assert cloud.stepfunctions.sent == [
        (f"t-{A}", "success", {"endpoint": ENDPOINT, "endpoint_config": name(A), "status": "InService"})
    ]


def test_an_endpoint_that_is_ready_already_ends_the_wait_at_once(cloud: Cloud) -> None:
    becomes(cloud, "InService", name(A))
    wait(cloud, A)
    assert sent(cloud) == [(A, "success")]


def test_three_jobs_to_one_endpoint_get_their_turns_in_order(cloud: Cloud) -> None:
    deploy(A)
    wait(cloud, A)
    for job_id in (B, C):
        deploy(job_id)
        wait(cloud, job_id)
    becomes(cloud, "InService", name(A))
    assert cloud.sagemaker.called("update_endpoint")[-1]["EndpointConfigName"] == name(B)
    becomes(cloud, "InService", name(B))
    assert cloud.sagemaker.called("update_endpoint")[-1]["EndpointConfigName"] == name(C)
    becomes(cloud, "InService", name(C))
    assert sent(cloud) == [(A, "success"), (B, "success"), (C, "success")]
    assert len(cloud.sagemaker.called("update_endpoint")) == 2


def test_an_endpoint_that_rolls_back_every_update_ends_in_failure(cloud: Cloud) -> None:
    becomes(cloud, "InService", "old")
    deploy(A)
    wait(cloud, A)
    for _ in range(5):
        becomes(cloud, "InService", "old", "The primary container did not pass the ping health check")
    ((_, how, what),) = cloud.stepfunctions.sent
    assert how == "failure"
    assert what[0] == "EndpointRolledBack"
    assert "did not pass the ping health check" in what[1]
    assert len(cloud.sagemaker.called("update_endpoint")) == 1 + 2


def test_an_update_refused_because_another_is_running_is_no_attempt(cloud: Cloud) -> None:
    becomes(cloud, "InService", "old")
    cloud.sagemaker.refuse_update = client_error("ValidationException", "Cannot update in-progress endpoint")
    wait(cloud, A)
    left = waits.get(cloud.services, WaitKind.ENDPOINT, A)
    assert left is not None
    assert left.attempts == 0
    assert sent(cloud) == []


def test_an_update_that_is_refused_for_good_is_a_failure(cloud: Cloud) -> None:
    becomes(cloud, "InService", "old")
    cloud.sagemaker.refuse_update = client_error("ValidationException", "Could not find endpoint configuration")
    wait(cloud, A)
    assert cloud.stepfunctions.sent[0][2] == (
        "EndpointFailed",
        f"the endpoint {ENDPOINT} cannot be updated: Could not find endpoint configuration",
    )


def test_a_failed_endpoint_gives_its_reason(cloud: Cloud) -> None:
    deploy(A)
    wait(cloud, A)
    becomes(cloud, "Failed", reason="no capacity")
    assert cloud.stepfunctions.sent[0][2] == ("EndpointFailed", f"the endpoint {ENDPOINT} is Failed: no capacity")


def test_a_missing_endpoint_is_created_in_vain_only_so_often(cloud: Cloud) -> None:
    wait(cloud, A)
    gone(cloud)
    assert sent(cloud) == []
    gone(cloud)
    assert len(cloud.sagemaker.called("create_endpoint")) == MAX_ATTEMPTS
    assert cloud.stepfunctions.sent[0][2] == ("EndpointNotFound", f"the endpoint {ENDPOINT} does not exist")


@pytest.mark.parametrize("code", ["ValidationException", "ResourceLimitExceeded"])
def test_an_endpoint_that_cannot_be_created_gives_the_reason(cloud: Cloud, code: str) -> None:
    cloud.sagemaker.refuse_create = client_error(code, "no such configuration")
    wait(cloud, A)
    assert cloud.stepfunctions.sent[0][2] == (
        "EndpointFailed",
        f"the endpoint {ENDPOINT} cannot be created: no such configuration",
    )


def test_a_creation_that_came_too_early_is_no_attempt(cloud: Cloud) -> None:
    cloud.sagemaker.refuse_create = client_error("ValidationException", "Cannot create already existing endpoint")
    wait(cloud, A)
    left = waits.get(cloud.services, WaitKind.ENDPOINT, A)
    assert left is not None
    assert left.attempts == 0


def test_a_deletion_that_another_began_is_no_error(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for message in ("Cannot update in-progress endpoint", "Could not find endpoint"):

        def refuse(*, EndpointName: str, message: str = message) -> None:  # noqa: N803
            raise client_error("ValidationException", f"{message} {EndpointName}")

        becomes(cloud, "Failed", "old")
        monkeypatch.setattr(cloud.sagemaker, "delete_endpoint", refuse)
        assert deploy(A)["statusCode"] == 200


def test_an_event_of_an_endpoint_that_nobody_waits_for(cloud: Cloud) -> None:
    becomes(cloud, "InService", "old")
    assert sent(cloud) == []
