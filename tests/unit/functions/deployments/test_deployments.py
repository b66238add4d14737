"""A decision about a model, from the registry's event to what the endpoint serves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions import (
    apply_deployment,
    check_endpoint,
    claim_deployment,
    find_deployed,
    plan_rollback,
    prepare_deployment,
    record_failure,
    sweep_waits,
    track_endpoint,
)
from functions.aws import times
from functions.deployments import approvals
from functions.jobs import ids, jobs
from functions.jobs.errors import EventNotUnderstood, JobOver, NothingToGoBackTo, SmokeTestFailed
from functions.jobs.failure import Failure
from functions.jobs.job import Job, Kind, Status
from functions.waiting import served, stopping
from functions.waiting.served import Target
from tests.unit.functions.cloud import ARTIFACTS, Cloud, Context, client_error, execution, new_job

ENDPOINT = GROUP = "headrace-test-decision-trees"
SAMPLE = f"s3://{ARTIFACTS}/runs/r/evaluation/sample"
MANUAL = ["Process", "Train", "Evaluate", "CheckQuality", "Register"]
CANARY = {"percent": 20, "wait_seconds": 60}


@pytest.fixture(autouse=True)
def _catalogue(cloud: Cloud) -> None:
    cloud.publish("decision_trees", steps=MANUAL)
    cloud.put("runs/r/evaluation/sample", b"1,2\n", ARTIFACTS)


def register(cloud: Cloud, status: str = "Approved", **metadata: str) -> str:
    return cloud.sagemaker.register(GROUP, status, cloud.clock(), algorithm="decision_trees", **metadata)


def decide(cloud: Cloud, package: str, status: str) -> None:
    cloud.clock.advance(minutes=5)
    cloud.sagemaker.packages[package] |= {"ModelApprovalStatus": status, "LastModifiedTime": cloud.clock()}


def claim(package: str, name: str) -> dict[str, Any]:
    event = {"detail": {"ModelPackageArn": package, "ModelPackageGroupName": GROUP}}
    return dict(claim_deployment.handler({"input": event, "execution": execution(name, "deployment")}, Context()))


def prepared(claimed: dict[str, Any]) -> dict[str, Any]:
    return {**claimed, "plan": {"Payload": prepare_deployment.handler({"job": claimed}, Context())}}


def apply(state: dict[str, Any], role: str = "deployment", **changes: Any) -> None:
    plan = state["plan"]["Payload"] | changes
    event = {name: plan[name] for name in ("endpoint", "endpoint_config", "rollout")}
    apply_deployment.handler(
        {**event, "token": f"t-{state['job_id']}", "job_id": state["job_id"], "role": role}, Context()
    )


def becomes(cloud: Cloud, status: str, config: str | None = None, **more: Any) -> None:
    state = cloud.sagemaker.endpoints.setdefault(ENDPOINT, {})
    state |= {"EndpointStatus": status, **({"EndpointConfigName": config} if config else {}), **more}
    track_endpoint.handler({"detail": {"EndpointName": ENDPOINT}}, Context())


def check(state: dict[str, Any], *, candidate: bool = False) -> None:
    event = {"job_id": state["job_id"], "plan": state["plan"]["Payload"], "candidate": candidate}
    check_endpoint.handler(event, Context())


def deployed(cloud: Cloud, package: str, name: str) -> dict[str, Any]:
    """Brings an approved package into service."""
    state = prepared(claim(package, name))
    apply(state)
    becomes(cloud, "InService", state["plan"]["Payload"]["endpoint_config"])
    check(state)
    cloud.clock.advance(minutes=1)
    return state


def job(cloud: Cloud, job_id: str) -> Job:
    row = jobs.get(cloud.services, job_id)
    assert row is not None
    return row


def config(state: dict[str, Any]) -> str:
    return str(state["plan"]["Payload"]["endpoint_config"])


def test_an_approval_is_a_job_once(cloud: Cloud) -> None:
    package = register(cloud, job_id="J")
    outcome = claim(package, "e1")
    assert (outcome["decision"], outcome["action"], outcome["endpoint"]) == ("started", "deploy", ENDPOINT)
    assert claim(package, "e1") == outcome, "Lambda repeats the execution"
    assert claim(package, "e2")["decision"] == "duplicate"
    row = job(cloud, outcome["job_id"])
    assert (row.kind, row.status, row.links["model_package"]) == (Kind.DEPLOYMENT, Status.INPROGRESS, package)


def test_a_package_is_approved_again_after_it_was_rejected(cloud: Cloud) -> None:
    package = register(cloud)
    first = claim(package, "e1")
    decide(cloud, package, "Rejected")
    assert claim(package, "e2")["action"] == "rollback", "its deployment is still on its way"
    decide(cloud, package, "Approved")
    again = claim(package, "e3")
    assert again["decision"] == "started"
    assert again["job_id"] != first["job_id"]


def test_what_its_own_pipeline_deploys_starts_nothing(cloud: Cloud) -> None:
    cloud.publish("decision_trees")
    package = register(cloud, job_id="J")
    assert claim(package, "e1") == {
        "decision": "ignored",
        "reason": "the pipeline of job J deploys decision-trees-1 itself",
    }
    decide(cloud, package, "Rejected")
    assert claim(package, "e2")["decision"] == "ignored", "it is not in service"
    decide(cloud, package, "Approved")
    assert claim(package, "e3")["decision"] == "started"


def test_somebody_approves_what_an_automatic_algorithm_left_pending(cloud: Cloud) -> None:
    cloud.publish("decision_trees")
    package = register(cloud, "PendingManualApproval")
    decide(cloud, package, "Approved")
    assert claim(package, "e1")["decision"] == "started"


def test_a_package_that_nobody_deploys_starts_nothing(cloud: Cloud) -> None:
    stranger = cloud.sagemaker.register(GROUP, "Approved", cloud.clock(), algorithm="gone")
    cloud.publish("registered_only", endpoint=None, registration={"group": "headrace-test-other"})
    unserved = cloud.sagemaker.register("headrace-test-other", "Approved", cloud.clock())
    for number, package in enumerate((stranger, unserved, "arn:gone")):
        assert claim(package, f"e{number}")["decision"] == "ignored"


def test_an_input_that_is_no_deployment_is_refused(cloud: Cloud) -> None:
    del cloud
    for wrong in (5, {}, {"job_id": "x", "action": "deploy", "endpoint": ENDPOINT}):
        with pytest.raises(EventNotUnderstood):
            claim_deployment.handler({"input": wrong, "execution": execution("e1", "deployment")}, Context())


def test_the_first_model_is_served_and_asked(cloud: Cloud) -> None:
    cloud.runtime.models[ENDPOINT] = lambda body: {"asked": body.decode()}
    state = prepared(claim(register(cloud, sample=SAMPLE), "e1"))
    plan = state["plan"]["Payload"]
    assert (plan["rehearse"], plan["before"]) == (False, None)
    apply(state)
    assert cloud.sagemaker.called("create_endpoint") == [
        {"EndpointName": ENDPOINT, "EndpointConfigName": config(state)}
    ]
    becomes(cloud, "InService")
    assert cloud.stepfunctions.sent[0][1] == "success"
    assert served.good(cloud.services, ENDPOINT) == [], "not before it has answered"
    check(state)
    assert cloud.runtime.requests[-1]["Body"] == b"1,2\n"
    assert served.good(cloud.services, ENDPOINT) == [config(state)]
    assert job(cloud, state["job_id"]).steps_done == 3


def test_a_model_is_asked_apart_before_anybody_else_asks_it(cloud: Cloud) -> None:
    deployed(cloud, register(cloud), "e1")
    state = prepared(claim(register(cloud, sample=SAMPLE), "e2"))
    candidate = state["plan"]["Payload"]["candidate"]
    assert candidate["endpoint"] != ENDPOINT
    assert len(candidate["endpoint"]) <= 63

    def broken(_: bytes) -> Any:
        error = client_error("ModelError", "Received server error (500)", "InvokeEndpoint")
        vars(error)["response"] |= {"OriginalStatusCode": 500, "OriginalMessage": "no model"}
        raise error

    cloud.runtime.models[candidate["endpoint"]] = broken
    with pytest.raises(SmokeTestFailed, match=r"with 500: no model; headrace-test-decision-trees serves .* as before"):
        check(state, candidate=True)
    assert cloud.sagemaker.called("update_endpoint") == []


def test_a_run_without_a_sample_is_deployed_without_a_question(cloud: Cloud) -> None:
    deployed(cloud, register(cloud), "e1")
    state = prepared(claim(register(cloud, sample=f"s3://{ARTIFACTS}/runs/none/evaluation/sample"), "e2"))
    assert (state["plan"]["Payload"]["sample"], state["plan"]["Payload"]["rehearse"]) == (None, False)


def test_an_update_shifts_traffic_under_alarms_and_keeps_the_instances(cloud: Cloud) -> None:
    deployed(cloud, register(cloud), "e1")
    settings = {"mode": "realtime", "instance_type": "ml.m5.large", "count": 2}
    cloud.publish("decision_trees", steps=MANUAL, deploy={**settings, "canary": {**CANARY, "max_latency_ms": 40}})
    apply(prepared(claim(register(cloud), "e2")))
    (request,) = cloud.sagemaker.called("update_endpoint")
    assert request["RetainAllVariantProperties"] is True
    policy = request["DeploymentConfig"]
    assert policy["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"] == {
        "Type": "CANARY",
        "WaitIntervalInSeconds": 60,
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 20},
    }
    alarms = [alarm["AlarmName"] for alarm in policy["AutoRollbackConfiguration"]["Alarms"]]
    assert alarms == list(cloud.cloudwatch.alarms) == [f"{ENDPOINT}-5xx", f"{ENDPOINT}-latency"]
    assert cloud.cloudwatch.alarms[f"{ENDPOINT}-latency"]["Threshold"] == 40_000


def test_a_count_that_somebody_changed_counts(cloud: Cloud) -> None:
    deployed(cloud, register(cloud), "e1")
    cloud.publish(
        "decision_trees", steps=MANUAL, deploy={"mode": "realtime", "instance_type": "ml.m5.large", "count": 3}
    )
    apply(prepared(claim(register(cloud), "e2")))
    (request,) = cloud.sagemaker.called("update_endpoint")
    assert "RetainAllVariantProperties" not in request


def test_a_shift_that_was_taken_back_is_not_tried_again(cloud: Cloud) -> None:
    before = deployed(cloud, register(cloud), "e1")
    cloud.publish(
        "decision_trees", steps=MANUAL, deploy={"mode": "realtime", "instance_type": "ml.m5.large", "canary": CANARY}
    )
    state = prepared(claim(register(cloud), "e2"))
    apply(state)
    becomes(cloud, "InService", config(before), FailureReason="rolled back because of alarm(s) in ALARM state: 5xx.")
    assert len(cloud.sagemaker.called("update_endpoint")) == 1
    token, how, what = cloud.stepfunctions.sent[-1]
    assert (token, how, what[0]) == (f"t-{state['job_id']}", "failure", "EndpointRolledBack")
    caught = {"Error": what[0], "Cause": what[1]}
    plan = plan_rollback.handler({"state": {**state, "failure": caught}}, Context())
    assert plan["endpoint_config"] is None
    assert plan["failure"]["Error"] == "DeploymentRolledBack"
    assert plan["failure"]["Cause"].endswith(f"5xx; {ENDPOINT} serves {config(before)}")


def test_an_endpoint_of_another_mode_is_replaced(cloud: Cloud) -> None:
    deployed(cloud, register(cloud), "e1")
    cloud.publish("decision_trees", steps=MANUAL, deploy={"mode": "async", "instance_type": "ml.m5.large"})
    state = prepared(claim(register(cloud), "e2"))
    apply(state)
    assert (cloud.sagemaker.called("update_endpoint"), len(cloud.sagemaker.called("delete_endpoint"))) == ([], 1)
    del cloud.sagemaker.endpoints[ENDPOINT]
    track_endpoint.handler({"detail": {"EndpointName": ENDPOINT}}, Context())
    assert cloud.sagemaker.endpoints[ENDPOINT]["EndpointConfigName"] == config(state)
    becomes(cloud, "InService", AsyncInferenceConfig={})
    assert cloud.stepfunctions.sent[-1][:2] == (f"t-{state['job_id']}", "success")


def test_of_two_approvals_the_later_wins_whichever_comes_first(cloud: Cloud) -> None:
    deployed(cloud, register(cloud), "e1")
    older, newer = register(cloud), register(cloud)
    decide(cloud, older, "Approved")
    decide(cloud, newer, "Approved")
    last = prepared(claim(newer, "e3"))
    late = claim(older, "e2")
    assert late["decision"] == "stale"
    apply(last)
    assert cloud.sagemaker.called("update_endpoint")[-1]["EndpointConfigName"] == config(last)


def test_a_deployment_that_was_overtaken_on_its_way_changes_nothing(cloud: Cloud) -> None:
    deployed(cloud, register(cloud), "e1")
    older, newer = register(cloud), register(cloud)
    decide(cloud, older, "Approved")
    first = prepared(claim(older, "e2"))
    decide(cloud, newer, "Approved")
    claim(newer, "e3")
    apply(first)
    token, how, what = cloud.stepfunctions.sent[-1]
    assert (token, how, what[0]) == (f"t-{first['job_id']}", "failure", "Superseded")
    assert cloud.sagemaker.called("update_endpoint") == []
    assert plan_rollback.handler({"state": {**first, "failure": {}}}, Context())["endpoint_config"] is None


def test_what_fails_after_the_change_is_taken_back(cloud: Cloud) -> None:
    before = deployed(cloud, register(cloud), "e1")
    state = prepared(claim(register(cloud), "e2"))
    apply(state)
    becomes(cloud, "InService", config(state))
    failure = {
        "Error": "SmokeTestFailed",
        "Cause": json.dumps({"errorType": "SmokeTestFailed", "errorMessage": "500."}),
    }
    plan = plan_rollback.handler({"state": {**state, "failure": failure}}, Context())
    assert plan == {
        "endpoint_config": config(before),
        "rollout": {"mode": "realtime", "policy": {}},
        "failure": {"Error": "DeploymentRolledBack", "Cause": f"500; {ENDPOINT} serves {config(before)} again"},
    }
    apply(state, "rollback", endpoint_config=plan["endpoint_config"], rollout=plan["rollout"])
    assert cloud.sagemaker.called("update_endpoint")[-1]["EndpointConfigName"] == config(before)


def test_a_first_model_that_cannot_answer_leaves_no_endpoint(cloud: Cloud) -> None:
    state = prepared(claim(register(cloud), "e1"))
    apply(state)
    becomes(cloud, "InService")
    plan = plan_rollback.handler(
        {"state": {**state, "failure": {"Error": "SmokeTestFailed", "Cause": "500"}}}, Context()
    )
    assert plan["endpoint_config"] is None
    assert "is deleted" in plan["failure"]["Cause"]
    assert len(cloud.sagemaker.called("delete_endpoint")) == 1


def test_a_rejected_model_gives_way_to_the_last_good_one(cloud: Cloud) -> None:
    oldest, bad, last = (register(cloud) for _ in range(3))
    for package in (oldest, bad, last):
        decide(cloud, package, "Approved")
    first = deployed(cloud, oldest, "e1")
    deployed(cloud, bad, "e2")
    deployed(cloud, last, "e3")
    decide(cloud, bad, "Rejected")
    assert claim(bad, "e4") == {"decision": "ignored", "reason": "decision-trees-2 is not in service"}
    decide(cloud, last, "Rejected")
    state = prepared(claim(last, "e5"))
    assert config(state) == config(first), "the second was rejected too"
    assert job(cloud, state["job_id"]).links["model_package"] == oldest
    decide(cloud, oldest, "Rejected")
    becomes(cloud, "InService", config(first))
    with pytest.raises(NothingToGoBackTo, match="no other model"):
        prepared(claim(oldest, "e6"))


def test_the_failure_of_a_deployment_is_its_job_s(cloud: Cloud) -> None:
    package = register(cloud)
    job_id = claim(package, "e1")["job_id"]
    event = {"detail": {"ModelPackageArn": package}}
    stopped = {
        "executionArn": execution("e1", "deployment"),
        "status": "TIMED_OUT",
        "input": json.dumps(event),
    }
    record_failure.handler({"detail": stopped}, Context())
    assert job(cloud, job_id).status is Status.FAILURE


def test_the_first_to_take_a_decision_has_it(cloud: Cloud) -> None:
    here = cloud.services
    mine, other = (approvals.Approval("Approved", name, execution(name)) for name in ("a", "b"))
    assert approvals.take(here, "p", mine, None)
    assert not approvals.take(here, "p", other, None)
    assert not approvals.take(here, "p", other, other)
    assert approvals.read(here, "p") == mine


def test_the_newest_target_stays(cloud: Cloud) -> None:
    here = cloud.services
    old, new = Target("a", "2026-01-01T00:00:00.000Z", None), Target("b", "2026-01-02T00:00:00.000Z", "p")
    assert served.aim(here, ENDPOINT, new) == new
    assert served.aim(here, ENDPOINT, old) == new
    assert served.aim(here, ENDPOINT, new) == new
    assert (served.is_newest(here, ENDPOINT, "a"), served.is_newest(here, ENDPOINT, "b")) == (False, True)


def test_a_pipeline_is_told_which_model_is_in_service(cloud: Cloud) -> None:
    asked = {"job_id": ids.derived("a", "b", "c"), "endpoint": ENDPOINT, "model_data": "s3://mine"}
    assert find_deployed.handler(asked, Context())["model_data"] == "s3://mine"
    deployed(cloud, register(cloud), "e1")
    assert find_deployed.handler(asked, Context())["model_data"] == "s3://models/1/model.tar.gz"


def test_a_job_that_the_api_announced_is_the_event_s(cloud: Cloud) -> None:
    package = register(cloud)
    announced = new_job(ids.ulid(cloud.clock()), Kind.DEPLOYMENT, Status.PENDING, times.iso(cloud.clock()))
    jobs.create(cloud.services, announced)
    approvals.announce(cloud.services, package, "Approved", announced.job_id)
    assert claim(package, "e1")["job_id"] == announced.job_id
    assert job(cloud, announced.job_id).status is Status.INPROGRESS
    assert claim(package, "e2")["decision"] == "duplicate"


def test_a_deployment_that_is_stopped_leaves_no_candidate(cloud: Cloud) -> None:
    deployed(cloud, register(cloud), "e1")
    state = prepared(claim(register(cloud, sample=SAMPLE), "e2"))
    candidate = state["plan"]["Payload"]["candidate"]
    apply({**state, "plan": {"Payload": {**state["plan"]["Payload"], **candidate}}}, "candidate")
    assert cloud.sagemaker.endpoints[candidate["endpoint"]]["EndpointStatus"] == "Creating"
    stopped = Failure("JobStopped", "somebody stopped it")
    assert stopping.stop(job(cloud, state["job_id"]), stopped, cloud.services)
    cloud.sagemaker.endpoints[candidate["endpoint"]]["EndpointStatus"] = "InService"
    cloud.clock.advance(minutes=5)
    sweep_waits.handler({}, Context())
    assert cloud.sagemaker.endpoints[candidate["endpoint"]]["EndpointStatus"] == "Deleting"
    assert cloud.sagemaker.endpoints[ENDPOINT]["EndpointStatus"] == "InService"
    with pytest.raises(JobOver):
        apply(state)
