"""What is refused of a training job."""

from pathlib import Path

from local.documents import Document
from local.sagemaker.jobs import inputs
from local.sagemaker.jobs.training.layout import CHECKPOINTS, TENSORBOARD
from local.sagemaker.jobs.training.metrics import Metrics
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire.errors import ValidationException

DAY = 86_400
_REFUSED = ("DebugRuleConfigurations", "ServerlessJobConfig", "MlflowConfig", "ModelPackageConfig")


def check(machine: Machine, request: Document) -> None:
    del machine
    algorithm = request.get("AlgorithmSpecification", {})
    if "TrainingImage" not in algorithm:
        raise inputs.refuse("AlgorithmSpecification without TrainingImage")
    for refused in _REFUSED:
        if request.get(refused):
            raise inputs.refuse(refused)
    if request.get("RemoteDebugConfig", {}).get("EnableRemoteDebug"):
        raise inputs.refuse("RemoteDebugConfig")
    Metrics(algorithm.get("MetricDefinitions", []))
    _check_stopping(request)
    _check_resources(request.get("ResourceConfig", {}))
    for synced, default in (("CheckpointConfig", CHECKPOINTS), ("TensorBoardOutputConfig", TENSORBOARD)):
        if synced in request:
            inputs.place(Path("/"), request[synced].get("LocalPath", default), synced)
    for channel in request.get("InputDataConfig", []):
        _check_channel(channel)


def _check_stopping(request: Document) -> None:
    stopping, spot = request.get("StoppingCondition", {}), request.get("EnableManagedSpotTraining", False)
    most, waits = stopping.get("MaxRuntimeInSeconds", DAY), stopping.get("MaxWaitTimeInSeconds")
    if waits is not None and not spot:
        raise ValidationException(
            "MaxWaitTimeInSeconds above 0 is not supported when EnableManagedSpotTraining is false."
        )
    if spot and (waits is None or waits < most):
        raise ValidationException(
            f"Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds "
            f"({most}) when EnableManagedSpotTraining is true."
        )


def _check_resources(resources: Document) -> None:
    groups = resources.get("InstanceGroups", [])
    if bool(groups) == ("InstanceCount" in resources):
        raise ValidationException("ResourceConfig needs either InstanceGroups or InstanceType and InstanceCount.")
    if sum(group["InstanceCount"] for group in groups) + resources.get("InstanceCount", 0) < 1:
        raise ValidationException("A training job needs at least one instance.")
    for refused in ("TrainingPlanArn", "InstancePlacementConfig", "InstancePreferences"):
        if refused in resources:
            raise inputs.refuse(f"ResourceConfig.{refused}")


def _check_channel(channel: Document) -> None:
    where = f"channel {channel['ChannelName']}"
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        raise inputs.refuse(f"a data source other than S3 ({where})")
    for refused in ("ModelAccessConfig", "HubAccessConfig"):
        if refused in source:
            raise inputs.refuse(f"{refused} ({where})")
    if channel.get("RecordWrapperType", "None") != "None":
        raise inputs.refuse(f"RecordWrapperType RecordIO ({where})")
    inputs.check_source(source, where)
