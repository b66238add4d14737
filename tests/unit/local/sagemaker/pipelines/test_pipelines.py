"""Pipeline executions are graphs of real work, remembered step by step."""

import json
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.machine.events import MODEL_PACKAGE, PIPELINE_EXECUTION, PIPELINE_STEP
from tests.unit.local.sagemaker.cloud import ROLE, image
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import channel, s3_input, s3_output
from tests.unit.local.sagemaker.pipelines.definitions import (
    condition_step,
    create,
    definition,
    ended,
    fail_step,
    get,
    lambda_step,
    processing_step,
    run,
    start,
    steps,
)

APP = {
    "processing": """#!/bin/sh
if [ "$1" = evaluate ]; then
    test -f /opt/ml/processing/model/model.tar.gz || exit 5
    echo '{"metrics": {"accuracy": {"value": 0.97}}}' > /opt/ml/processing/evaluation/evaluation.json
else
    cp /opt/ml/processing/input/data/* /opt/ml/processing/output/train/
fi
""",
    "train": "#!/bin/sh\ncat /opt/ml/input/data/train/* > /opt/ml/model/m\n",
}


def walk(threshold: float) -> str:
    """Process, train, evaluate, check, register and deploy, as the catalogue's pipelines do."""
    root = "/opt/ml/processing"
    runs = {"Std:Join": {"On": "/", "Values": ["s3://out/runs", get("Parameters.JobId"), "train"]}}
    application = {"ImageUri": image("app"), "ContainerEntrypoint": ["processing"]}
    return definition(
        processing_step(
            "Process",
            {
                "AppSpecification": {**application, "ContainerArguments": ["process"]},
                "ProcessingInputs": [s3_input("data", get("Parameters.InputUri"), f"{root}/input/data")],
                "ProcessingOutputConfig": {"Outputs": [s3_output("train", runs, f"{root}/output/train")]},
            },
        ),
        {
            "Name": "Train",
            "Type": "Training",
            "Arguments": {
                "RoleArn": ROLE,
                "AlgorithmSpecification": {"TrainingImage": image("app"), "TrainingInputMode": "File"},
                "InputDataConfig": [
                    channel("train", get("Steps.Process.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"))
                ],
                "HyperParameters": {"max_depth": {"Std:Join": {"On": "", "Values": [get("Parameters.max_depth")]}}},
                "OutputDataConfig": {"S3OutputPath": "s3://out/models"},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            },
        },
        processing_step(
            "Evaluate",
            {
                "AppSpecification": {**application, "ContainerArguments": ["evaluate"]},
                "ProcessingInputs": [
                    s3_input("model", get("Steps.Train.ModelArtifacts.S3ModelArtifacts"), f"{root}/model")
                ],
                "ProcessingOutputConfig": {
                    "Outputs": [s3_output("evaluation", "s3://out/evaluation", f"{root}/evaluation")]
                },
            },
            PropertyFiles=[
                {"PropertyFileName": "evaluation", "OutputName": "evaluation", "FilePath": "evaluation.json"}
            ],
        ),
        condition_step(
            "CheckQuality",
            [
                {
                    "Type": "GreaterThanOrEqualTo",
                    "LeftValue": {
                        "Std:JsonGet": {
                            "PropertyFile": get("Steps.Evaluate.PropertyFiles.evaluation"),
                            "Path": "metrics.accuracy.value",
                        }
                    },
                    "RightValue": threshold,
                }
            ],
            [
                {
                    "Name": "Register",
                    "Type": "RegisterModel",
                    "Arguments": {
                        "ModelPackageGroupName": "trees",
                        "ModelApprovalStatus": "Approved",
                        "InferenceSpecification": {
                            "Containers": [
                                {
                                    "Image": image("app"),
                                    "ModelDataUrl": get("Steps.Train.ModelArtifacts.S3ModelArtifacts"),
                                }
                            ],
                            "SupportedContentTypes": ["text/csv"],
                            "SupportedResponseMIMETypes": ["text/csv"],
                        },
                    },
                },
                lambda_step(
                    "Deploy", {"model_package_arn": get("Steps.Register.ModelPackageArn")}, "endpoint", "statusCode"
                ),
            ],
            [fail_step("RejectQuality", {"Std:Join": {"On": " ", "Values": ["accuracy below", threshold]}})],
        ),
        parameters=[
            {"Name": "JobId", "Type": "String"},
            {"Name": "InputUri", "Type": "String"},
            {"Name": "max_depth", "Type": "Integer", "DefaultValue": 4},
        ],
    )


def test_the_walk_from_a_dataset_to_a_deployed_model(world: World) -> None:
    world.image("app", **APP)
    world.cloud.s3.put("s3://in/iris.csv", "1,2\n")
    deployed: list[Any] = []

    def deploy(given: Any) -> dict[str, Any]:
        deployed.append(given)
        return {"endpoint": "e", "statusCode": 200}

    world.cloud.functions["fn:Deploy"] = deploy
    execution, done = run(world, walk(0.8), JobId="job-1", InputUri="s3://in/iris.csv")
    assert execution["PipelineExecutionStatus"] == "Succeeded", done
    assert list(done) == ["Process", "Train", "Evaluate", "CheckQuality", "Register", "Deploy"]
    assert world.cloud.s3.text("s3://out/runs/job-1/train/iris.csv") == "1,2\n"
    package = "arn:aws:sagemaker:us-east-1:000000000000:model-package/trees/1"
    assert deployed == [{"model_package_arn": package}]
    assert done["Register"]["Metadata"] == {"RegisterModel": {"Arn": package}}
    assert done["CheckQuality"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    outputs = done["Deploy"]["Metadata"]["Lambda"]["OutputParameters"]
    assert outputs == [{"Name": "endpoint", "Value": "e"}, {"Name": "statusCode", "Value": "200"}]
    described = world.client.describe_model_package(ModelPackageName=package)
    assert described["MetadataProperties"]["GeneratedBy"] == execution["PipelineExecutionArn"]
    training = done["Train"]["Metadata"]["TrainingJob"]["Arn"].rsplit("/", 1)[1]
    assert training.startswith(f"pipelines-{execution['PipelineExecutionArn'].rsplit('/', 1)[1]}-Train-")
    hyperparameters = world.client.describe_training_job(TrainingJobName=training)["HyperParameters"]
    assert hyperparameters == {"max_depth": "4"}
    assert (
        world.cloud.await_event(lambda event: event.detail_type == MODEL_PACKAGE).detail["ModelApprovalStatus"]
        == "Approved"
    )


def test_the_events_of_an_execution_have_the_fields_of_aws(world: World) -> None:
    world.image("app", processing="#!/bin/sh\nexit 0\n")
    execution, _ = run(world, definition(processing_step("Only")))
    arn, pipeline = execution["PipelineExecutionArn"], execution["PipelineArn"]
    told = [event for event in world.cloud.events if event.detail_type == PIPELINE_EXECUTION]
    assert [event.detail["currentPipelineExecutionStatus"] for event in told] == ["Executing", "Succeeded"]
    last = told[-1]
    assert last.resources == [pipeline, arn]
    assert set(last.detail) == {
        "pipelineExecutionDisplayName", "currentPipelineExecutionStatus", "previousPipelineExecutionStatus",
        "executionStartTime", "executionEndTime", "pipelineArn", "pipelineExecutionArn",
    }  # fmt: skip
    assert last.detail["pipelineExecutionDisplayName"] == "job-1"
    of_step = [event.detail for event in world.cloud.events if event.detail_type == PIPELINE_STEP][-1]
    assert (of_step["stepName"], of_step["stepType"]) == ("Only", "Processing")
    assert (of_step["previousStepStatus"], of_step["currentStepStatus"]) == ("Executing", "Succeeded")
    assert of_step["metadata"]["processingJob"]["arn"].startswith(
        "arn:aws:sagemaker:us-east-1:000000000000:processing-job/"
    )


def test_a_model_below_the_threshold_ends_in_the_fail_step(world: World) -> None:
    world.image("app", **APP)
    world.cloud.s3.put("s3://in/iris.csv", "1,2\n")
    execution, done = run(world, walk(0.99), JobId="job-1", InputUri="s3://in/iris.csv")
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"] == "Step failure: One or multiple steps failed."
    assert list(done)[-2:] == ["CheckQuality", "RejectQuality"]
    assert done["RejectQuality"]["FailureReason"] == "accuracy below 0.99"
    assert done["RejectQuality"]["Metadata"]["Fail"]["ErrorMessage"] == "accuracy below 0.99"


def test_a_failed_job_is_the_reason_of_its_step(world: World) -> None:
    world.image("app", processing="#!/bin/sh\necho 'column Species is missing' > /opt/ml/output/message\nexit 1\n")
    _, done = run(world, definition(processing_step("One"), processing_step("Two", DependsOn=["One"])))
    assert "column Species is missing" in done["One"]["FailureReason"]
    assert "ProcessingJob" in done["One"]["Metadata"]
    assert "Two" not in done


def test_a_function_that_fails_fails_its_step(world: World) -> None:
    def broken(_: Any) -> None:
        raise ValueError("no such endpoint")

    world.cloud.functions["fn:Deploy"] = broken
    _, done = run(world, definition(lambda_step("Deploy", {})))
    assert done["Deploy"]["FailureReason"].endswith("ValueError: no such endpoint")


def test_steps_that_do_not_depend_on_each_other_run_at_once(world: World) -> None:
    both = threading.Barrier(2, timeout=30)

    def meet(_: Any) -> dict[str, Any]:
        both.wait()
        return {}

    world.cloud.functions |= {"fn:A": meet, "fn:B": meet}
    execution, _ = run(world, definition(lambda_step("A", {}), lambda_step("B", {})))
    assert execution["PipelineExecutionStatus"] == "Succeeded"


def test_the_same_token_starts_one_execution(world: World) -> None:
    world.cloud.functions["fn:A"] = lambda _: {}
    create(world, definition(lambda_step("A", {})))
    arns = {start(world) for _ in range(5)}
    assert len(arns) == 1
    assert start(world, token="u" * 32) not in arns
    listed = world.client.list_pipeline_executions(PipelineName="p")["PipelineExecutionSummaries"]
    assert len(listed) == 2


def test_stopping_an_execution_stops_its_job(world: World) -> None:
    world.image("app", processing="#!/bin/sh\necho running; sleep 600\n")
    create(world, definition(processing_step("Long"), processing_step("Next", DependsOn=["Long"])))
    arn = start(world)
    world.cloud.await_event(lambda e: e.detail_type == PIPELINE_STEP and "processingJob" in e.detail["metadata"])
    world.client.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    assert ended(world, arn)["PipelineExecutionStatus"] == "Stopped"
    assert {name: one["StepStatus"] for name, one in steps(world, arn).items()} == {"Long": "Stopped"}


def test_an_execution_goes_on_after_a_restart_and_repeats_only_what_was_interrupted(world: World) -> None:
    calls: list[str] = []

    def first(_: Any) -> dict[str, Any]:
        calls.append("first")
        return {"value": "kept"}

    def last(given: Any) -> dict[str, Any]:
        calls.append(f"last {given['value']}")
        return {}

    world.cloud.functions |= {"fn:First": first, "fn:Last": last}
    world.image("app", processing="#!/bin/sh\ntest -f /opt/ml/processing/input/go/again && exit 0\nsleep 600\n")
    world.cloud.s3.put("s3://in/go/x", "")
    inputs = [s3_input("go", "s3://in/go/", "/opt/ml/processing/input/go")]
    create(
        world,
        definition(
            lambda_step("First", {}, "value"),
            processing_step("Slow", {"ProcessingInputs": inputs}, DependsOn=["First"]),
            lambda_step("Last", {"value": get("Steps.First.OutputParameters['value']")}, DependsOn=["Slow"]),
        ),
    )
    arn = start(world)
    world.cloud.await_event(lambda e: e.detail_type == PIPELINE_STEP and "processingJob" in e.detail["metadata"])
    interrupted = steps(world, arn)["Slow"]["Metadata"]["ProcessingJob"]["Arn"]
    world.stop()
    world.cloud.s3.put("s3://in/go/again", "")
    world.start()
    assert ended(world, arn)["PipelineExecutionStatus"] == "Succeeded"
    assert calls == ["first", "last kept"]
    assert steps(world, arn)["Slow"]["Metadata"]["ProcessingJob"]["Arn"] != interrupted
    job = world.client.describe_processing_job(ProcessingJobName=interrupted.rsplit("/", 1)[1])
    assert job["ProcessingJobStatus"] == "Failed"
    assert "the local cloud stopped while the job ran" in job["FailureReason"]


def test_a_failed_execution_can_be_retried_from_where_it_failed(world: World) -> None:
    calls: list[str] = []
    healthy = threading.Event()

    def first(_: Any) -> dict[str, Any]:
        calls.append("A")
        return {}

    def second(_: Any) -> dict[str, Any]:
        calls.append("B")
        if not healthy.is_set():
            raise ValueError("not yet")
        return {}

    world.cloud.functions |= {"fn:A": first, "fn:B": second}
    create(world, definition(lambda_step("A", {}), lambda_step("B", {}, DependsOn=["A"])))
    arn = start(world)
    assert ended(world, arn)["PipelineExecutionStatus"] == "Failed"
    healthy.set()
    seen = len(world.cloud.events)
    world.client.retry_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="r" * 32)
    assert ended(world, arn, since=seen)["PipelineExecutionStatus"] == "Succeeded"
    assert calls == ["A", "B", "B"]


def test_parameters_are_checked_against_the_definition(world: World) -> None:
    parameters: list[dict[str, Any]] = [
        {"Name": "depth", "Type": "Integer", "DefaultValue": 4},
        {"Name": "kind", "Type": "String", "EnumValues": ["a", "b"]},
    ]
    create(world, definition(fail_step("F"), parameters=parameters))
    for given, message in (
        ({"kind": "a", "other": "1"}, "Unknown pipeline parameter.*other"),
        ({"kind": "a", "depth": "four"}, "'four' is no Integer"),
        ({"kind": "c"}, "not one of"),
        ({}, "without a value: kind"),
    ):
        with pytest.raises(ClientError, match=message):
            start(world, **given)
    arn = start(world, kind="b")
    ended(world, arn)
    listed = world.client.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)["PipelineParameters"]
    assert listed == [{"Name": "depth", "Value": "4"}, {"Name": "kind", "Value": "b"}]


def test_a_pipeline_is_created_once_and_updated(world: World) -> None:
    text = definition(fail_step("F"))
    create(world, text)
    create(world, text)
    with pytest.raises(ClientError, match="Pipeline names must be unique within"):
        world.client.create_pipeline(
            PipelineName="p", PipelineDefinition=text, RoleArn=ROLE, ClientRequestToken="other" * 8
        )
    newer = definition(fail_step("G"))
    world.client.update_pipeline(PipelineName="p", PipelineDefinition=newer)
    described = world.client.describe_pipeline(PipelineName="p")
    assert json.loads(described["PipelineDefinition"])["Steps"][0]["Name"] == "G"
    assert [p["PipelineName"] for p in world.client.list_pipelines()["PipelineSummaries"]] == ["p"]
    world.client.delete_pipeline(PipelineName="p", ClientRequestToken="d" * 32)
    with pytest.raises(ClientError, match="does not exist"):
        start(world)
