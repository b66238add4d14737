"""What is told of jobs beside their rows: logs, lineage, comparison."""

from __future__ import annotations

import time
from typing import Any

from functions.aws import times
from functions.jobs import ids, jobs
from functions.jobs.job import Job, Kind, Source, Status
from functions.jobs.jobs import Progress
from functions.waiting import step_logs
from tests.unit.functions.cloud import UPLOADS, Cloud, execution, new_job
from tests.unit.functions.test_api import ask

ARN = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/p/execution/e1"
GROUP = "/aws/sagemaker/TrainingJobs"
BEGIN = int(time.time() * 1000) - 60_000
"""CloudWatch takes events of the last two weeks alone."""


def add(cloud: Cloud, name: str, metrics: dict[str, float] | None = None, **run: Any) -> Job:
    now = times.iso(cloud.clock())
    source = Source(UPLOADS, f"datasets/a/{name}.csv", "v1")
    members = {"source": source, "algorithm": "a", "run": run, "steps": ["Process", "Train"]}
    job = new_job(ids.derived("b", "k", name), Kind.TRAINING, Status.SUCCESS, now, execution=execution(name), **members)
    jobs.create(cloud.services, job)
    jobs.note(cloud.services, job.job_id, Progress(links={"pipeline_execution": ARN}, metrics=metrics or {}))
    return job


def step(name: str, status: str, job_name: str) -> dict[str, Any]:
    arn = f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{job_name}"
    return {"StepName": name, "StepStatus": status, "Metadata": {"TrainingJob": {"Arn": arn}}}


def write(cloud: Cloud, stream: str, *lines: tuple[int, str]) -> None:
    logs = cloud.services.logs
    if not logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]:
        logs.create_log_group(logGroupName=GROUP)
    if not logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=stream)["logStreams"]:
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    events: list[Any] = [{"timestamp": BEGIN + at, "message": text} for at, text in lines]
    logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def messages(page: dict[str, Any]) -> list[str]:
    return [line["message"] for line in page["lines"]]


def test_the_failed_step_is_told_first_and_the_last_line_last(cloud: Cloud) -> None:
    job = add(cloud, "one")
    steps = [step("Process", "Failed", "jp"), step("Train", "Succeeded", "jt")]
    cloud.sagemaker.steps[ARN] = steps
    write(cloud, "jp/algo-2-1", (2, "b"))
    write(cloud, "jp/algo-1-1", (1, "a"), (3, "c"))
    write(cloud, "jpx/algo-1-1", (1, "another job's"))
    page = ask("GET", f"/v1/jobs/{job.job_id}/logs").json
    assert (page["step"], page["status"], page["steps"]) == ("Process", "Failed", ["Process", "Train"])
    assert messages(page) == ["a", "b", "c"]


def test_what_is_written_since_is_told_once(cloud: Cloud) -> None:
    job = add(cloud, "one")
    cloud.sagemaker.steps[ARN] = [step("Train", "Executing", "jt")]
    path = f"/v1/jobs/{job.job_id}/logs"
    assert ask("GET", path).json["lines"] == []
    write(cloud, "jt/a", (1, "a"), (1, "b"))
    page = ask("GET", path).json
    # In the very millisecond that was read to.
    write(cloud, "jt/a", (1, "c"), (5, "d"))
    page = ask("GET", path, query={"after": page["next"]}).json
    assert messages(page) == ["c", "d"]
    assert messages(ask("GET", path, query={"after": page["next"]}).json) == []


def test_a_step_or_place_that_is_none_is_refused(cloud: Cloud) -> None:
    job = add(cloud, "one")
    cloud.sagemaker.steps[ARN] = [step("Train", "Executing", "jt")]
    for name, value in (("step", "Nothing"), ("after", "yesterday"), ("after", "1")):
        assert name in ask("GET", f"/v1/jobs/{job.job_id}/logs", query={name: value}).problem()
    assert step_logs.place_after([], None) == step_logs.Place(0, 0)


def test_only_what_differs_is_compared_and_metrics_come_first(cloud: Cloud) -> None:
    def known(depth: int) -> dict[str, Any]:
        return {"depth": {"value": depth, "origin": "upload"}, "seed": {"value": 1, "origin": "default"}}

    first = add(cloud, "one", {"accuracy": 0.9, "loss": 1.0}, hyperparameters=known(3))
    second = add(cloud, "two", {"accuracy": 0.8, "loss": 1.0}, hyperparameters=known(4))
    answer = ask("GET", "/v1/comparison", query={"jobs": f"{first.job_id},{second.job_id}"}).json
    assert answer["jobs"] == [first.job_id, second.job_id]
    differences = [(entry["name"], entry["values"]) for entry in answer["differences"]]
    assert differences[:2] == [("metrics.accuracy", [0.9, 0.8]), ("hyperparameters.depth", [3, 4])]
    assert [name for name, _ in differences[2:]] == ["run.object"]
    assert "jobs" in ask("GET", "/v1/comparison", query={"jobs": first.job_id}).problem()
    assert ask("GET", "/v1/comparison", query={"jobs": f"{first.job_id},none"}).status == 404


def test_the_lineage_goes_from_the_upload_to_the_results(cloud: Cloud) -> None:
    job = add(cloud, "one", rerun_of="0" * 26, trigger="rerun", input_uri="s3://b/runs/x/input/one.csv")
    nodes = ask("GET", f"/v1/jobs/{job.job_id}/lineage").json["lineage"]
    assert [node["kind"] for node in nodes] == [
        *("rerun_of", "upload", "job", "input", "execution", "pipeline_execution")
    ]
    assert nodes[1]["id"] == f"s3://{UPLOADS}/datasets/a/one.csv"
