"""Requests for jobs, and waiting for their end."""

from typing import Any

from local.sagemaker.events import PROCESSING_JOB, TRAINING_JOB
from tests.unit.local.sagemaker.cloud import ROLE, image
from tests.unit.local.sagemaker.conftest import World

_FINAL = ("Completed", "Failed", "Stopped")


def train(world: World, name: str = "job", **more: Any) -> dict[str, Any]:
    """Create a training job of image `app` and answer its description once it has ended."""
    start_training(world, name, **more)
    return await_training(world, name)


def start_training(world: World, name: str, **more: Any) -> None:
    request: dict[str, Any] = {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": image("app"), "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": "s3://out/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **more,
    }
    world.client.create_training_job(**request)


def await_training(world: World, name: str) -> dict[str, Any]:
    world.cloud.await_event(
        lambda event: (
            event.detail_type == TRAINING_JOB
            and event.detail["TrainingJobName"] == name
            and event.detail["TrainingJobStatus"] in _FINAL
        )
    )
    answer: dict[str, Any] = world.client.describe_training_job(TrainingJobName=name)
    return answer


def process(world: World, name: str = "job", **more: Any) -> dict[str, Any]:
    """Create a processing job of image `app` and answer its description once it has ended."""
    world.client.create_processing_job(**processing_request(name, **more))
    return await_processing(world, name)


def processing_request(name: str, **more: Any) -> dict[str, Any]:
    return {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": image("app")},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        **more,
    }


def await_processing(world: World, name: str) -> dict[str, Any]:
    world.cloud.await_event(
        lambda event: (
            event.detail_type == PROCESSING_JOB
            and event.detail["ProcessingJobName"] == name
            and event.detail["ProcessingJobStatus"] in _FINAL
        )
    )
    answer: dict[str, Any] = world.client.describe_processing_job(ProcessingJobName=name)
    return answer


def channel(name: str, uri: Any) -> dict[str, Any]:
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}


def s3_input(name: str, uri: Any, path: str) -> dict[str, Any]:
    return {
        "InputName": name,
        "S3Input": {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"},
    }


def s3_output(name: str, uri: Any, path: str) -> dict[str, Any]:
    return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": "EndOfJob"}}
