"""The training walk: a CSV in S3 becomes an endpoint that answers. Public clients only."""

import csv
import io
import json
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from tests.walk.cloud import ROOT, Cloud, until

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("cloud")]

IRIS = ("SepalLengthCm", "SepalWidthCm", "PetalLengthCm", "PetalWidthCm")


def flowers(seed: int, rows: int = 90) -> bytes:
    """A table nobody has seen: three species drawn around centres of their own."""
    draw = random.Random(seed)
    centres = {
        "Iris-alba": (5.0, 3.4, 1.5, 0.3),
        "Iris-nigra": (6.0, 2.8, 4.3, 1.3),
        "Iris-rubra": (6.6, 3.0, 5.6, 2.1),
    }
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*IRIS, "Species"])
    for number in range(rows):
        species = list(centres)[number % 3]
        table.writerow([*(round(draw.gauss(centre, 0.2), 2) for centre in centres[species]), species])
    return text.getvalue().encode()


def predict(cloud: Cloud, job: Mapping[str, Any], rows: list[list[float]]) -> list[list[float]]:
    """Class probabilities from a job's endpoint."""
    body = "\n".join([",".join(IRIS), *(",".join(map(str, row)) for row in rows)])
    answer = cloud.clients.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=job["links"]["endpoint"], ContentType="text/csv", Body=body
    )
    return [[float(cell) for cell in line] for line in csv.reader(io.StringIO(answer["Body"].read().decode()))]


def test_an_uploaded_csv_becomes_an_endpoint_that_answers(cloud: Cloud) -> None:
    key = "datasets/decision_trees/meadow/flowers.csv"
    cloud.put(key, flowers(1))
    job = cloud.succeeded(key)
    assert job["kind"] == "training"
    assert job["algorithm"] == "decision_trees"
    assert job["steps_done"] == job["steps_total"] > 0
    assert {"execution", "pipeline_execution", "training_job", "model_package", "endpoint"} <= set(job["links"])
    answer = predict(cloud, job, [[5.0, 3.4, 1.5, 0.3], [6.6, 3.0, 5.6, 2.1]])
    assert [line.index(max(line)) for line in answer] == [0, 2]
    assert all(len(line) == 3 for line in answer)


def test_script_mode_trains_and_serves(cloud: Cloud) -> None:
    samples = ROOT / "algorithms" / "gradient_boosting" / "samples"
    key = "datasets/gradient_boosting/clinic/measurements.csv"
    cloud.put(key, (samples / "breast_cancer.csv").read_bytes())
    job = cloud.succeeded(key)
    answer = cloud.clients.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=job["links"]["endpoint"],
        ContentType="text/csv",
        Accept="text/csv",
        Body=(samples / "holdout.csv").read_bytes(),
    )
    lines = list(csv.reader(io.StringIO(answer["Body"].read().decode())))
    assert all(abs(sum(map(float, line)) - 1) < 1e-6 for line in lines)
    assert lines


@pytest.mark.parametrize("name", ["two words.csv", "a+b.csv", "Prüfung Äpfel.csv", "花.csv"])
def test_a_key_with_spaces_plus_signs_or_other_letters_works(cloud: Cloud, name: str) -> None:
    key = f"datasets/decision_trees/keys/{name}"
    cloud.put(key, flowers(2))
    job = cloud.succeeded(key)
    assert job["source"]["key"] == key


def test_hyperparameters_reach_the_training_script(cloud: Cloud) -> None:
    table = flowers(3).replace(b"Species", b"Kind of flower")
    key = "datasets/decision_trees/others/table.csv"
    cloud.put(key, table)
    assert "Species" in cloud.failed(key)
    answer = cloud.request(
        "POST",
        "/v1/trainings",
        json={"algorithm": "decision_trees", "key": key, "hyperparameters": {"target": "Kind of flower"}},
    )
    assert answer.status == 202, answer.data
    job_id = json.loads(answer.data)["job_id"]

    def ended() -> Mapping[str, Any] | None:
        job: Mapping[str, Any] = cloud.get(f"/v1/jobs/{job_id}")
        return job if job["status"] in ("SUCCESS", "FAILURE") else None

    job = until(ended, "the training with another target")
    assert job["status"] == "SUCCESS", job["error"]


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("missing.csv", flowers(4).replace(b"Species", b"Sort"), ("Species", "Sort")),
        ("empty.csv", b"", ("empty",)),
        ("header.csv", b"SepalLengthCm,SepalWidthCm,PetalLengthCm,PetalWidthCm,Species\n", ("no rows",)),
        (
            "text.csv",
            flowers(5).replace(b"Iris-alba\n", b"Iris-alba\n5.1,three,1.4,0.2,Iris-alba\n", 1),
            ("SepalWidthCm", "three"),
        ),
        ("utf16.csv", flowers(5).decode().encode("utf-16"), ("UTF-8",)),
    ],
)
def test_a_bad_table_ends_with_the_reason(cloud: Cloud, name: str, body: bytes, expected: tuple[str, ...]) -> None:
    key = f"datasets/decision_trees/bad/{name}"
    cloud.put(key, body)
    message = cloud.failed(key)
    for words in expected:
        assert words in message


def test_an_unknown_algorithm_in_the_key_ends_with_the_reason(cloud: Cloud) -> None:
    key = "datasets/crystal_ball/set/table.csv"
    cloud.put(key, flowers(6))
    assert "crystal_ball" in cloud.failed(key)


def test_a_model_that_is_not_good_enough_is_not_deployed(cloud: Cloud) -> None:
    draw = random.Random(7)
    rows = [[*(f"{draw.random():.3f}" for _ in IRIS), draw.choice(["a", "b", "c"])] for _ in range(120)]
    body = "\n".join(",".join(row) for row in [[*IRIS, "Species"], *rows]).encode()
    key = "datasets/decision_trees/noise/noise.csv"
    cloud.put(key, body)
    message = cloud.failed(key)
    assert "accuracy" in message


def test_the_same_event_five_times_at_once_gives_one_run_and_four_visible_duplicates(cloud: Cloud) -> None:
    key = "datasets/decision_trees/five/times.csv"
    with rules_disabled(cloud), announced(cloud, key):
        # Nobody announces this upload but the five deliveries below.
        put = cloud.clients.client("s3").put_object(Bucket=cloud.uploads, Key=key, Body=flowers(8))
    event = json.dumps(object_created(cloud, key, put["ETag"].strip('"'), put["VersionId"], "0055AED6DCD90281E5"))
    with ThreadPoolExecutor(5) as pool:
        runs = list(pool.map(lambda _: deliver(cloud, event), range(5)))
    job = cloud.succeeded(key)
    decisions = sorted(json.loads(output_of(cloud, run))["decision"] for run in runs)
    assert decisions == ["duplicate"] * 4 + ["started"]
    assert [one["job_id"] for one in cloud.jobs_of(key)] == [job["job_id"]]
    events = cloud.get(f"/v1/jobs/{job['job_id']}/events")["events"]
    assert sorted(entry["decision"] for entry in events) == decisions


def test_an_older_event_of_the_same_object_starts_nothing_and_says_so(cloud: Cloud) -> None:
    key = "datasets/decision_trees/older/flowers.csv"
    cloud.put(key, flowers(9))
    job = cloud.succeeded(key)
    late = object_created(cloud, key, "0" * 32, "an-older-version", "0000000000000001")
    output = json.loads(output_of(cloud, deliver(cloud, json.dumps(late))))
    assert output["decision"] == "stale"
    assert [one["job_id"] for one in cloud.jobs_of(key)] == [job["job_id"]]


def object_created(cloud: Cloud, key: str, etag: str, version: str, sequencer: str) -> dict[str, Any]:
    """The event EventBridge delivers for an upload."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "000000000000",
        "time": "2026-11-20T00:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{cloud.uploads}"],
        "detail": {
            "version": "0",
            "bucket": {"name": cloud.uploads},
            "object": {"key": key, "size": 1, "etag": etag, "version-id": version, "sequencer": sequencer},
            "request-id": "C3D13FE58DE4C810",
            "requester": "000000000000",
            "source-ip-address": "127.0.0.1",
            "reason": "PutObject",
        },
    }


def deliver(cloud: Cloud, event: str) -> str:
    """What the rule does with an event: start the state machine with it. Returns the execution's ARN."""
    states = cloud.clients.client("stepfunctions")
    machines = states.list_state_machines()["stateMachines"]
    arn = next(machine["stateMachineArn"] for machine in machines if machine["name"].endswith("-training"))
    started: str = states.start_execution(stateMachineArn=arn, input=event)["executionArn"]
    return started


def output_of(cloud: Cloud, execution: str) -> str:
    """The output of an execution once it has ended."""

    def ended() -> str | None:
        run = cloud.clients.client("stepfunctions").describe_execution(executionArn=execution)
        return None if run["status"] == "RUNNING" else run.get("output", "{}")

    return until(ended, f"the end of {execution}")


@contextmanager
def rules_disabled(cloud: Cloud) -> Iterator[None]:
    """No upload starts anything meanwhile."""
    events = cloud.clients.client("events")
    rules = [rule["Name"] for rule in events.list_rules()["Rules"] if "aws.s3" in rule.get("EventPattern", "")]
    assert rules
    for rule in rules:
        events.disable_rule(Name=rule)
    try:
        yield
    finally:
        for rule in rules:
            events.enable_rule(Name=rule)


@contextmanager
def announced(cloud: Cloud, key: str) -> Iterator[None]:
    """Go on when the upload of `key` has been told to whoever listens then."""
    events, sqs = cloud.clients.client("events"), cloud.clients.client("sqs")
    url = sqs.create_queue(QueueName="announced")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.s3"], "detail": {"object": {"key": [key]}}}
    events.put_rule(Name="announced", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="announced", Targets=[{"Id": "1", "Arn": arn}])
    yield
    assert sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    events.remove_targets(Rule="announced", Ids=["1"])
    events.delete_rule(Name="announced")
    sqs.delete_queue(QueueUrl=url)


def test_each_job_of_a_table_that_is_overwritten_tells_of_its_own_bytes(cloud: Cloud) -> None:
    s3, columns = cloud.clients.client("s3"), {}
    keys = [f"datasets/decision_trees/overwritten/{number}.csv" for number in range(4)]
    for key in keys:
        for column in ("Older", "Newer"):
            body = flowers(11).replace(b"Species", column.encode())
            put = s3.put_object(Bucket=cloud.uploads, Key=key, Body=body)
            columns[key, put["VersionId"]] = column
            if column == "Older":
                # Its job is there, and has not read a byte yet.
                until(partial(_jobs, cloud, key, 1), f"a job for {key}")

    for key in keys:
        jobs = until(partial(_jobs, cloud, key, 2), f"both jobs for {key}")
        for job in jobs:
            message = until(partial(_reason, cloud, job["job_id"]), f"the end of {job['job_id']}")
            assert columns[key, job["source"]["version_id"]] in message


def _jobs(cloud: Cloud, key: str, count: int) -> list[Mapping[str, Any]] | None:
    jobs = cloud.jobs_of(key)
    return jobs if len(jobs) == count else None


def _reason(cloud: Cloud, job_id: str) -> str | None:
    job = cloud.get(f"/v1/jobs/{job_id}")
    return str(job["error"]["message"]) if job["error"] else None


def test_an_execution_that_is_stopped_by_hand_is_a_stopped_job_with_the_reason(cloud: Cloud) -> None:
    key = "datasets/decision_trees/stopped/flowers.csv"
    cloud.put(key, flowers(10))

    def execution() -> str | None:
        jobs = cloud.jobs_of(key)
        return str(jobs[0]["links"]["execution"]) if jobs and jobs[0]["links"]["pipeline_execution"] else None

    arn = until(execution, "the running execution")
    cloud.clients.client("stepfunctions").stop_execution(executionArn=arn)
    job = cloud.finished(key)
    assert (job["status"], job["error"]["message"]) == ("STOPPED", "the execution was stopped")


def test_a_file_that_starts_nothing_says_why(cloud: Cloud) -> None:
    key = "datasets/decision_trees/notes/readme.txt"
    cloud.put(key, b"about these flowers")

    def decided() -> Mapping[str, Any] | None:
        answer = cloud.get(f"/v1/jobs?key={key}")
        return answer if answer["events"] else None

    answer = until(decided, "the delivery")
    assert answer["jobs"] == []
    assert [event["decision"] for event in answer["events"]] == ["ignored"]
    assert "*.csv" in answer["events"][0]["reason"]
