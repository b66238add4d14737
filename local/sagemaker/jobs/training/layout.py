"""An instance's /opt/ml before its container starts: channels, configuration, source, folders that are synced."""

import json
from collections.abc import Mapping

from local.documents import Document, Json
from local.sagemaker.jobs import inputs
from local.sagemaker.jobs.inputs import Share
from local.sagemaker.jobs.instances import Group, Instance
from local.sagemaker.jobs.uploads import Synced
from local.sagemaker.machine import fetching, storage
from local.sagemaker.machine.machine import Machine

CHECKPOINTS, TENSORBOARD = "/opt/ml/checkpoints", "/opt/ml/output/tensorboard"


def groups(document: Document) -> list[Group]:
    resources = document["ResourceConfig"]
    several = resources.get("InstanceGroups")
    if several:
        return [Group(group["InstanceGroupName"], group["InstanceType"], group["InstanceCount"]) for group in several]
    return [Group("homogeneousCluster", resources.get("InstanceType", "local"), resources["InstanceCount"])]


def lay_out(machine: Machine, document: Document, instance: Instance) -> None:
    channels = [channel for channel in document.get("InputDataConfig", []) if _is_for(channel, instance)]
    for channel in channels:
        source = channel["DataSource"]["S3DataSource"]
        folder = instance.ml / "input" / "data" / channel["ChannelName"]
        unpack = channel.get("CompressionType", "None") == "Gzip"
        inputs.bring(machine, source, folder, _share(source, instance), unpack=unpack)
    configuration: Mapping[str, Json] = {
        "hyperparameters": document.get("HyperParameters", {}),
        "inputdataconfig": {channel["ChannelName"]: _described(channel) for channel in channels},
        "resourceconfig": _resources(instance),
    }
    for name, content in configuration.items():
        (instance.ml / "input" / "config" / f"{name}.json").write_text(json.dumps(content))
    source = _plain(document.get("HyperParameters", {}).get("sagemaker_submit_directory", ""))
    if source.startswith("s3://"):
        # Script mode's source.
        fetching.fetch_source(machine, source, instance.ml / "code", instance.folder / "sourcedir.tar.gz")
    for place in synced(document, instance):
        place.folder.mkdir(parents=True, exist_ok=True)
    if "CheckpointConfig" in document:
        checkpoints = synced(document, instance)[0]
        fetching.fetch_if_any(machine, checkpoints.uri, checkpoints.folder)


def _is_for(channel: Document, instance: Instance) -> bool:
    names = channel["DataSource"]["S3DataSource"].get("InstanceGroupNames")
    return not names or instance.group.name in names


def _share(source: Document, instance: Instance) -> Share:
    """Shares the channel among the instances that get it at all."""
    names = source.get("InstanceGroupNames")
    cluster = instance.cluster
    hosts = [host for group in cluster.groups if not names or group.name in names for host in cluster.of_group(group)]
    return Share(hosts.index(instance.host), len(hosts))


def _described(channel: Document) -> Document:
    return {
        "ContentType": channel.get("ContentType", ""),
        # Whatever was asked for: this is where the container looks how to read.
        "TrainingInputMode": "File",
        "S3DistributionType": channel["DataSource"]["S3DataSource"].get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }


def _resources(instance: Instance) -> Document:
    cluster = instance.cluster
    groups = [
        {"instance_group_name": group.name, "instance_type": group.type, "hosts": cluster.of_group(group)}
        for group in cluster.groups
    ]
    return {
        "current_host": instance.host,
        "hosts": list(cluster.hosts),
        "current_instance_type": instance.group.type,
        "current_group_name": instance.group.name,
        "instance_groups": groups,
        "network_interface_name": "lo",
    }


def synced(document: Document, instance: Instance) -> list[Synced]:
    """Lists the folders that go to S3 while the job runs; that of the checkpoints comes first."""
    folders = []
    if "CheckpointConfig" in document:
        config = document["CheckpointConfig"]
        folder = inputs.place(instance.ml, config.get("LocalPath", CHECKPOINTS), "CheckpointConfig")
        folders.append(Synced(folder, config["S3Uri"]))
    if "TensorBoardOutputConfig" in document:
        config = document["TensorBoardOutputConfig"]
        folder = inputs.place(instance.ml, config.get("LocalPath", TENSORBOARD), "TensorBoardOutputConfig")
        uri = storage.joined(config["S3OutputPath"], document["TrainingJobName"], "tensorboard-output")
        folders.append(Synced(folder, uri))
    return folders


def _plain(value: str) -> str:
    """Reads a hyperparameter of script mode, which is a JSON text; a bare word is taken as it is."""
    try:
        return str(json.loads(value))
    except ValueError:
        return value
