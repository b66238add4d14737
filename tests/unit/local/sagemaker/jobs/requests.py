"""Requests for jobs, and waiting for their end."""

from typing import Any

from botocore import xform_name

from local.sagemaker.machine.events import PROCESSING_JOB, TRAINING_JOB, TRANSFORM_JOB, TUNING_JOB
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
        "ResourceConfig": resources(),
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **more,
    }
    world.client.create_training_job(**request)


def _await(world: World, prefix: str, detail_type: str, name: str) -> dict[str, Any]:
    """The description of a job once its end was told. `prefix` is its kind as members begin: TrainingJob."""
    world.cloud.await_event(
        lambda event: (
            event.detail_type == detail_type
            and event.detail[f"{prefix}Name"] == name
            and event.detail[f"{prefix}Status"] in _FINAL
        )
    )
    answer: dict[str, Any] = getattr(world.client, f"describe_{xform_name(prefix)}")(**{f"{prefix}Name": name})
    return answer


def await_training(world: World, name: str) -> dict[str, Any]:
    return _await(world, "TrainingJob", TRAINING_JOB, name)


def process(world: World, name: str = "job", **more: Any) -> dict[str, Any]:
    """Create a processing job of image `app` and answer its description once it has ended."""
    world.client.create_processing_job(**processing_request(name, **more))
    return await_processing(world, name)


def processing_request(name: str, **more: Any) -> dict[str, Any]:
    return {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": image("app")},
        "ProcessingResources": {"ClusterConfig": resources()},
        **more,
    }


def await_processing(world: World, name: str) -> dict[str, Any]:
    return _await(world, "ProcessingJob", PROCESSING_JOB, name)


def channel(name: str, uri: Any, kind: str = "S3Prefix", source: Any = None, **more: Any) -> dict[str, Any]:
    """`source` are further members of S3DataSource, `more` those of the channel."""
    given = {"S3DataType": kind, "S3Uri": uri, **(source or {})}
    return {"ChannelName": name, "DataSource": {"S3DataSource": given}, **more}


def s3_input(name: str, uri: Any, path: str, kind: str = "S3Prefix", **more: Any) -> dict[str, Any]:
    given = {"S3Uri": uri, "LocalPath": path, "S3DataType": kind, "S3InputMode": "File", **more}
    return {"InputName": name, "S3Input": given}


def s3_output(name: str, uri: Any, path: str, mode: str = "EndOfJob") -> dict[str, Any]:
    return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}}


def resources(count: int = 1) -> dict[str, Any]:
    return {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1}


def transform(world: World, name: str = "job", **more: Any) -> dict[str, Any]:
    """Create a transform job of model `m` and answer its description once it has ended."""
    start_transform(world, name, **more)
    return await_transform(world, name)


def start_transform(world: World, name: str = "job", **more: Any) -> None:
    request: dict[str, Any] = {
        "TransformJobName": name,
        "ModelName": "m",
        "TransformInput": transform_input("s3://in/data/"),
        "TransformOutput": {"S3OutputPath": "s3://out/t"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **more,
    }
    world.client.create_transform_job(**request)


def await_transform(world: World, name: str = "job") -> dict[str, Any]:
    return _await(world, "TransformJob", TRANSFORM_JOB, name)


def transform_input(uri: str, kind: str = "S3Prefix", **more: Any) -> dict[str, Any]:
    return {"DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": uri}}, **more}


def start_tuning(world: World, strategy: str = "Random", definition: dict[str, Any] | None = None, **more: Any) -> None:
    """Create the tuning job `tune` of image `app`; `more` are members of its configuration."""
    configuration: dict[str, Any] = {
        "Strategy": strategy,
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2},
        "RandomSeed": 7,
        **more,
    }
    world.client.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="tune",
        HyperParameterTuningJobConfig=configuration,
        TrainingJobDefinition={**training_definition(), **(definition or {})},
    )


def training_definition() -> dict[str, Any]:
    return {
        "AlgorithmSpecification": {
            "TrainingImage": image("app"),
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "score", "Regex": "score=(\\S+)"}],
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://out/models"},
        "ResourceConfig": resources(),
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


def await_tuning(world: World) -> dict[str, Any]:
    return _await(world, "HyperParameterTuningJob", TUNING_JOB, "tune")
