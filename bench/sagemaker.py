"""What SageMaker here costs over the bare process: a job's start, an invocation, a backlog, a pipeline.

The container of every row is the catalogue's decision_trees image, whose environment is warm, or a script in the
scikit-learn image; its peer is the same program without SageMaker.
"""

import http.client
import io
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench import clouds
from bench.clouds import Cloud
from bench.measure import Row, compare, compare_rates, in_turn, milliseconds, ms, pairs, ratio

_REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
_OWN = f"{_REGISTRY}/headrace/decision_trees:latest"
_SCRIPT = f"{_REGISTRY}/sagemaker-scikit-learn:1.4-2-cpu-py3"
_ROLE = "arn:aws:iam::000000000000:role/bench"
_BUCKET = "bench-sagemaker"
_MACHINE = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
_STARTS, _CALLS, _PIPELINES = 7, 400, 5
_BACKLOG, _CONCURRENCY, _MODEL_SECONDS = 1000, 4, 0.02
_BRANCHES, _LENGTH = 3, 4

_SAY_NOW = ["-S", "-c", "import time; print(time.time(), flush=True)"]
_NOTHING = ["-S", "-c", "pass"]
# It answers with its own port, so that the peer finds the very same process.
_MODEL = f"""
import os, time
def model_fn(folder):
    return None
def transform_fn(model, body, content_type, accept):
    time.sleep({_MODEL_SECONDS} if body == "slow" else 0)
    return os.environ["SAGEMAKER_BIND_TO_PORT"], "text/plain"
"""


def run() -> Iterator[Row]:
    """A row a claim."""
    with clouds.headrace() as cloud:
        cloud.client("s3").create_bucket(Bucket=_BUCKET)
        yield _starts(cloud)
        _put_model(cloud)
        port = _serving(cloud, "bench", {})
        yield _invocations(cloud, port)
        output = {"OutputConfig": {"S3OutputPath": f"s3://{_BUCKET}/out/"}}
        client = {"ClientConfig": {"MaxConcurrentInvocationsPerInstance": _CONCURRENCY}}
        _serving(cloud, "bench-async", {"AsyncInferenceConfig": {**output, **client}})
        yield _backlog(cloud, port)
        yield _pipelines(cloud)


# A training job.


def _starts(cloud: Cloud) -> Row:
    numbers = iter(range(1000))
    mine, theirs = pairs(lambda: _job_start(cloud, f"bench-{next(numbers)}"), _bare_start, _STARTS)
    return Row(
        "training job, warm environment: CreateTrainingJob to the first line, against the bare process",
        ms(mine),
        ms(theirs),
        ratio(mine, theirs),
        f"+100 ms (is {_more(mine, theirs):+.0f} ms)",
    )


def _more(mine: list[float], theirs: list[float]) -> float:
    return sorted(mine)[len(mine) // 2] - sorted(theirs)[len(theirs) // 2]


def _job_start(cloud: Cloud, name: str) -> float:
    sagemaker, begun = cloud.client("sagemaker"), time.time()
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=_ROLE,
        AlgorithmSpecification={
            "TrainingImage": _OWN,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", *_SAY_NOW],
        },
        OutputDataConfig={"S3OutputPath": f"s3://{_BUCKET}/"},
        ResourceConfig=_MACHINE,
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    _until(
        lambda: sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] not in ("InProgress",), 0.02
    )
    logs, group = cloud.client("logs"), "/aws/sagemaker/TrainingJobs"
    stream = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"][0]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    return (_first_number(event["message"] for event in events) - begun) * 1000


def _first_number(lines: Iterator[str]) -> float:
    return next(float(line) for line in lines if line.replace(".", "").strip().isdigit())


def _bare_start() -> float:
    begun = time.time()
    said = subprocess.run([sys.executable, *_SAY_NOW], capture_output=True, text=True, check=True).stdout
    return (float(said) - begun) * 1000


# Endpoints.


def _put_model(cloud: Cloud) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(_MODEL.encode())
        archive.addfile(entry, io.BytesIO(_MODEL.encode()))
    cloud.client("s3").put_object(Bucket=_BUCKET, Key="model.tar.gz", Body=packed.getvalue())


def _serving(cloud: Cloud, name: str, config: dict[str, Any]) -> int:
    """An endpoint in service; answers its container's port."""
    sagemaker = cloud.client("sagemaker")
    container = {"Image": _SCRIPT, "ModelDataUrl": f"s3://{_BUCKET}/model.tar.gz"}
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=_ROLE)
    variant = {"VariantName": "a", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **config)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    _until(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Creating", 0.1)
    if config:
        return 0
    runtime = cloud.client("sagemaker-runtime")
    return int(runtime.invoke_endpoint(EndpointName=name, Body=b"{}")["Body"].read())


def _invocations(cloud: Cloud, port: int) -> Row:
    runtime = cloud.client("sagemaker-runtime")
    straight = http.client.HTTPConnection("127.0.0.1", port)

    def ours() -> None:
        runtime.invoke_endpoint(EndpointName="bench", Body=b"{}")["Body"].read()

    mine, theirs = pairs(lambda: milliseconds(ours), lambda: milliseconds(lambda: _ask(straight, b"{}")), _CALLS)
    what = "InvokeEndpoint with boto3 against the container's own answer to HTTP"
    return Row(what, ms(mine), ms(theirs), ratio(mine, theirs), f"+2 ms (is {_more(mine, theirs):+.2f} ms)")


def _ask(connection: http.client.HTTPConnection, body: bytes) -> None:
    connection.request("POST", "/invocations", body, {"Content-Type": "text/plain"})
    connection.getresponse().read()


def _backlog(cloud: Cloud, port: int) -> Row:
    s3, runtime = cloud.client("s3"), cloud.client("sagemaker-runtime")
    s3.put_object(Bucket=_BUCKET, Key="in/slow", Body=b"slow", ContentType="text/plain")

    def ours() -> float:
        begun = time.perf_counter()
        places = [
            runtime.invoke_endpoint_async(
                EndpointName="bench-async", InputLocation=f"s3://{_BUCKET}/in/slow", ContentType="text/plain"
            )["OutputLocation"]
            for _ in range(_BACKLOG)
        ]
        keys = {place.removeprefix(f"s3://{_BUCKET}/") for place in places}
        _until(lambda: keys <= _keys(s3), 0.2)
        return _BACKLOG / (time.perf_counter() - begun)

    def loop() -> float:
        def calls(count: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            for _ in range(count):
                _ask(connection, b"slow")

        begun = time.perf_counter()
        with ThreadPoolExecutor(_CONCURRENCY) as pool:
            list(pool.map(calls, [_BACKLOG // _CONCURRENCY] * _CONCURRENCY))
        return _BACKLOG / (time.perf_counter() - begun)

    mine, theirs = in_turn(2, ours, loop)
    what = f"{_BACKLOG:,} asynchronous invocations, {_CONCURRENCY} at once, {_MODEL_SECONDS * 1000:.0f} ms each"
    return compare_rates(f"{what}, against calling the model in a loop", mine, theirs, "0.9x")


def _keys(s3: Any) -> set[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=_BUCKET, Prefix="out/")
    return {entry["Key"] for page in pages for entry in page.get("Contents", ())}


# A pipeline.


def _pipelines(cloud: Cloud) -> Row:
    sagemaker = cloud.client("sagemaker")
    definition = {"Version": "2020-12-01", "Steps": [_step(b, n) for b in range(_BRANCHES) for n in range(_LENGTH)]}
    sagemaker.create_pipeline(
        PipelineName="bench", PipelineDefinition=json.dumps(definition), ClientRequestToken="b" * 32, RoleArn=_ROLE
    )
    chain = " && ".join([f"{sys.executable} -S -c pass"] * _LENGTH)
    shell = " & ".join([f"({chain})"] * _BRANCHES) + " & wait"
    numbers = iter(range(1000))

    def ours() -> None:
        arn = sagemaker.start_pipeline_execution(PipelineName="bench", ClientRequestToken=f"{next(numbers):032}")[
            "PipelineExecutionArn"
        ]
        _until(
            lambda: (
                sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
                != "Executing"
            ),
            0.02,
        )

    def theirs() -> None:
        subprocess.run(["/bin/sh", "-c", shell], check=True)

    mine, bare = pairs(lambda: milliseconds(ours), lambda: milliseconds(theirs), _PIPELINES)
    what = f"pipeline of {_BRANCHES * _LENGTH} processing steps that do nothing, in {_BRANCHES} branches"
    return compare(f"{what}, against the same commands in a shell", mine, bare, "1.2x")


def _step(branch: int, number: int) -> dict[str, Any]:
    step: dict[str, Any] = {
        "Name": f"Step{branch}-{number}",
        "Type": "Processing",
        "Arguments": {
            "ProcessingResources": {"ClusterConfig": _MACHINE},
            "AppSpecification": {"ImageUri": _OWN, "ContainerEntrypoint": ["python", *_NOTHING]},
            "RoleArn": _ROLE,
        },
    }
    return {**step, "DependsOn": [f"Step{branch}-{number - 1}"]} if number else step


def _until(done: Callable[[], bool], pause: float) -> None:
    deadline = time.monotonic() + 120
    while not done():
        if time.monotonic() > deadline:
            raise RuntimeError("it does not end")
        time.sleep(pause)
