"""Training jobs are real processes with SageMaker's container contract."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.jobs.training.kind import LOG_GROUP
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import await_training, channel, start_training, train

MODEL = "s3://out/models/job/output/model.tar.gz"


def members(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {m.name: f.read() for m in tar if (f := tar.extractfile(m)) is not None}


@pytest.mark.parametrize("isolation", ["auto", "base-dir"])
def test_a_job_gets_its_channels_and_leaves_a_model(world: World, isolation: str) -> None:
    world.isolation = isolation
    world.image(
        "app",
        train="""#!/bin/sh
base=${SAGEMAKER_BASE_DIR:-/opt/ml}
cat "$base"/input/data/train/*.csv > "$base/model/all.csv"
cp "$base/input/config/hyperparameters.json" "$base/model/"
echo extra > "$base/output/data/extra.txt"
echo "loss: 0.75"; echo "loss: 0.25"
""",
    )
    world.cloud.s3.put("s3://in/data/a ü+.csv", "1\n")
    world.cloud.s3.put("s3://in/data/b.csv", "2\n")
    world.cloud.s3.put("s3://in/data/sub/", "")
    algorithm = {
        "TrainingImage": "000000000000.dkr.ecr.us-east-1.amazonaws.com/headrace/app:latest",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss: ([0-9.]+)"}],
    }
    job = train(
        world,
        InputDataConfig=[channel("train", "s3://in/data/")],
        HyperParameters={"depth": "4"},
        AlgorithmSpecification=algorithm,
    )
    assert job["TrainingJobStatus"] == "Completed", job
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == MODEL
    found = members(world.cloud.s3.content(MODEL))
    assert found["all.csv"] == b"1\n2\n"
    assert json.loads(found["hyperparameters.json"]) == {"depth": "4"}
    assert "extra.txt" in members(world.cloud.s3.content("s3://out/models/job/output/output.tar.gz"))
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("loss", 0.25)]
    assert "loss: 0.25" in world.cloud.logs.lines(LOG_GROUP, "job/")
    stages = [t["Status"] for t in job["SecondaryStatusTransitions"]]
    assert stages == ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def test_one_object_arrives_alone_among_keys_that_start_like_it(world: World) -> None:
    world.image("app", train="#!/bin/sh\nls /opt/ml/input/data/train > /opt/ml/model/names\n")
    for key in ("iris.csv", "iris.csv.bak", "iris.csv2"):
        world.cloud.s3.put(f"s3://in/{key}", "x")
    train(world, InputDataConfig=[channel("train", "s3://in/iris.csv")])
    assert members(world.cloud.s3.content(MODEL))["names"] == b"iris.csv\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo first; echo 'no column Species' >&2; exit 1", "AlgorithmError: no column Species, exit code: 1"),
        (
            "echo noise >&2; echo 'the target is missing' > /opt/ml/output/failure; exit 3",
            "AlgorithmError: the target is missing, exit code: 3",
        ),
        ("kill -9 $$", "AlgorithmError: the container said nothing, exit code: 137"),
        ("printf '\\377\\000\\201 binary' >&2; exit 9", "exit code: 9"),
    ],
)
def test_a_job_that_fails_says_why(world: World, script: str, reason: str) -> None:
    world.image("app", train=f"#!/bin/sh\n{script}\n")
    job = train(world)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].endswith(reason)


def test_a_job_that_overruns_is_stopped_with_all_it_started(world: World) -> None:
    world.grace_seconds = 0.1
    stubborn = "(setsid sh -c 'trap \"\" TERM; while :; do read x < /dev/zero; done') &"
    world.image("app", train=f"#!/bin/sh\ntrap '' TERM\n{stubborn}\nwait\n")
    job = train(world, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "MaxRuntimeInSeconds" in job["FailureReason"]


@pytest.mark.parametrize("isolation", ["auto", "base-dir"])
def test_what_a_job_leaves_running_is_gone_when_it_has_ended(world: World, isolation: str) -> None:
    world.isolation = isolation
    # The grandchild keeps the output open: only its death lets the job end.
    world.image("app", train="#!/bin/sh\n(setsid sleep 600 &)\nexit 0\n")
    assert train(world)["TrainingJobStatus"] == "Completed"


def test_a_job_can_be_stopped(world: World) -> None:
    script = "trap 'echo partial > /opt/ml/model/m; exit 0' TERM\necho ready\nsleep 600 & wait\n"
    world.image("app", train=f"#!/bin/sh\n{script}")
    start_training(world, "job")
    world.cloud.await_line("ready")
    world.client.stop_training_job(TrainingJobName="job")
    job = await_training(world, "job")
    assert job["TrainingJobStatus"] == "Stopped"
    assert members(world.cloud.s3.content(MODEL)) == {"m": b"partial\n"}
    with pytest.raises(ClientError, match="cannot be stopped"):
        world.client.stop_training_job(TrainingJobName="job")


def test_a_job_that_a_killed_cloud_was_at_is_failed_at_the_next_start(world: World, tmp_path: Path) -> None:
    world.image("app", train="#!/bin/sh\necho ready\nsleep 600\n")
    start_training(world, "job")
    world.cloud.await_line("ready")
    # What is on the disk now is what a kill -9 leaves.
    shutil.copytree(world.root / "state", tmp_path / "killed" / "state")
    after = World(tmp_path / "killed", world.cache)
    job = after.client.describe_training_job(TrainingJobName="job")
    after.stop()
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert "the local cloud stopped while the job ran" in job["FailureReason"]


def test_without_a_model_nothing_is_uploaded(world: World) -> None:
    world.image("app", train="#!/bin/sh\nexit 0\n")
    assert train(world)["TrainingJobStatus"] == "Completed"
    assert world.cloud.s3.keys("s3://out/") == []


@pytest.mark.parametrize(
    ("uri", "reason"),
    [("s3://in/none/", "No S3 objects found"), ("s3://in/up/", "outside its folder")],
)
def test_data_that_cannot_be_brought_in_fails_the_job(world: World, uri: str, reason: str) -> None:
    world.image("app", train="#!/bin/sh\nexit 0\n")
    world.cloud.s3.put("s3://in/up/../../escape", "x")
    job = train(world, InputDataConfig=[channel("train", uri)])
    assert job["TrainingJobStatus"] == "Failed"
    assert "Data download failed" in job["FailureReason"]
    assert reason in job["FailureReason"]


def test_an_unmapped_image_is_a_failure_that_names_what_to_add(world: World) -> None:
    job = train(world)
    assert job["TrainingJobStatus"] == "Failed"
    assert "images.yaml" in job["FailureReason"]


OF_SAGEMAKER = {"AWS_DEFAULT_REGION", "AWS_REGION", "TRAINING_JOB_ARN", "TRAINING_JOB_NAME"}
OF_THE_CLOUD = {"AWS_ACCESS_KEY_ID", "AWS_EC2_METADATA_DISABLED", "AWS_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY"}
OF_THE_PROCESS = {"HOME", "LANG", "PATH", "PYTHONUNBUFFERED", "VIRTUAL_ENV"}


def test_a_job_sees_what_sagemaker_sets_and_nothing_of_the_shell(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_TOKEN", "HTTPS_PROXY", "LOG_LEVEL", "PIP_INDEX_URL", "PYTHONPATH"):
        monkeypatch.setenv(name, "s3cr3t")
    for name in ("LC_ALL", "LC_CTYPE", "TZ"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    world.image("app", train="#!/bin/sh\nenv > /opt/ml/model/env\n")
    train(world, Environment={"GIVEN": "yes"})
    environment = members(world.cloud.s3.content(MODEL))["env"].decode()
    assert "s3cr3t" not in environment
    assert "GIVEN=yes" in environment
    names = {line.partition("=")[0] for line in environment.splitlines()}
    of_the_script = {"OLDPWD", "PWD", "SHLVL", "_"}
    assert names - of_the_script == OF_SAGEMAKER | OF_THE_CLOUD | OF_THE_PROCESS | {"GIVEN"}


def test_a_second_job_of_that_name_is_refused(world: World) -> None:
    world.image("app", train="#!/bin/sh\nexit 0\n")
    train(world)
    with pytest.raises(ClientError, match="ResourceInUse"):
        start_training(world, "job")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"TrainingJobName": "a b"}, "regular expression pattern"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "greater than or equal to 1"),
        ({"OutputDataConfig": {"S3OutputPath": "http://x"}}, "s3OutputPath"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(world: World, change: dict[str, object], message: str) -> None:
    world.image("app", train="#!/bin/sh\nexit 0\n")
    request = {"TrainingJobName": "job", **change}
    with pytest.raises(ClientError, match=message):
        start_training(world, str(request.pop("TrainingJobName")), **request)
