"""The training flow's wall time against the time inside its scripts: what the orchestration costs.

The peer is not another orchestrator but the scripts themselves: their processes' own run times, summed over the jobs of
the pipeline, as Describe*Job reports them. The new endpoint's container is a script too, which the flow has to wait for
until it answers /ping; a second row counts that wait with the scripts.
"""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import clouds
from bench.clouds import UPLOADS, Cloud
from bench.measure import Row, compare

_SAMPLES = Path(__file__).resolve().parent.parent / "algorithms"
_DATASETS = {"decision_trees": "iris.csv", "gradient_boosting": "breast_cancer.csv"}
_ROUNDS = 5


def run() -> Iterator[Row]:
    """A row an algorithm; endpoints are warm after the first round, which is not counted."""
    with clouds.headrace() as clients:
        for algorithm in _DATASETS:
            measured = [_round(clients, algorithm, number) for number in range(_ROUNDS + 1)][1:]
            walls, jobs, serving = (list(column) for column in zip(*measured, strict=True))
            yield compare(f"training flow of {algorithm}: wall against its jobs' scripts", walls, jobs, "")
            scripts = [one + other for one, other in zip(jobs, serving, strict=True)]
            yield compare(
                f"training flow of {algorithm}: wall against its scripts, serve included", walls, scripts, "1.15x"
            )


def _round(clients: Cloud, algorithm: str, number: int) -> tuple[float, float, float]:
    """Milliseconds from the PUT to SUCCESS, inside the jobs' scripts, and waiting for the endpoint's."""
    key = f"datasets/{algorithm}/bench/{number}.csv"
    body = (_SAMPLES / algorithm / "samples" / _DATASETS[algorithm]).read_bytes()
    start = time.time()
    clients.client("s3").put_object(Bucket=UPLOADS, Key=key, Body=body)
    job = _finished(clients, key)
    if job["status"]["S"] != "SUCCESS":
        raise RuntimeError(f"{key}: {job['error']}")
    ended = datetime.fromisoformat(job["updated_at"]["S"]).timestamp()
    links = job["links"]["M"]
    inside = _inside(clients, links["pipeline_execution"]["S"])
    return (ended - start) * 1000, inside, _waiting(clients, links["execution"]["S"])


def _finished(clients: Cloud, key: str) -> dict[str, Any]:
    query = {
        "TableName": "headrace-dev-jobs",
        "IndexName": "by_object",
        "KeyConditionExpression": "#o = :o",
        "ExpressionAttributeNames": {"#o": "object"},
        "ExpressionAttributeValues": {":o": {"S": f"{UPLOADS}/{key}"}},
    }
    while True:
        items: list[dict[str, Any]] = clients.client("dynamodb").query(**query)["Items"]
        if items and items[0]["status"]["S"] in ("SUCCESS", "FAILURE", "STOPPED"):
            return items[0]
        time.sleep(0.02)


def _inside(clients: Cloud, execution: str) -> float:
    sagemaker = clients.client("sagemaker")
    steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=execution)["PipelineExecutionSteps"]
    total = 0.0
    for step in steps:
        for kind, link in step.get("Metadata", {}).items():
            name = str(link.get("Arn", "")).rpartition("/")[2]
            if kind == "ProcessingJob":
                job = sagemaker.describe_processing_job(ProcessingJobName=name)
                total += (job["ProcessingEndTime"] - job["ProcessingStartTime"]).total_seconds()
            elif kind == "TrainingJob":
                job = sagemaker.describe_training_job(TrainingJobName=name)
                total += (job["TrainingEndTime"] - job["TrainingStartTime"]).total_seconds()
    return total * 1000


def _waiting(clients: Cloud, execution: str) -> float:
    """How long the state machine stood in AwaitEndpoint."""
    history = clients.client("stepfunctions").get_execution_history(executionArn=execution, maxResults=1000)["events"]
    times = {
        (
            event["type"],
            (event.get("stateEnteredEventDetails") or event.get("stateExitedEventDetails") or {}).get("name"),
        ): event["timestamp"].timestamp()
        for event in history
    }
    entered, exited = times["TaskStateEntered", "AwaitEndpoint"], times["TaskStateExited", "AwaitEndpoint"]
    return float(exited - entered) * 1000
