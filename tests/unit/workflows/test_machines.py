"""The machines really run, with stub functions, on the emulator's interpreter."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.workflows.emulator import Emulator, emulator
from workflows.render import render

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("machines")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("emulator"), render()) as running:
        yield running


def started(job_id: str, **answers: Any) -> dict[str, Any]:
    return {
        "claim": {
            "decision": "started",
            "job_id": job_id,
            "kind": "training",
            "algorithm": "decision_trees",
            "labels": ["ORIGINAL", "20-30"],
            "pipeline_seconds": 600,
            "answers": answers,
        }
    }


def test_a_dataset_is_trained_on_and_its_endpoint_awaited(cloud: Emulator) -> None:
    cloud.put_job("deployed", "INPROGRESS")
    pipeline = {"endpoint": "headrace-dev-decision-trees", "endpoint_config": "config"}
    ended = cloud.run("training", "deployed", started("deployed", StartPipeline=pipeline))
    assert ended.states == [
        *("Claim", "Decide", "StartPipeline", "HasEndpoint", "AwaitEndpoint"),
        *("RecordSuccess", "NotifySuccess", "Done"),
    ]
    assert ended.output["deployment"] == {"endpoint": "headrace-dev-decision-trees"}
    assert cloud.job("deployed")["status"] == {"S": "SUCCESS"}
    assert "step" not in cloud.job("deployed")
    told = cloud.notification()
    assert (told["status"], told["job_id"], told["algorithm"]) == ("SUCCESS", "deployed", "decision_trees")


def test_a_pipeline_without_endpoint_has_nothing_to_wait_for(cloud: Emulator) -> None:
    cloud.put_job("plain", "INPROGRESS")
    ended = cloud.run("training", "plain", started("plain", StartPipeline={"endpoint": None, "endpoint_config": None}))
    assert ended.states[3:] == ["HasEndpoint", "RecordSuccess", "NotifySuccess", "Done"]
    assert cloud.notification()["job_id"] == "plain"


def test_a_failed_pipeline_is_recorded_and_told_with_its_reason(cloud: Emulator) -> None:
    cloud.put_job("failed", "INPROGRESS")
    pipeline = {"error": "PipelineFailed", "cause": "column Species is missing"}
    ended = cloud.run("training", "failed", started("failed", StartPipeline=pipeline))
    assert ended.states[-4:] == ["RecordFailure", "NotifyFailure", "WhomItConcerns", "Failed"]
    assert (ended.status, ended.error) == ("FAILED", "JobFailed")
    told = cloud.notification()
    assert (told["job_id"], told["code"], told["message"]) == ("failed", "PipelineFailed", "column Species is missing")


def test_a_job_that_failed_meanwhile_does_not_become_a_success(cloud: Emulator) -> None:
    cloud.put_job("late", "FAILURE")
    ended = cloud.run("training", "late", started("late", StartPipeline={"endpoint": None, "endpoint_config": None}))
    assert ended.status == "FAILED"
    assert cloud.job("late")["status"] == {"S": "FAILURE"}
    assert cloud.notification()["code"] == "DynamoDB.ConditionalCheckFailedException"


@pytest.mark.parametrize(("decision", "last"), [("duplicate", "Duplicate"), ("stale", "Stale"), ("ignored", "Ignored")])
def test_what_is_not_claimed_starts_nothing_and_says_so(cloud: Emulator, decision: str, last: str) -> None:
    ended = cloud.run("training", f"not-{decision}", {"claim": {"decision": decision, "reason": "told before"}})
    assert ended.states == ["Claim", "Decide", last]
    assert ended.output == {"decision": decision, "reason": "told before"}


def test_a_rejected_upload_is_told_and_raises_no_alarm(cloud: Emulator) -> None:
    claim = {"decision": "rejected", "job_id": "rejected", "reason": "there is no algorithm churn"}
    ended = cloud.run("training", "rejected", {"claim": claim})
    told = ["RecordFailure", "NotifyFailure", "WhomItConcerns", "Told"]
    assert (ended.states, ended.status) == (["Claim", "Decide", "Reject", *told], "SUCCEEDED")
    assert cloud.notification()["message"] == "there is no algorithm churn"


def test_a_decision_nobody_knows_is_a_failure(cloud: Emulator) -> None:
    ended = cloud.run("training", "odd", {"claim": {"decision": "perhaps", "job_id": "odd"}})
    assert ended.states[2:] == ["UnknownDecision", "RecordFailure", "NotifyFailure", "WhomItConcerns", "Failed"]
    assert cloud.notification()["code"] == "UnknownDecision"


def test_a_photo_becomes_images(cloud: Emulator) -> None:
    cloud.put_job("face", "INPROGRESS")
    inference = {"output": {"bucket": "artifacts", "key": "out.npy"}}
    ended = cloud.run("face_processing", "face", started("face", StartInference=inference))
    assert ended.states[2:] == ["StartInference", "SplitResult", "RecordSuccess", "NotifySuccess", "Done"]
    assert ended.output["split"]["Payload"] == {"images": ["out.npy/ORIGINAL", "out.npy/20-30"]}
    assert cloud.notification()["status"] == "SUCCESS"


def test_a_photo_without_a_face_is_told_and_raises_no_alarm(cloud: Emulator) -> None:
    cloud.put_job("nobody", "INPROGRESS")
    inference = {"error": "ImageRejected", "cause": "no face found"}
    ended = cloud.run("face_processing", "nobody", started("nobody", StartInference=inference))
    assert ended.states[-4:] == ["RecordFailure", "NotifyFailure", "WhomItConcerns", "Told"]
    assert ended.status == "SUCCEEDED"
    assert cloud.notification()["message"] == "no face found"


def chain(job_id: str, crops: list[int], unreadable: tuple[int, ...] = (), **more: Any) -> dict[str, Any]:
    data = started(job_id)
    data["claim"] |= {"chain": {"read": {"unreadable": unreadable}}, "detected": {"crops": crops}, **more}
    return data


def test_each_crop_of_an_image_is_read_and_all_are_collected(cloud: Emulator) -> None:
    cloud.put_job("chain", "INPROGRESS")
    ended = cloud.run("chained_inference", "chain", chain("chain", [0, 1, 2], unreadable=(1,)))
    assert [state for state in ended.states if state not in {"ReadCrop", "Unread"}] == [
        *("Claim", "Decide", "Detect", "ReadCrops", "CollectTexts"),
        *("RecordSuccess", "NotifySuccess", "Done"),
    ]
    # A crop that fails is tried thrice; of its failure only the name passes on.
    first, failed, last = ended.output["collected"]["Payload"]
    assert (first, last) == ({"index": 0}, {"index": 2})
    assert set(failed) == {"index", "error"}
    assert cloud.notification()["status"] == "SUCCESS"


def test_an_image_without_boxes_is_a_success_without_crops(cloud: Emulator) -> None:
    cloud.put_job("empty", "INPROGRESS")
    ended = cloud.run("chained_inference", "empty", chain("empty", []))
    assert ended.output["collected"]["Payload"] == []
    assert cloud.notification()["status"] == "SUCCESS"


def test_a_detector_that_fails_is_recorded_and_told(cloud: Emulator) -> None:
    cloud.put_job("undetected", "INPROGRESS")
    ended = cloud.run("chained_inference", "undetected", chain("undetected", [], error="no such endpoint"))
    assert ended.states[2:] == ["Detect", "RecordFailure", "NotifyFailure", "WhomItConcerns", "Failed"]
    assert "no such endpoint" in cloud.notification()["message"]


def test_an_image_for_a_chain_is_handed_over_under_the_same_name(cloud: Emulator) -> None:
    data = {"claim": {"decision": "handed_over"}, "chain": {"decision": "ignored"}}
    ended = cloud.run("face_processing", "over", data)
    assert ended.states == ["Claim", "Decide", "HandOver", "HandedOver"]
    arn = "arn:aws:states:us-east-1:000000000000:execution:chained_inference:over"
    assert cloud.states.describe_execution(executionArn=arn)["input"] == json.dumps(data)


def test_a_plan_starts_each_run_once(cloud: Emulator) -> None:
    runs = [{"name": f"run-{index}", "input": {"claim": {"decision": "ignored"}}} for index in range(3)]
    first = cloud.run("retraining", "first", {"plan": {"runs": runs, "skipped": []}})
    again = cloud.run("retraining", "again", {"plan": {"runs": runs, "skipped": []}})
    assert (first.status, again.status) == ("SUCCEEDED", "SUCCEEDED")
    assert first.states[:3] == ["Plan", "AnyNew", "StartEach"]
    arn = "arn:aws:states:us-east-1:000000000000:stateMachine:training"
    names = [item["name"] for item in cloud.states.list_executions(stateMachineArn=arn)["executions"]]
    assert sorted(name for name in names if name.startswith("run-")) == ["run-0", "run-1", "run-2"]


def test_a_plan_without_runs_starts_nothing(cloud: Emulator) -> None:
    skipped = [{"algorithm": "decision_trees", "reason": "nothing new"}]
    ended = cloud.run("retraining", "nothing", {"plan": {"runs": [], "skipped": skipped}})
    assert ended.states == ["Plan", "AnyNew", "NothingNew"]
    assert ended.output["skipped"] == skipped


def test_a_plan_that_fails_is_told(cloud: Emulator) -> None:
    ended = cloud.run("retraining", "broken", {})
    assert ended.states == ["Plan", "NotifyFailure", "Failed"]
    assert "plan" in cloud.notification()["failure"]["Cause"]


def approved(job_id: str, config: str, *, candidate: str | None = None, back: str | None = None) -> dict[str, Any]:
    """A claimed deployment; what fails is in the names of its configs."""
    plan = {
        "endpoint": "face",
        "endpoint_config": config,
        "rollout": {},
        "rehearse": candidate is not None,
        "candidate": candidate and {"endpoint": candidate, "endpoint_config": candidate},
    }
    failure = {"Error": "DeploymentRolledBack", "Cause": "no answer; face serves old again"}
    rollback = {"endpoint_config": back, "rollout": {}, "failure": failure}
    script = {"PrepareDeployment": plan, "PlanRollback": rollback}
    claim = {"decision": "started", "job_id": job_id, "algorithm": "decision_trees", "script": script}
    return {"claim": claim}


@pytest.mark.parametrize(
    ("candidate", "rehearsal"), [(None, []), ("apart", ["StartCandidate", "CheckCandidate", "DropCandidate"])]
)
def test_an_approved_model_is_served(cloud: Emulator, candidate: str | None, rehearsal: list[str]) -> None:
    job_id = f"approved-{candidate}"
    cloud.put_job(job_id, "INPROGRESS")
    ended = cloud.run("deployment", job_id, approved(job_id, "new", candidate=candidate))
    assert ended.states == [
        *("Claim", "Decide", "Prepare", "Rehearse", *rehearsal, "Apply", "Check"),
        *("RecordSuccess", "NotifySuccess", "Done"),
    ]
    assert cloud.job(job_id)["status"] == {"S": "SUCCESS"}
    assert cloud.notification()["status"] == "SUCCESS"


def test_a_candidate_that_cannot_answer_changes_nothing_and_goes(cloud: Emulator) -> None:
    ended = cloud.run("deployment", "mute-candidate", approved("mute", "new", candidate="mute"))
    assert ended.states[4:] == [
        *("StartCandidate", "CheckCandidate", "DropFailedCandidate", "RecordFailure", "NotifyFailure"),
        *("WhomItConcerns", "Failed"),
    ]
    assert "no answer" in cloud.notification()["message"]


@pytest.mark.parametrize(("back", "restored"), [("old", ["Restore"]), (None, [])])
def test_what_fails_once_it_is_served_is_taken_back(cloud: Emulator, back: str | None, restored: list[str]) -> None:
    ended = cloud.run("deployment", f"mute-{back}", approved("mute", "mute-new", back=back))
    assert ended.states[4:] == [
        *("Apply", "Check", "PlanRollback", "NeedsRestoring", *restored, "TakenBack"),
        *("RecordFailure", "NotifyFailure", "WhomItConcerns", "Failed"),
    ]
    told = cloud.notification()
    assert (told["code"], told["message"]) == ("DeploymentRolledBack", "no answer; face serves old again")


def test_a_deployment_that_sagemaker_took_back_is_told(cloud: Emulator) -> None:
    ended = cloud.run("deployment", "rolled-back", approved("rolled", "EndpointRolledBack-new"))
    assert ended.states[4:7] == ["Apply", "PlanRollback", "NeedsRestoring"]
    assert cloud.notification()["code"] == "DeploymentRolledBack"


def test_an_overtaken_deployment_alarms_nobody(cloud: Emulator) -> None:
    ended = cloud.run("deployment", "overtaken", approved("overtaken", "Superseded-new"))
    assert ended.states[-5:] == ["Apply", "RecordFailure", "NotifyFailure", "WhomItConcerns", "Told"]
    assert (ended.status, cloud.notification()["code"]) == ("SUCCEEDED", "Superseded")
