"""A run remembers what it was run with; the next of its kind takes that over, and a rerun repeats it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from functions import claim_upload, plan_retraining, start_pipeline, track_pipeline
from functions.jobs import ids, jobs
from functions.jobs.job import Job, Status
from tests.unit.functions.cloud import ARTIFACTS, Cloud, Context, execution
from tests.unit.functions.test_api import ask

FOLDER = "datasets/decision_trees/iris"
KEY = f"{FOLDER}/iris.csv"
PIPELINE = "headrace-test-decision-trees"
ARN = f"arn:aws:sagemaker:us-east-1:000000000000:pipeline/{PIPELINE}/execution/e1"


@pytest.fixture(autouse=True)
def _catalogue(cloud: Cloud) -> None:
    cloud.version_uploads()
    cloud.publish("decision_trees", definition_sha256="abc")


def job(cloud: Cloud, job_id: str) -> Job:
    row = jobs.get(cloud.services, job_id)
    assert row is not None
    return row


def claim(event: Any, name: str = "e1") -> dict[str, Any]:
    return dict(claim_upload.handler({"input": event, "execution": execution(name)}, Context()))


def trained(cloud: Cloud, hyperparameters: dict[str, Any], name: str = "e1") -> Job:
    """A training that succeeded, with what lay beside its dataset."""
    cloud.put(f"{FOLDER}/_HYPERPARAMETERS.json", json.dumps(hyperparameters).encode())
    claimed = claim(cloud.upload(KEY, name.encode()), name)
    start_pipeline.handler({"token": f"t-{name}", "job": claimed}, Context())
    cloud.put(f"runs/{claimed['job_id']}/evaluation/evaluation.json", EVALUATION, ARTIFACTS)
    begin = cloud.clock()
    cloud.sagemaker.steps[ARN] = [
        {
            "StepName": step,
            "StepStatus": "Succeeded",
            "StartTime": begin,
            "EndTime": begin + timedelta(seconds=seconds),
        }
        for step, seconds in (("Process", 1.5), ("Train", 2))
    ]
    ended = {
        "pipelineExecutionArn": ARN,
        "pipelineExecutionDisplayName": claimed["job_id"],
        "currentPipelineExecutionStatus": "Succeeded",
    }
    track_pipeline.handler({"detail": ended}, Context())
    cloud.dynamodb.update_item(
        TableName=cloud.services.settings.jobs_table,
        Key={"job_id": {"S": claimed["job_id"]}},
        UpdateExpression="SET #status = :success",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":success": {"S": Status.SUCCESS}},
    )
    return job(cloud, claimed["job_id"])


EVALUATION = json.dumps({"metrics": {"accuracy": {"value": 0.9}, "f1": 0.5, "note": "none"}}).encode()


def test_a_run_remembers_what_it_was_run_with_and_what_it_measured(cloud: Cloud) -> None:
    row = trained(cloud, {"max_depth": 7})
    told = ask("GET", f"/v1/jobs/{row.job_id}").json["run"]
    assert told["hyperparameters"]["max_depth"] == {"value": 7, "origin": "dataset"}
    assert told["hyperparameters"]["target"] == {"value": "Species", "origin": "default"}
    assert (told["trigger"], told["definition_sha256"]) == ("upload", "abc")
    assert told["input_uri"] == f"s3://{ARTIFACTS}/runs/{row.job_id}/input/iris.csv"
    assert told["metrics"] == {"accuracy": 0.9, "f1": 0.5}
    assert told["durations"] == {"Process": 1.5, "Train": 2.0}


def test_what_was_announced_beats_what_lies_beside_the_dataset(cloud: Cloud) -> None:
    body = {"kind": "training", "algorithm": "decision_trees", "filename": "a.csv", "hyperparameters": {"max_depth": 9}}
    job_id = ask("POST", "/v1/uploads", body).json["job_id"]
    folder = f"datasets/decision_trees/{job_id}"
    cloud.put(f"{folder}/_HYPERPARAMETERS.json", b'{"max_depth": 3, "rate": 0.5}')
    claimed = claim(cloud.upload(f"{folder}/a.csv"))
    assert claimed["hyperparameters"] == {"max_depth": 9, "rate": 0.5}


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"{", "no JSON"), (b"[]", "no JSON object"), (b'{"depth": 3}', "depth"), (b'{"max_depth": 0}', "max_depth")],
)
def test_hyperparameters_that_cannot_be_used_reject_the_upload(cloud: Cloud, body: bytes, words: str) -> None:
    cloud.put(f"{FOLDER}/_HYPERPARAMETERS.json", body)
    claimed = claim(cloud.upload(KEY))
    assert claimed["decision"] == "rejected"
    assert words in claimed["reason"]


def test_the_file_of_hyperparameters_starts_nothing_and_is_no_data(cloud: Cloud) -> None:
    cloud.publish("folders", trigger={"on": "upload", "pattern": "_SUCCESS"})
    cloud.publish("json", trigger={"on": "upload", "pattern": "*.json"})
    assert claim(cloud.upload("datasets/json/a/_HYPERPARAMETERS.json", b"{}"), "e2")["decision"] == "ignored"
    cloud.put("datasets/folders/a/_HYPERPARAMETERS.json", b'{"max_depth": 2}')
    cloud.put("datasets/folders/a/data.csv")
    claimed = claim(cloud.upload("datasets/folders/a/_SUCCESS", b"x"), "e3")
    assert claimed["hyperparameters"] == {"max_depth": 2}
    listed = cloud.s3.list_objects_v2(Bucket=ARTIFACTS, Prefix=f"runs/{claimed['job_id']}/")["Contents"]
    assert sorted(entry["Key"].rsplit("/", 1)[-1] for entry in listed) == ["_SUCCESS", "data.csv"]


def retrained() -> dict[str, Any]:
    answer = plan_retraining.handler({"input": {}, "time": "2026-11-20T06:00:00Z"}, Context())
    (run,) = answer["runs"]
    return claim(run["input"], run["name"])


def test_retraining_takes_over_the_last_successful_runs_hyperparameters(cloud: Cloud) -> None:
    first = trained(cloud, {"max_depth": 7})
    cloud.clock.advance(days=1)
    cloud.put("datasets/decision_trees/new/iris.csv", b"new")
    claimed = retrained()
    assert claimed["hyperparameters"] == {"max_depth": 7}
    assert job(cloud, claimed["job_id"]).run["inherited_from"] == first.job_id
    assert job(cloud, claimed["job_id"]).run["hyperparameters"]["max_depth"]["origin"] == "inherited"


def test_what_the_algorithm_takes_no_more_is_left_behind(cloud: Cloud) -> None:
    trained(cloud, {"max_depth": 7, "rate": 0.5})
    narrower = {"max_depth": {"type": "integer", "default": 4, "minimum": 1, "maximum": 5}}
    cloud.publish("decision_trees", hyperparameters=narrower | {"rate": {"type": "float", "default": 0.1}})
    cloud.clock.advance(days=1)
    cloud.put("datasets/decision_trees/new/iris.csv", b"new")
    assert retrained()["hyperparameters"] == {"rate": 0.5}


def test_a_training_by_name_takes_them_over_unless_told_otherwise(cloud: Cloud) -> None:
    first = trained(cloud, {"max_depth": 7})
    for inherit, expected in ((True, {"job_id": first.job_id, "hyperparameters": {"max_depth": 7}}), (False, {})):
        body = {"algorithm": "decision_trees", "hyperparameters": {"rate": 0.5}, "inherit": inherit}
        assert ask("POST", "/v1/trainings", body).status == 202
        assert json.loads(cloud.stepfunctions.started[-1]["input"])["inherited"] == expected


def rerun(cloud: Cloud, row: Job, **body: Any) -> dict[str, Any]:
    answer = ask("POST", f"/v1/jobs/{row.job_id}/rerun", body)
    assert answer.status == 202, answer.text
    assert job(cloud, answer.json["job_id"]).status is Status.PENDING
    return claim(json.loads(cloud.stepfunctions.started[-1]["input"]), answer.json["job_id"])


def test_a_rerun_is_the_same_input_hyperparameters_and_pipeline(cloud: Cloud) -> None:
    row = trained(cloud, {"max_depth": 7})
    cloud.sagemaker.executions[ARN]["PipelineVersionId"] = 3
    cloud.put(f"{FOLDER}/_HYPERPARAMETERS.json", b'{"max_depth": 1}')
    cloud.put(KEY, b"other")
    cloud.publish("decision_trees", definition_sha256="newer")
    claimed = rerun(cloud, row)
    assert claimed["input_uri"] == row.run["input_uri"]
    assert claimed["hyperparameters"] == {"max_depth": 7}
    new = job(cloud, claimed["job_id"])
    assert (new.run["rerun_of"], new.run["definition_sha256"]) == (row.job_id, "abc")
    start_pipeline.handler({"token": "t9", "job": claimed}, Context())
    assert cloud.sagemaker.called("start_pipeline_execution")[-1]["PipelineVersionId"] == 3


def test_a_rerun_may_set_what_is_to_be_otherwise(cloud: Cloud) -> None:
    row = trained(cloud, {"max_depth": 7})
    assert rerun(cloud, row, hyperparameters={"max_depth": 2})["hyperparameters"] == {"max_depth": 2}
    wrong = ask("POST", f"/v1/jobs/{row.job_id}/rerun", {"hyperparameters": {"depth": 2}})
    assert "hyperparameters.depth" in wrong.problem()


def test_a_rerun_from_a_step_takes_over_what_is_before_it(cloud: Cloud) -> None:
    row = trained(cloud, {})
    steps = [
        {"Name": "Process", "Type": "Processing"},
        {"Name": "Train", "Type": "Training"},
        {
            "Name": "CheckQuality",
            "Type": "Condition",
            "Arguments": {
                "IfSteps": [{"Name": "Register", "Type": "RegisterModel"}],
                "ElseSteps": [{"Name": "RejectQuality", "Type": "Fail"}],
            },
        },
    ]
    cloud.sagemaker.executions[ARN]["Steps"] = steps
    claimed = rerun(cloud, row, from_step="Train")
    start_pipeline.handler({"token": "t9", "job": claimed}, Context())
    assert cloud.sagemaker.called("start_pipeline_execution")[-1]["SelectiveExecutionConfig"] == {
        "SourcePipelineExecutionArn": ARN,
        "SelectedSteps": [{"StepName": name} for name in ("Train", "CheckQuality", "Register", "RejectQuality")],
    }
    for step, words in (("Register", "did not succeed"), ("Nothing", "expected one of")):
        answer = ask("POST", f"/v1/jobs/{row.job_id}/rerun", {"from_step": step})
        assert words in answer.problem()["from_step"]


def test_what_cannot_be_run_again_says_why(cloud: Cloud) -> None:
    row = trained(cloud, {})
    running = claim(cloud.upload(KEY, b"running", "0061A9"), "e5")["job_id"]
    for job_id, words in ((running, "stop it first"), (row.job_id, "published anew")):
        cloud.publish("decision_trees", definition_sha256="newer")
        answer = ask("POST", f"/v1/jobs/{job_id}/rerun", {})
        assert (answer.status, words in answer.json["detail"]) == (409, True)
    assert ask("POST", f"/v1/jobs/{ids.derived('a', 'b', 'c')}/rerun", {}).status == 404
