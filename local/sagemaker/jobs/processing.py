"""Processing jobs: inputs laid under /opt/ml/processing, a command, outputs to S3.

Contract: "Build Your Own Processing Container" in the developer guide.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from local.documents import Document
from local.sagemaker.jobs import container, inputs, instances
from local.sagemaker.jobs.container import Cause, Ending
from local.sagemaker.jobs.inputs import Share
from local.sagemaker.jobs.instances import Group, Instance
from local.sagemaker.jobs.job import Job, JobKind, Outcome, Status
from local.sagemaker.jobs.uploads import Synced, Uploads
from local.sagemaker.jobs.volume import Volume
from local.sagemaker.machine import events, storage
from local.sagemaker.machine.environments import Environment
from local.sagemaker.machine.machine import Machine
from local.sagemaker.machine.processes import environment
from local.sagemaker.machine.processes.program import Program
from local.sagemaker.wire.reasons import shortened
from local.store import now

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
_DAY = 86_400
_FOLDERS = ("config", "output", "processing")
_CONFIGURATION = (
    "ProcessingJobArn", "ProcessingJobName", "Environment", "AppSpecification", "ProcessingInputs",
    "ProcessingOutputConfig", "ProcessingResources", "NetworkConfig", "RoleArn", "StoppingCondition",
)  # fmt: skip


# What is refused. An input or output that is AppManaged is left to the program, as AWS leaves it.


def _check(machine: Machine, request: Document) -> None:
    del machine
    if "InstancePreferences" in request["ProcessingResources"]["ClusterConfig"]:
        raise inputs.refuse("ClusterConfig.InstancePreferences")
    for entry in request.get("ProcessingInputs", []):
        _check_input(entry, f"input {entry['InputName']}")
    for entry in request.get("ProcessingOutputConfig", {}).get("Outputs", []):
        where = f"output {entry['OutputName']}"
        if "S3Output" not in entry:
            raise inputs.refuse(f"an output other than S3Output ({where})")
        if not entry.get("AppManaged"):
            inputs.place(Path("/"), entry["S3Output"].get("LocalPath", ""), where)


def _check_input(entry: Document, where: str) -> None:
    source = entry.get("S3Input")
    if source is None:
        raise inputs.refuse(f"an input other than S3Input, such as DatasetDefinition ({where})")
    if entry.get("AppManaged"):
        return
    if source.get("S3InputMode", "File") != "File" or source.get("S3CompressionType", "None") != "None":
        raise inputs.refuse(f"S3InputMode Pipe or S3CompressionType Gzip ({where})")
    inputs.check_source(source, where)
    inputs.place(Path("/"), source.get("LocalPath", ""), where)


# The work, in the job's thread.


def _work(job: Job) -> Outcome:
    machine, document = job.machine, job.document()
    resources = document["ProcessingResources"]["ClusterConfig"]
    group = Group("", resources.get("InstanceType", "local"), resources.get("InstanceCount", 1))
    with instances.prepared(job, LOG_GROUP, [group], _FOLDERS) as cluster:
        if _isolated(document) and (len(cluster) > 1 or not (machine.boundary.network or machine.boundary.docker)):
            cluster[0].log.write("[local] EnableNetworkIsolation is not enforced (one instance and namespaces needed)")
        return _steps(job, document, cluster)


def _isolated(document: Document) -> bool:
    return bool(document.get("NetworkConfig", {}).get("EnableNetworkIsolation"))


def _steps(job: Job, document: Document, cluster: Sequence[Instance]) -> Outcome:
    machine = job.machine
    for instance in cluster:
        _lay_out(machine, document, instance)
    log = cluster[0].log
    built = machine.environments.ensure(document["AppSpecification"]["ImageUri"], progress=log.write)
    runs = [_run_of(machine, document, built, instance, len(cluster)) for instance in cluster]
    started, seconds = now(), _max_seconds(document)
    job.update({"ProcessingStartTime": started})
    with Uploads(job, log, _outputs(document, cluster, "Continuous")) as uploads:
        ending = container.run(job, runs, seconds)
    said = container.message(cluster[ending.index].ml / "output" / "message")
    members: Document = {"ExitMessage": shortened(said)} if said else {}
    members["ProcessingEndTime"] = now()
    outcome = _outcome(ending, said, members, cluster, runs)
    if outcome.status is Status.COMPLETED:
        uploads.finish()
        for output in _outputs(document, cluster, "EndOfJob"):
            storage.upload_folder(machine.s3, output.folder, output.uri, machine.closing)
    elif not machine.closing.is_set():
        # What a Continuous output holds was to be there whatever becomes of the job.
        uploads.finish()
    return outcome


def _outcome(
    ending: Ending, said: str, members: Document, cluster: Sequence[Instance], runs: Sequence[container.Run]
) -> Outcome:
    failed = cluster[ending.index]
    match ending.cause:
        case Cause.OVERRAN:
            reason = "The processing job ran longer than MaxRuntimeInSeconds and was stopped"
            return Outcome(Status.STOPPED, reason, members)
        case Cause.STOPPED:
            return Outcome(Status.STOPPED, None, members)
        case Cause.OVERFULL:
            return Outcome(Status.FAILED, f"ClientError: {failed.host}: {runs[ending.index].volume.reason}", members)
        case Cause.ITSELF:
            if ending.ok:
                return Outcome(Status.COMPLETED, None, members)
            return Outcome(Status.FAILED, container.failure_reason(ending.code, said, failed.log), members)


def _run_of(machine: Machine, document: Document, built: Environment, instance: Instance, count: int) -> container.Run:
    specification = document["AppSpecification"]
    argv = [
        *specification.get("ContainerEntrypoint", ["processing"]),
        *specification.get("ContainerArguments", []),
    ]
    variables = {
        **document.get("Environment", {}),
        "PROCESSING_JOB_NAME": document["ProcessingJobName"],
        "PROCESSING_JOB_ARN": document["ProcessingJobArn"],
    }
    program = Program(argv, variables, instance.cluster.hosts, not _isolated(document) or count > 1)
    command = environment.command(machine, built, instance.folder, program)
    size = document["ProcessingResources"]["ClusterConfig"].get("VolumeSizeInGB")
    return container.Run(command, instance.log, Volume(machine, instance.folder, size))


def _lay_out(machine: Machine, document: Document, instance: Instance) -> None:
    count = len(instance.cluster.hosts)
    for entry in document.get("ProcessingInputs", []):
        if not entry.get("AppManaged"):
            source = entry["S3Input"]
            folder = inputs.place(instance.ml, source["LocalPath"], entry["InputName"])
            inputs.bring(machine, source, folder, Share(instance.index, count))
    for output in _outputs(document, [instance], "EndOfJob") + _outputs(document, [instance], "Continuous"):
        output.folder.mkdir(parents=True, exist_ok=True)
    configuration = {name: document[name] for name in _CONFIGURATION if name in document}
    resources = {
        "current_host": instance.host,
        "hosts": list(instance.cluster.hosts),
        "current_instance_type": instance.group.type,
    }
    (instance.ml / "config" / "processingjobconfig.json").write_text(json.dumps(configuration))
    (instance.ml / "config" / "resourceconfig.json").write_text(json.dumps(resources))


def _outputs(document: Document, cluster: Sequence[Instance], mode: str) -> list[Synced]:
    """Returns the outputs of one S3UploadMode. Instances share the place: a name that two write is one object."""
    return [
        Synced(
            inputs.place(instance.ml, entry["S3Output"]["LocalPath"], entry["OutputName"]), entry["S3Output"]["S3Uri"]
        )
        for instance in cluster
        for entry in document.get("ProcessingOutputConfig", {}).get("Outputs", [])
        if entry["S3Output"]["S3UploadMode"] == mode and not entry.get("AppManaged")
    ]


def _max_seconds(document: Document) -> float:
    return float(document.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY))


KIND = JobKind("processing-job", "ProcessingJob", events.PROCESSING_JOB, _check, _work)
create, describe, listed, stop, delete = KIND.create, KIND.describe, KIND.listed, KIND.stop, KIND.delete
