"""A run that is stopped ends at once and all the way down: the step's process is gone, the endpoint is what it was."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.walk.cloud import HEADRACE, ROOT, Cloud, copy_project, running_cloud, until
from tests.walk.test_training import announced, flowers, predict, rules_disabled

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("stopping")]

# What a person trains on may take days, and what is served minutes to load: here a column's name asks for it.
_FOREVER = """
import json as _json, time as _time
import job as _job
if _json.loads((_job.BASE / "input" / "config" / "hyperparameters.json").read_text()).get("target") == "Forever":
    print("on and on", flush=True)
    while True:
        _time.sleep(1)
"""
_SLOWLY = """
import time as _time
import job as _job
if any(b"Slowly" in file.read_bytes() for file in (_job.BASE / "model").rglob("*") if file.is_file()):
    _time.sleep(8)
"""
ENDPOINT = "headrace-dev-decision-trees"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_project(tmp_path_factory.mktemp("stopping") / "project", "decision_trees")
    for command, text in (("train", _FOREVER), ("serve", _SLOWLY)):
        main = folder / "algorithms" / "decision_trees" / "container" / command / "main.py"
        docstring, body = main.read_text().split("\n\n", 1)
        future, _, rest = body.partition("\n\n") if body.startswith("from __future__") else ("", "", body)
        main.write_text(f"{docstring}\n\n{future}\n{text}\n{rest}")
    return folder


@pytest.fixture(scope="module")
def slow(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(project, tmp_path_factory.mktemp("stopping-cloud")) as running:
        yield running


def train(cloud: Cloud, name: str, target: str = "Species", seed: int = 1) -> str:
    """Begins a training whose table calls its target so; its job."""
    asked = {"kind": "training", "algorithm": "decision_trees", "filename": f"{name}.csv"}
    announced = cloud.request("POST", "/v1/uploads", json={**asked, "hyperparameters": {"target": target}})
    grant = json.loads(announced.data)
    answer = cloud.http.request("PUT", grant["upload"]["url"], body=flowers(seed).replace(b"Species", target.encode()))
    assert answer.status == 200
    job_id: str = grant["job_id"]
    return job_id


def job(cloud: Cloud, job_id: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] = cloud.get(f"/v1/jobs/{job_id}")
    return document


def becomes(cloud: Cloud, job_id: str, status: str) -> Mapping[str, Any]:
    def ended() -> Mapping[str, Any] | None:
        present = job(cloud, job_id)
        return present if present["status"] == status else None

    return until(ended, f"{job_id} {status}")


def training(cloud: Cloud, job_id: str) -> str:
    """The training job's name, once its process runs."""
    sagemaker = cloud.clients.client("sagemaker")

    def at_work() -> str | None:
        name: str | None = job(cloud, job_id)["links"]["training_job"]
        if name is None:
            return None
        status = sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"]
        return name if status == "Training" else None

    return until(at_work, "a training at work")


def stopped_below(cloud: Cloud, job_id: str, training_job: str) -> None:
    """Nothing of a job runs any more: neither execution, nor pipeline, nor the job of its step."""
    sagemaker = cloud.clients.client("sagemaker")
    links = job(cloud, job_id)["links"]

    def pipeline() -> str | None:
        status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=links["pipeline_execution"])
        return status["PipelineExecutionStatus"] if status["PipelineExecutionStatus"] == "Stopped" else None

    until(pipeline, "a stopped pipeline")
    assert sagemaker.describe_training_job(TrainingJobName=training_job)["TrainingJobStatus"] == "Stopped"
    assert ended(cloud, links["execution"]) in {"ABORTED", "SUCCEEDED"}
    assert job(cloud, job_id)["status"] == "STOPPED"


def ended(cloud: Cloud, execution: str) -> str:
    states = cloud.clients.client("stepfunctions")

    def over() -> str | None:
        status: str = states.describe_execution(executionArn=execution)["status"]
        return None if status == "RUNNING" else status

    return until(over, "the execution's end")


def headrace(cloud: Cloud, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [str(HEADRACE), *words, "--api-url", cloud.endpoint]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_every_command_of_the_page_about_jobs_is_run_here() -> None:
    shown = set(re.findall(r"^\$ headrace ([a-z-]+)", (ROOT / "docs" / "jobs.md").read_text(), re.MULTILINE))
    assert shown == {"stop", "rerun", "logs", "lineage", "compare"}
    run = Path(__file__).read_text()
    assert [command for command in shown if f'"{command}", ' not in run] == []


def test_a_stop_of_the_job_ends_the_training_that_it_is_at(slow: Cloud) -> None:
    job_id = train(slow, "by-name", "Forever")
    name = training(slow, job_id)
    said = headrace(slow, "stop", job_id, "--json")
    assert (said.returncode, json.loads(said.stdout)["status"]) == (0, "STOPPED")
    stopped_below(slow, job_id, name)
    again = headrace(slow, "stop", job_id)
    assert again.returncode == 0


def test_a_stop_of_the_execution_or_of_the_pipeline_is_one_of_the_job(slow: Cloud) -> None:
    first, second = train(slow, "by-execution", "Forever"), train(slow, "by-pipeline", "Forever")
    names = {job_id: training(slow, job_id) for job_id in (first, second)}
    slow.clients.client("stepfunctions").stop_execution(executionArn=job(slow, first)["links"]["execution"])
    slow.clients.client("sagemaker").stop_pipeline_execution(
        PipelineExecutionArn=job(slow, second)["links"]["pipeline_execution"]
    )
    for job_id, name in names.items():
        becomes(slow, job_id, "STOPPED")
        stopped_below(slow, job_id, name)
    # What a person stopped pages nobody.
    assert ended(slow, job(slow, second)["links"]["execution"]) == "SUCCEEDED"


def test_a_stop_while_the_endpoint_takes_the_model_brings_the_one_before_back(slow: Cloud) -> None:
    sagemaker = slow.clients.client("sagemaker")
    good = becomes(slow, train(slow, "good"), "SUCCESS")
    config = sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointConfigName"]
    job_id = train(slow, "slow", "Slowly", seed=2)

    def updating() -> bool | None:
        return True if sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointStatus"] == "Updating" else None

    until(updating, "an endpoint that is being updated")
    assert headrace(slow, "stop", job_id).returncode == 0
    assert job(slow, job_id)["status"] == "STOPPED"

    def back() -> bool | None:
        state = sagemaker.describe_endpoint(EndpointName=ENDPOINT)
        # The client's view: whatever the endpoint is doing, it answers.
        assert len(predict(slow, good, [[5.0, 3.4, 1.5, 0.3]])) == 1
        restored = state["EndpointStatus"] == "InService" and state["EndpointConfigName"] == config
        return True if restored and attempts(slow, job_id) else None

    until(back, "the config of before")
    assert job(slow, job_id)["status"] == "STOPPED"


def attempts(cloud: Cloud, job_id: str) -> int:
    """How often an update was asked for to take back what a stopped job deployed."""
    key = {"wait_id": {"S": f"stop#{job_id}"}}
    item = cloud.clients.client("dynamodb").get_item(TableName="headrace-dev-waits", Key=key).get("Item", {})
    return int(item.get("attempts", {"N": "0"})["N"])


def test_a_person_who_leaves_is_told_how_to_come_back(slow: Cloud, tmp_path: Path) -> None:
    table = tmp_path / "leaving.csv"
    table.write_bytes(flowers(3).replace(b"Species", b"Forever"))
    command = [str(HEADRACE), "train", "decision_trees", str(table), "--set", "target=Forever"]
    with subprocess.Popen(
        [*command, "--api-url", slow.endpoint], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:

        def at_work() -> str | None:
            page = slow.get("/v1/jobs?status=INPROGRESS")["jobs"]
            return next((entry["job_id"] for entry in page if entry["step"] == "Train"), None)

        job_id = until(at_work, "the training")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    for command_line in (f"headrace status {job_id}", f"headrace stop {job_id}"):
        assert command_line in said
    assert job(slow, job_id)["status"] == "INPROGRESS"
    assert headrace(slow, "stop", job_id).returncode == 0


def test_a_kill_in_the_middle_of_a_stop_comes_to_the_same(project: Path, tmp_path: Path) -> None:
    """The row says STOPPED and everything still runs, as it is between the first write of a stop and its first call."""
    with running_cloud(project, tmp_path, ended_by=signal.SIGKILL) as cloud:
        job_id = train(cloud, "killed", "Forever")
        name = training(cloud, job_id)
        dynamodb = cloud.clients.client("dynamodb")
        dynamodb.put_item(
            TableName="headrace-dev-waits",
            Item={
                "wait_id": {"S": f"stop#{job_id}"},
                "kind": {"S": "stop"},
                "job_id": {"S": job_id},
                "token": {"S": "stop"},
                "created": {"S": f"2026-01-01T00:00:00.000Z#{job_id}"},
                "expires_at": {"N": "4102444800"},
            },
        )
        dynamodb.update_item(
            TableName="headrace-dev-jobs",
            Key={"job_id": {"S": job_id}},
            UpdateExpression="SET #status = :stopped",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":stopped": {"S": "STOPPED"}},
        )
    with running_cloud(project, tmp_path) as cloud:
        cloud.clients.client("lambda").invoke(FunctionName="headrace-dev-sweep-waits", Payload=b"{}")
        stopped = job(cloud, job_id)["links"]["training_job"]
        stopped_below(cloud, job_id, stopped)
        assert name


def test_a_run_is_run_again_as_it_was_and_from_a_step(slow: Cloud) -> None:
    """Of a failed run, too: what it needs is what it left."""
    folder = "datasets/decision_trees/remembered"
    slow.put(f"{folder}/_HYPERPARAMETERS.json", b'{"max_depth": 2}')
    slow.put(f"{folder}/table.csv", flowers(5))
    first = slow.succeeded(f"{folder}/table.csv")
    assert first["run"]["hyperparameters"]["max_depth"] == {"value": 2, "origin": "dataset"}
    assert first["run"]["metrics"]["accuracy"] > 0.8
    assert set(first["run"]["durations"]) >= {"Process", "Train", "Evaluate"}
    package = slow.clients.client("sagemaker").describe_model_package(ModelPackageName=first["links"]["model_package"])
    assert package["CustomerMetadataProperties"]["job_id"] == first["job_id"]
    assert package["CustomerMetadataProperties"]["hyperparameter.max_depth"] == "2"
    said = headrace(slow, "rerun", first["job_id"], "--set", "max_depth=3", "--from", "Train", "--json")
    assert said.returncode == 0, said.stderr
    (again,) = json.loads(said.stdout)
    assert again["run"]["rerun_of"] == first["job_id"]
    assert again["run"]["hyperparameters"]["max_depth"] == {"value": 3, "origin": "request"}
    assert again["run"]["input_uri"] == first["run"]["input_uri"]
    steps = slow.clients.client("sagemaker").list_pipeline_execution_steps(
        PipelineExecutionArn=again["links"]["pipeline_execution"]
    )["PipelineExecutionSteps"]
    process = next(step for step in steps if step["StepName"] == "Process")
    assert process["SelectiveExecutionResult"]["SourcePipelineExecutionArn"] == first["links"]["pipeline_execution"]
    assert headrace(slow, "rerun", first["job_id"], "--from", "Nothing").returncode == 2
    with rules_disabled(slow), announced(slow, "datasets/decision_trees/newer/table.csv"):
        # Its event is lost: only who asks by name trains on it.
        slow.put("datasets/decision_trees/newer/table.csv", flowers(7))
    by_name = headrace(slow, "train", "decision_trees", "--json")
    assert by_name.returncode == 0, by_name.stderr
    (inherited,) = json.loads(by_name.stdout)
    assert inherited["run"]["hyperparameters"]["max_depth"] == {"value": 3, "origin": "inherited"}
    assert inherited["run"]["inherited_from"] == again["job_id"]
    compared = json.loads(headrace(slow, "compare", first["job_id"], again["job_id"], "--json").stdout)
    values = {entry["name"]: entry["values"] for entry in compared["differences"]}
    assert values["hyperparameters.max_depth"] == [2, 3]
    assert "hyperparameters.target" not in values
    lineage = json.loads(headrace(slow, "lineage", again["job_id"], "--json").stdout)["lineage"]
    kinds = [node["kind"] for node in lineage]
    assert kinds[0] == "rerun_of"
    assert kinds.index("upload") < kinds.index("pipeline_execution") < kinds.index("endpoint")
    for command in ("compare", "lineage"):
        said = headrace(slow, command, *[first["job_id"], again["job_id"]][: 2 if command == "compare" else 1])
        assert said.returncode == 0, said.stderr


def test_the_log_of_a_failed_step_comes_first_and_is_followed_to_the_end(slow: Cloud) -> None:
    key = "datasets/decision_trees/unfit/table.csv"
    slow.put(key, flowers(6).replace(b"Species", b"Kind"))
    assert "Species" in slow.failed(key)
    job_id = slow.jobs_of(key)[0]["job_id"]
    page = json.loads(headrace(slow, "logs", job_id, "--json").stdout)
    assert (page["step"], page["status"]) == ("Process", "Failed")
    assert any("Species" in line["message"] for line in page["lines"])
    after = slow.get(f"/v1/jobs/{job_id}/logs?step=Process&after={page['next']}")
    assert after["lines"] == []
    followed = headrace(slow, "logs", job_id, "--step", "Process", "--follow")
    assert followed.returncode == 0
    assert "Species" in followed.stdout
