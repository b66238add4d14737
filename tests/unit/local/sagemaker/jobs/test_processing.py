"""Processing jobs: inputs, a command, outputs, and the message of a failure."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.jobs.processing import LOG_GROUP
from tests.unit.local.sagemaker.cloud import image
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import (
    await_processing,
    process,
    processing_request,
    resources,
    s3_input,
    s3_output,
)


@pytest.mark.parametrize("isolation", ["auto", "base-dir"])
def test_inputs_are_laid_out_and_outputs_are_uploaded(world: World, isolation: str) -> None:
    world.isolation = isolation
    world.image("app")
    world.cloud.s3.put("s3://in/raw.csv", "1,2\n")
    # What runs is the environment's own python, and it is told /opt/ml paths.
    world.cloud.s3.put(
        "s3://in/code/run.py",
        "import pathlib, sys\n"
        "out = pathlib.Path(sys.argv[2])\n"
        "(out / 'deep').mkdir()\n"
        "(out / 'deep' / 'copy.csv').write_text(pathlib.Path(sys.argv[1], 'raw.csv').read_text())\n"
        "print('done', sys.argv[3])\n",
    )
    root = "/opt/ml/processing"
    job = process(
        world,
        AppSpecification={
            "ImageUri": image("app"),
            "ContainerEntrypoint": ["python3", f"{root}/input/code/run.py"],
            "ContainerArguments": [f"{root}/input/data", f"{root}/output/train", "--x"],
        },
        ProcessingInputs=[
            s3_input("data", "s3://in/raw.csv", f"{root}/input/data"),
            s3_input("code", "s3://in/code/", f"{root}/input/code"),
        ],
        ProcessingOutputConfig={"Outputs": [s3_output("train", "s3://out/train", f"{root}/output/train")]},
    )
    assert job["ProcessingJobStatus"] == "Completed", job
    assert world.cloud.s3.text("s3://out/train/deep/copy.csv") == "1,2\n"
    assert world.cloud.logs.lines(LOG_GROUP, "job/") == ["done --x"]
    assert job["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 1


def test_the_command_of_an_own_image_is_found_on_its_path(world: World) -> None:
    world.image("app", processing='#!/bin/sh\ncat /opt/ml/config/processingjobconfig.json\necho "$@"\n')
    process(
        world,
        AppSpecification={
            "ImageUri": image("app"),
            "ContainerEntrypoint": ["processing"],
            "ContainerArguments": ["process", "--target", "Species"],
        },
    )
    configuration, said = "".join(world.cloud.logs.lines(LOG_GROUP)).split("process --target")
    assert json.loads(configuration)["ProcessingJobName"] == "job"
    assert said == " Species"


def test_a_message_becomes_the_exit_message_and_the_reason(world: World) -> None:
    world.image("app", processing="#!/bin/sh\necho 'row 3: text in a number column' > /opt/ml/output/message\nexit 1\n")
    job = process(world)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["ExitMessage"] == "row 3: text in a number column"
    assert job["FailureReason"] == "AlgorithmError: row 3: text in a number column, exit code: 1"


def test_a_failed_job_uploads_nothing(world: World) -> None:
    world.image("app", processing="#!/bin/sh\necho x > /opt/ml/processing/out/x\nexit 2\n")
    outputs = {"Outputs": [s3_output("out", "s3://out/p", "/opt/ml/processing/out")]}
    process(world, ProcessingOutputConfig=outputs)
    assert world.cloud.s3.keys("s3://out/") == []


def test_a_command_that_is_not_there_fails_with_its_name(world: World) -> None:
    world.image("app")
    job = process(world)
    assert "cannot run 'processing'" in job["FailureReason"]
    assert "exit code: 127" in job["FailureReason"]


def test_links_out_of_an_output_folder_are_not_published(world: World) -> None:
    world.image("app", processing="#!/bin/sh\nln -s /etc/passwd /opt/ml/processing/out/stolen\n")
    outputs = {"Outputs": [s3_output("out", "s3://out/p", "/opt/ml/processing/out")]}
    assert process(world, ProcessingOutputConfig=outputs)["ProcessingJobStatus"] == "Completed"
    assert world.cloud.s3.keys("s3://out/") == []


def test_a_path_outside_opt_ml_is_refused(world: World) -> None:
    world.image("app")
    for path in ("/etc/x", "/opt/ml/../x", "/opt/ml"):
        outputs = {"Outputs": [s3_output("out", "s3://out/p", path)]}
        with pytest.raises(ClientError, match="LocalPath"):
            world.client.create_processing_job(**processing_request("job", ProcessingOutputConfig=outputs))


def test_instances_have_their_shard_and_know_each_other(world: World) -> None:
    script = """#!/bin/sh
cat /opt/ml/config/resourceconfig.json; echo
ls /opt/ml/processing/in
getent hosts algo-2 | cut -d' ' -f1
"""
    world.image("app", processing=script)
    for name in ("a", "b", "c"):
        world.cloud.s3.put(f"s3://in/{name}", name)
    world.cloud.s3.put("s3://in/m.json", json.dumps([{"prefix": "s3://in/"}, "a", "b", "c"]))
    sharded = {"S3DataDistributionType": "ShardedByS3Key"}
    given = s3_input("in", "s3://in/m.json", "/opt/ml/processing/in", "ManifestFile", **sharded)
    outputs = {"Outputs": [s3_output("out", "s3://out/p", "/opt/ml/processing/out")]}
    job = process(
        world,
        "two",
        ProcessingInputs=[given],
        ProcessingResources={"ClusterConfig": resources(2)},
        ProcessingOutputConfig=outputs,
    )
    assert job["ProcessingJobStatus"] == "Completed", job
    first, second = (world.cloud.logs.lines(LOG_GROUP, f"two/algo-{n}") for n in (1, 2))
    assert json.loads(first[0]) == {
        "current_host": "algo-1", "hosts": ["algo-1", "algo-2"], "current_instance_type": "ml.m5.large",
    }  # fmt: skip
    assert (first[1:], second[1:]) == (["a", "c", "127.0.0.2"], ["b", "127.0.0.2"])


def test_a_continuous_output_is_there_while_the_job_runs_and_after_it_failed(world: World) -> None:
    world.sync_seconds = 0.02
    world.image("app", processing="#!/bin/sh\ncd /opt/ml/processing/out\necho 1 > a\nsleep 600 & wait\n")
    uploaded = world.cloud.s3.told("s3://out/p/a")
    outputs = {"Outputs": [s3_output("out", "s3://out/p", "/opt/ml/processing/out", "Continuous")]}
    world.client.create_processing_job(**processing_request("job", ProcessingOutputConfig=outputs))
    assert uploaded.wait(20)
    world.client.stop_processing_job(ProcessingJobName="job")
    assert await_processing(world, "job")["ProcessingJobStatus"] == "Stopped"
    world.image("app", processing="#!/bin/sh\necho 2 > /opt/ml/processing/out/last\nexit 1\n")
    process(world, "fails", ProcessingOutputConfig=outputs)
    assert world.cloud.s3.text("s3://out/p/last") == "2\n"


def test_what_the_program_manages_itself_is_left_to_it(world: World) -> None:
    world.image("app", processing="#!/bin/sh\nls -A /opt/ml/processing\n")
    given = {**s3_input("in", "s3://in/none", "/opt/ml/processing/in"), "AppManaged": True}
    output = {**s3_output("out", "s3://out/p", "/opt/ml/processing/out"), "AppManaged": True}
    job = process(world, ProcessingInputs=[given], ProcessingOutputConfig={"Outputs": [output]})
    assert job["ProcessingJobStatus"] == "Completed", job
    assert world.cloud.logs.lines(LOG_GROUP) == []


def test_a_job_that_overran_is_stopped(world: World) -> None:
    world.image("app", processing="#!/bin/sh\nexec sleep 600\n")
    job = process(world, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert job["ProcessingJobStatus"] == "Stopped"
    assert "MaxRuntimeInSeconds" in job["FailureReason"]


def test_the_environment_is_the_requests(world: World) -> None:
    world.image("app", processing='#!/bin/sh\necho "$A $PROCESSING_JOB_NAME"\n')
    process(world, Environment={"A": "b c"})
    assert world.cloud.logs.lines(LOG_GROUP) == ["b c job"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ProcessingInputs": [{"InputName": "d", "DatasetDefinition": {}}]}, "such as DatasetDefinition"),
        ({"ProcessingInputs": [s3_input("d", "s3://in/", "/opt/ml/x", S3CompressionType="Gzip")]}, "Gzip"),
        (
            {"ProcessingOutputConfig": {"Outputs": [
                {"OutputName": "f", "FeatureStoreOutput": {"FeatureGroupName": "g"}}]}},
            "an output other than S3Output",
        ),
        ({"AppSpecification": {"ImageUri": image("app"), "ContainerArguments": ["x"] * 101}}, "or equal to 100"),
        ({"AppSpecification": {"ImageUri": image("app"), "ContainerEntrypoint": []}}, "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused(world: World, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match="ValidationException") as caught:
        world.client.create_processing_job(**processing_request("job", **change))
    assert message in str(caught.value)
