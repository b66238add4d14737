"""Processing jobs: inputs, a command, outputs, and the message of a failure."""

import json

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.jobs.processing import LOG_GROUP
from tests.unit.local.sagemaker.cloud import image
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs import process, processing_request, s3_input, s3_output


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
