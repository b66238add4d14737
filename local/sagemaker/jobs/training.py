"""Training jobs: channels in, a model out.

Contract: "Using Amazon SageMaker to run your training container" in the developer guide; script mode as the
sagemaker-training toolkit has it.

Files are the one way data comes: a channel of InputMode FastFile or Pipe is there as files too, and its log says so.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.documents import Document
from local.sagemaker.jobs import container, inputs, instances
from local.sagemaker.jobs.container import Cause, Ending
from local.sagemaker.jobs.inputs import Share
from local.sagemaker.jobs.instances import Group, Instance
from local.sagemaker.jobs.job import Job, JobKind, Outcome, Runner, Status
from local.sagemaker.jobs.metrics import Metrics
from local.sagemaker.jobs.uploads import Synced, Uploads
from local.sagemaker.jobs.volume import Volume
from local.sagemaker.machine import archives, events, fetching, storage
from local.sagemaker.machine.environments import Environment
from local.sagemaker.machine.machine import Machine
from local.sagemaker.machine.processes import environment
from local.sagemaker.machine.processes.command import Program
from local.sagemaker.wire.errors import ValidationException, WorkFailed
from local.store import now

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_DAY = 86_400
_FOLDERS = ("input/config", "input/data", "model", "output/data")
_CHECKPOINTS, _TENSORBOARD = "/opt/ml/checkpoints", "/opt/ml/output/tensorboard"
_LOUD = {"Starting": "Starting the training job", "Downloading": "Downloading input data",
         "Training": "Training image download completed. Training in progress.",
         "Uploading": "Uploading generated training model", "Completed": "Training job completed",
         "Failed": "Training job failed", "Stopped": "Training job stopped",
         "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided"}  # fmt: skip
_REFUSED = ("DebugRuleConfigurations", "ServerlessJobConfig", "MlflowConfig", "ModelPackageConfig")


# What is refused.


def _check(machine: Machine, request: Document) -> None:
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
    for synced, default in (("CheckpointConfig", _CHECKPOINTS), ("TensorBoardOutputConfig", _TENSORBOARD)):
        if synced in request:
            inputs.place(Path("/"), request[synced].get("LocalPath", default), synced)
    for channel in request.get("InputDataConfig", []):
        _check_channel(channel)


def _check_stopping(request: Document) -> None:
    stopping, spot = request.get("StoppingCondition", {}), request.get("EnableManagedSpotTraining", False)
    most, waits = stopping.get("MaxRuntimeInSeconds", _DAY), stopping.get("MaxWaitTimeInSeconds")
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


# The work, in the job's thread.


def _work(job: Job) -> Outcome:
    document = job.document()
    with instances.prepared(job, LOG_GROUP, _groups(document), _FOLDERS) as cluster:
        _say_what_is_different(job.machine, document, cluster)
        return _steps(job, document, cluster)


def _groups(document: Document) -> list[Group]:
    resources = document["ResourceConfig"]
    several = resources.get("InstanceGroups")
    if several:
        return [Group(one["InstanceGroupName"], one["InstanceType"], one["InstanceCount"]) for one in several]
    return [Group("homogeneousCluster", resources.get("InstanceType", "local"), resources["InstanceCount"])]


def _steps(job: Job, document: Document, cluster: Sequence[Instance]) -> Outcome:
    machine, first, algorithm = job.machine, cluster[0], document["AlgorithmSpecification"]
    _move(job, "Downloading")
    for instance in cluster:
        _lay_out(machine, document, instance)
    extra = fetching.requirements(first.ml / "code")
    built = machine.environments.ensure(algorithm["TrainingImage"], extra, first.log.write)
    metrics = Metrics(_definitions(algorithm, built))
    runs = [_run_of(machine, document, built, instance, len(cluster), metrics) for instance in cluster]
    synced = [one for instance in cluster for one in _synced(document, instance)]
    with Uploads(job, first.log, synced) as uploads:
        uploads.skip_present()
        _move(job, "Training", TrainingStartTime=now())
        ending = container.run(job, runs, _max_seconds(document))
    members: Document = {"TrainingEndTime": now(), "FinalMetricDataList": metrics.final()}
    if ending.cause is Cause.STOPPED and machine.closing.is_set():
        return Outcome(Status.STOPPED, None, members)
    uploads.finish()
    _move(job, "Uploading")
    if (reason := _reason(ending, cluster, runs)) is not None:
        # What it left in output/data may tell why, so that is kept, as on AWS; there is no model.
        _upload_data(job, document, cluster)
        return Outcome(Status.FAILED, reason, {**members, "SecondaryStatus": "Failed"})
    members["ModelArtifacts"] = {"S3ModelArtifacts": _upload(job, document, cluster)}
    return _outcome(ending, members, document)


def _definitions(algorithm: Document, built: Environment) -> list[Mapping[str, Any]]:
    return [*built.image.metrics, *algorithm.get("MetricDefinitions", [])]


def _run_of(
    machine: Machine, document: Document, built: Environment, instance: Instance, count: int, metrics: Metrics
) -> container.Run:
    algorithm = document["AlgorithmSpecification"]
    if "ContainerEntrypoint" in algorithm or "ContainerArguments" in algorithm:
        argv = [*algorithm.get("ContainerEntrypoint", ["train"]), *algorithm.get("ContainerArguments", [])]
    else:
        argv = [*built.image.train]
    variables = {
        **document.get("Environment", {}),
        "TRAINING_JOB_NAME": document["TrainingJobName"],
        "TRAINING_JOB_ARN": document["TrainingJobArn"],
    }
    # Instances of one job may talk to each other even then, which namespaces of their own would not let them.
    network = not document.get("EnableNetworkIsolation") or count > 1
    program = Program(argv, variables, instance.cluster.hosts, network)
    command = environment.command(machine, built, instance.folder, program)
    volume = Volume(machine, instance.folder, document["ResourceConfig"].get("VolumeSizeInGB"))
    return container.Run(command, instance.log, volume, metrics.see if metrics.any else None)


def _reason(ending: Ending, cluster: Sequence[Instance], runs: Sequence[container.Run]) -> str | None:
    """Why the job failed; None when it did not."""
    if ending.cause is Cause.OVERFULL:
        return f"ClientError: {cluster[ending.index].host}: {runs[ending.index].volume.reason}"
    if ending.cause is not Cause.ITSELF or ending.ok:
        return None
    failed = cluster[ending.index]
    return container.failure_reason(ending.code, container.message(failed.ml / "output" / "failure"), failed.log)


def _outcome(ending: Ending, members: Document, document: Document) -> Outcome:
    if ending.cause is Cause.OVERRAN:
        # AWS: Stopped, not Failed; what the model folder holds is kept.
        seconds = _max_seconds(document)
        reason = f"The training job ran longer than MaxRuntimeInSeconds ({seconds:g} s) and was stopped"
        return Outcome(Status.STOPPED, reason, {**members, "SecondaryStatus": "MaxRuntimeExceeded"})
    status = Status.STOPPED if ending.cause is Cause.STOPPED else Status.COMPLETED
    return Outcome(status, None, {**members, "SecondaryStatus": status.value})


def _say_what_is_different(machine: Machine, document: Document, cluster: Sequence[Instance]) -> None:
    log = cluster[0].log
    if document.get("EnableNetworkIsolation"):
        if len(cluster) > 1:
            log.write("[local] EnableNetworkIsolation is not enforced for more than one instance")
        elif not machine.boundary.network and not machine.boundary.docker:
            log.write("[local] EnableNetworkIsolation is not enforced: this machine gives no network namespace")
    for channel in document.get("InputDataConfig", []):
        mode = channel.get("InputMode", document["AlgorithmSpecification"].get("TrainingInputMode"))
        if mode != "File":
            log.write(f"[local] the channel {channel['ChannelName']} of InputMode {mode} is brought in as files")


def _move(job: Job, stage: str, **members: object) -> None:
    def change(document: Document) -> None:
        _leave_stage(document)
        document["SecondaryStatus"] = stage
        document["SecondaryStatusTransitions"].append(
            {"Status": stage, "StartTime": now(), "StatusMessage": _LOUD[stage]}
        )
        document.update(members)

    job.change(change)


def _leave_stage(document: Document) -> None:
    document["SecondaryStatusTransitions"][-1].setdefault("EndTime", now())


def _begun(request: Document) -> Document:
    del request
    starting = {"Status": "Starting", "StartTime": now(), "StatusMessage": _LOUD["Starting"]}
    return {"SecondaryStatus": "Starting", "SecondaryStatusTransitions": [starting]}


def _settle(document: Document) -> None:
    status = Status(document["TrainingJobStatus"])
    if not status.final:
        return
    _leave_stage(document)
    ended = document.setdefault("TrainingEndTime", now())
    if document["SecondaryStatus"] not in ("Completed", "Stopped", "MaxRuntimeExceeded"):
        document["SecondaryStatus"] = status.value
    document["SecondaryStatusTransitions"].append(
        {
            "Status": document["SecondaryStatus"],
            "StartTime": ended,
            "EndTime": ended,
            "StatusMessage": _LOUD[document["SecondaryStatus"]],
        }
    )
    seconds = max(1, round(ended - document.get("TrainingStartTime", ended)))
    document["TrainingTimeInSeconds"] = document["BillableTimeInSeconds"] = seconds


# An instance's /opt/ml.


def _lay_out(machine: Machine, document: Document, instance: Instance) -> None:
    channels = [one for one in document.get("InputDataConfig", []) if _is_for(one, instance)]
    for channel in channels:
        source = channel["DataSource"]["S3DataSource"]
        folder = instance.ml / "input" / "data" / channel["ChannelName"]
        unpack = channel.get("CompressionType", "None") == "Gzip"
        inputs.bring(machine, source, folder, _share(source, instance), unpack=unpack)
    configuration: Mapping[str, Any] = {
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
    for synced in _synced(document, instance):
        synced.folder.mkdir(parents=True, exist_ok=True)
    if "CheckpointConfig" in document:
        checkpoints = _synced(document, instance)[0]
        fetching.fetch_if_any(machine, checkpoints.uri, checkpoints.folder)


def _is_for(channel: Document, instance: Instance) -> bool:
    names = channel["DataSource"]["S3DataSource"].get("InstanceGroupNames")
    return not names or instance.group.name in names


def _share(source: Document, instance: Instance) -> Share:
    """Among the instances that get the channel at all."""
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


def _synced(document: Document, instance: Instance) -> list[Synced]:
    """Folders that go to S3 while the job runs; that of the checkpoints comes first."""
    found = []
    if "CheckpointConfig" in document:
        given = document["CheckpointConfig"]
        folder = inputs.place(instance.ml, given.get("LocalPath", _CHECKPOINTS), "CheckpointConfig")
        found.append(Synced(folder, given["S3Uri"]))
    if "TensorBoardOutputConfig" in document:
        given = document["TensorBoardOutputConfig"]
        folder = inputs.place(instance.ml, given.get("LocalPath", _TENSORBOARD), "TensorBoardOutputConfig")
        uri = storage.joined(given["S3OutputPath"], document["TrainingJobName"], "tensorboard-output")
        found.append(Synced(folder, uri))
    return found


def _plain(value: str) -> str:
    """Hyperparameters of script mode are JSON texts; a bare word is taken as it is."""
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _max_seconds(document: Document) -> float:
    return float(document.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY))


# What it leaves.


def _upload(job: Job, document: Document, cluster: Sequence[Instance]) -> str:
    """Answers where the model is (or would be: an empty folder is not uploaded, as on AWS)."""
    root = _upload_data(job, document, cluster)
    model = _merged(cluster, "model")
    if document["OutputDataConfig"].get("CompressionType") == "NONE":
        storage.upload_folder(job.machine.s3, model, f"{root}/model", job.machine.closing)
        return f"{root}/model/"
    if archives.is_empty(model):
        cluster[0].log.write("No model artifact is saved under path /opt/ml/model; none is uploaded to S3.")
    else:
        _upload_packed(job, model, f"{root}/model.tar.gz")
    return f"{root}/model.tar.gz"


def _upload_data(job: Job, document: Document, cluster: Sequence[Instance]) -> str:
    """Answers the folder in S3 of all that the job leaves."""
    root = storage.joined(document["OutputDataConfig"]["S3OutputPath"], job.name, "output")
    data = _merged(cluster, "output/data")
    if not archives.is_empty(data):
        _upload_packed(job, data, f"{root}/output.tar.gz")
    return root


def _merged(cluster: Sequence[Instance], folder: str) -> Path:
    """The first instance's folder with the other instances' files added; its own files stay as they are."""
    target = cluster[0].ml / folder
    for other in cluster[1:]:
        for path in sorted((other.ml / folder).rglob("*")):
            file = target / path.relative_to(other.ml / folder)
            if path.is_file() and not path.is_symlink() and not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, file)
    return target


def _upload_packed(job: Job, folder: Path, uri: str) -> None:
    archive = job.folder / uri.rsplit("/", 1)[1]
    archives.pack(folder, archive)
    storage.upload_file(job.machine.s3, archive, uri)
    archive.unlink()


def update(jobs: Runner, request: Document) -> Document:
    """UpdateTrainingJob, of a job that runs; what can be changed is what is accepted and ignored."""
    name = request["TrainingJobName"]
    if request.get("RemoteDebugConfig", {}).get("EnableRemoteDebug"):
        raise inputs.refuse("RemoteDebugConfig")
    job = Job(jobs, KIND, name)
    document = job.document()
    if Status(document["TrainingJobStatus"]).final:
        raise ValidationException(f"The training job {name} is in status {document['TrainingJobStatus']}.")
    kept: Document = {key: request[key] for key in ("ProfilerConfig", "ProfilerRuleConfigurations") if key in request}
    resources = {**document["ResourceConfig"], **request.get("ResourceConfig", {})}
    job.update({**kept, "ResourceConfig": resources})
    return {"TrainingJobArn": document["TrainingJobArn"]}


def _with_metrics(machine: Machine, document: Document) -> Document:
    """And the metrics that the image's built-in algorithm has without being asked, as AWS shows them."""
    algorithm = document["AlgorithmSpecification"]
    try:
        built_in = machine.environments.resolve(algorithm["TrainingImage"]).metrics
    except WorkFailed:
        return document
    if not built_in or "MetricDefinitions" in algorithm:
        return document
    return {**document, "AlgorithmSpecification": {**algorithm, "MetricDefinitions": built_in}}


KIND = JobKind(
    "training-job",
    "TrainingJob",
    events.TRAINING_JOB,
    _check,
    _work,
    begun=_begun,
    settle=_settle,
    described=_with_metrics,
)
create, describe, listed, stop, delete = KIND.create, KIND.describe, KIND.listed, KIND.stop, KIND.delete
