"""Framework images run an entry point to train, and the functions of an inference script to serve."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.machine import environments
from tests.unit.local.sagemaker.cloud import ROLE
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.endpoints.serving import asked, create
from tests.unit.local.sagemaker.jobs.requests import channel, train

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"

TRAIN = """
import argparse, json, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--n_estimators", type=int)
parser.add_argument("--kind")
parser.add_argument("--fail", default="no")
args = parser.parse_args()
if args.fail == "yes":
    raise SystemExit("the target column is missing")
rows = open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "a.csv")).read()
found = {"n": args.n_estimators, "kind": args.kind, "rows": rows, "hp": json.loads(os.environ["SM_HPS"])}
import helper
found["helper"] = helper.NAME
json.dump(found, open(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"), "w"))
"""

INFERENCE = """
import json, os
def model_fn(model_dir):
    return json.load(open(os.path.join(model_dir, "model.json")))
def input_fn(body, content_type):
    if content_type != "text/csv":
        raise ValueError(f"send text/csv, not {content_type}")
    return [float(x) for x in body.split(",")]
def predict_fn(data, model):
    return {"sum": sum(data), "n": model["n"]}
def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""


def packed(**files: str) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size = len(content.encode())
            tar.addfile(entry, io.BytesIO(content.encode()))
    return sink.getvalue()


@pytest.fixture(autouse=True)
def frameworks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The framework image without its packages: what is under test is the toolkit."""
    folder = tmp_path / "frameworks"
    folder.mkdir()
    entry = {"repository": "sagemaker-scikit-learn", "tag": "1.4-2*", "requirements": "empty.txt"}
    (folder / "images.json").write_text(json.dumps({"images": [entry]}))
    (folder / "empty.txt").write_text("")
    monkeypatch.setattr(environments, "_FRAMEWORKS", folder)


def train_script(world: World, **hyperparameters: str) -> dict[str, Any]:
    source = packed(**{"train.py": TRAIN, "helper.py": "NAME = 'beside'", "inference.py": INFERENCE})
    world.cloud.s3.put("s3://in/source.tar.gz", source)
    world.cloud.s3.put("s3://in/train/a.csv", "1,2")
    return train(
        world,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        InputDataConfig=[channel("train", "s3://in/train/")],
        HyperParameters={
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": '"s3://in/source.tar.gz"',
            **hyperparameters,
        },
    )


@pytest.mark.parametrize("isolation", ["auto", "base-dir"])
def test_an_entry_point_trains_and_its_model_is_served(world: World, isolation: str) -> None:
    world.isolation = isolation
    job = train_script(world, n_estimators="100", kind='"boost"')
    assert job["TrainingJobStatus"] == "Completed", job
    data = job["ModelArtifacts"]["S3ModelArtifacts"]
    with tarfile.open(fileobj=io.BytesIO(world.cloud.s3.content(data))) as tar:
        model = json.load(tar.extractfile("model.json") or io.BytesIO())
    assert model == {
        "n": 100, "kind": "boost", "rows": "1,2", "hp": {"n_estimators": 100, "kind": "boost"}, "helper": "beside",
    }  # fmt: skip
    client = world.client
    environment = {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://in/source.tar.gz", "SAGEMAKER_PROGRAM": "inference.py"}
    container = {"Image": IMAGE, "ModelDataUrl": data, "Environment": environment}
    client.create_model(ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "main", "ModelName": "m", "InitialInstanceCount": 2, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(EndpointConfigName="m", ProductionVariants=[variant])
    endpoint = create(world, "m")
    assert endpoint["EndpointStatus"] == "InService", endpoint
    answer = asked(world, b"1,2.5", ContentType="text/csv")
    assert json.loads(answer["Body"].read()) == {"sum": 3.5, "n": 100}
    with pytest.raises(ClientError, match="send text/csv, not image/png"):
        asked(world, b"1", ContentType="image/png")


def test_the_last_lines_of_a_failing_entry_point_are_in_the_reason(world: World) -> None:
    job = train_script(world, fail='"yes"')
    assert job["TrainingJobStatus"] == "Failed"
    assert "ExecuteUserScriptError" in job["FailureReason"]
    assert "the target column is missing" in job["FailureReason"]


def test_an_entry_point_that_is_not_in_the_source(world: World) -> None:
    job = train_script(world, sagemaker_program='"none.py"')
    assert "the entry point 'none.py' is not in the source" in job["FailureReason"]


def test_code_inside_the_model_archive_is_served(world: World) -> None:
    world.cloud.s3.put("s3://in/m.tar.gz", packed(**{"model.json": '{"n": 1}', "code__inference.py": INFERENCE}))
    client = world.client
    container = {"Image": IMAGE, "ModelDataUrl": "s3://in/m.tar.gz"}
    client.create_model(ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {
        "VariantName": "main",
        "ModelName": "m",
        "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 2},
    }
    client.create_endpoint_config(EndpointConfigName="m", ProductionVariants=[variant])
    assert create(world, "m")["EndpointStatus"] == "InService"
    assert json.loads(asked(world, b"4", ContentType="text/csv")["Body"].read())["sum"] == 4
