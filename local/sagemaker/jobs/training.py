"""Training jobs: channels in, a model out.

Contract: "Using Amazon SageMaker to run your training container" in the developer guide; script mode as the
sagemaker-training toolkit has it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.sagemaker import archives, events, listing, storage
from local.sagemaker.context import Context
from local.sagemaker.jobs import container, inputs
from local.sagemaker.jobs.container import Ending
from local.sagemaker.jobs.metrics import Metrics
from local.sagemaker.jobs.runner import Job, JobKind, Outcome, Status
from local.sagemaker.logs import LogStream
from local.sagemaker.processes import environment
from local.store import Document, now

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_TOOLKIT = Path(__file__).parents[1] / "toolkit" / "train.py"
_DAY = 86_400
_LOUD = {"Starting": "Starting the training job", "Downloading": "Downloading the training data",
         "Training": "Training", "Uploading": "Uploading the model"}  # fmt: skip


# The operations.


def create(context: Context, request: Document) -> Document:
    _check(request)
    starting = {"Status": "Starting", "StartTime": now(), "StatusMessage": _LOUD["Starting"]}
    members = {"SecondaryStatus": "Starting", "SecondaryStatusTransitions": [starting]}
    return context.jobs.create(KIND, request, members)


def describe(context: Context, request: Document) -> Document:
    return context.jobs.describe(KIND, request["TrainingJobName"])


def stop(context: Context, request: Document) -> Document:
    context.jobs.stop(KIND, request["TrainingJobName"])
    return {}


def listed(context: Context, request: Document) -> Document:
    return listing.page(
        "ListTrainingJobs", context.store.find(KIND.kind), request, name="TrainingJobName", status="TrainingJobStatus"
    )


def _check(request: Document) -> None:
    algorithm = request["AlgorithmSpecification"]
    if "TrainingImage" not in algorithm:
        raise inputs.refuse("AlgorithmSpecification without TrainingImage")
    if algorithm.get("TrainingInputMode") == "Pipe":
        raise inputs.refuse("TrainingInputMode Pipe")
    for unsupported in ("CheckpointConfig", "RemoteDebugConfig"):
        if request.get(unsupported):
            raise inputs.refuse(unsupported)
    Metrics(algorithm.get("MetricDefinitions", []))
    for channel in request.get("InputDataConfig", []):
        where = f"channel {channel['ChannelName']}"
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise inputs.refuse(f"a data source other than S3 ({where})")
        if channel.get("CompressionType", "None") != "None" or channel.get("InputMode") == "Pipe":
            raise inputs.refuse(f"CompressionType Gzip or InputMode Pipe ({where})")
        inputs.check_source(source, where)


# The work, in the job's thread.


def _work(context: Context, job: Job) -> Outcome:
    document = context.jobs.describe(KIND, job.name)
    path = job.folder / "output.log"
    log = context.shipper.open(LOG_GROUP, f"{job.name}/algo-1-{int(now())}", path)
    try:
        for folder in ("input/config", "input/data", "model", "output/data"):
            (job.ml / folder).mkdir(parents=True, exist_ok=True)
        _say_what_is_different(document, log)
        return _steps(context, job, document, log)
    finally:
        log.close()


def _steps(context: Context, job: Job, document: Document, log: LogStream) -> Outcome:
    algorithm = document["AlgorithmSpecification"]
    _move(context, job, "Downloading")
    for channel in document.get("InputDataConfig", []):
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        inputs.fetch(context, uri, job.ml / "input" / "data" / channel["ChannelName"])
    _write_configuration(context, job, document)
    extra = _fetch_source(context, job, document)
    built = context.environments.ensure(algorithm["TrainingImage"], extra, log.write)
    if "ContainerEntrypoint" in algorithm or "ContainerArguments" in algorithm:
        argv = [*algorithm.get("ContainerEntrypoint", ["train"]), *algorithm.get("ContainerArguments", [])]
    else:
        argv = ["train"] if built.image.folder is not None else ["python", "-P", str(_TOOLKIT)]
    command = environment.command(
        context,
        built,
        job.folder,
        argv,
        {
            **document.get("Environment", {}),
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": document["TrainingJobArn"],
        },
    )
    metrics = Metrics(algorithm.get("MetricDefinitions", []))
    _move(context, job, "Training", TrainingStartTime=now())
    ending = container.run(context, job, command, log, _max_seconds(document), metrics.see)
    ended = now()
    _move(context, job, "Uploading")
    members = {"TrainingEndTime": ended, "FinalMetricDataList": metrics.final()}
    if not ending.ok and not ending.stopped and not ending.overran:
        reason = container.failure_reason(ending.code, container.message(job.ml / "output" / "failure"), log)
        return Outcome(Status.FAILED, reason, {**members, "SecondaryStatus": "Failed"})
    if ending.stopped and context.jobs.closing.is_set():
        return Outcome(Status.STOPPED, None, members)
    members["ModelArtifacts"] = {"S3ModelArtifacts": _upload(context, job, document, log)}
    return _outcome(ending, members, document)


def _outcome(ending: Ending, members: Document, document: Document) -> Outcome:
    if ending.overran:
        # AWS: Stopped, not Failed; what the model folder holds is kept.
        seconds = _max_seconds(document)
        reason = f"The training job ran longer than MaxRuntimeInSeconds ({seconds:g} s) and was stopped"
        return Outcome(Status.STOPPED, reason, {**members, "SecondaryStatus": "MaxRuntimeExceeded"})
    status = Status.STOPPED if ending.stopped else Status.COMPLETED
    return Outcome(status, None, {**members, "SecondaryStatus": status.value})


def _say_what_is_different(document: Document, log: LogStream) -> None:
    if document["ResourceConfig"].get("InstanceCount", 1) > 1:
        log.write("[local] InstanceCount is more than 1: one process is run")
    if document.get("EnableNetworkIsolation"):
        log.write("[local] EnableNetworkIsolation is not enforced")


def _move(context: Context, job: Job, stage: str, **members: object) -> None:
    def change(document: Document) -> None:
        _leave_stage(document)
        document["SecondaryStatus"] = stage
        document["SecondaryStatusTransitions"].append(
            {"Status": stage, "StartTime": now(), "StatusMessage": _LOUD[stage]}
        )
        document.update(members)

    context.jobs.change(KIND, job.name, change)


def _leave_stage(document: Document) -> None:
    document["SecondaryStatusTransitions"][-1].setdefault("EndTime", now())


def _changed(context: Context, document: Document) -> None:
    """The event of a change; also finishes what a final status implies."""
    status = Status(document["TrainingJobStatus"])
    if status.final:
        _leave_stage(document)
        ended = document.setdefault("TrainingEndTime", now())
        if document["SecondaryStatus"] not in ("Completed", "Stopped", "MaxRuntimeExceeded"):
            document["SecondaryStatus"] = status.value
        document["SecondaryStatusTransitions"].append(
            {
                "Status": document["SecondaryStatus"],
                "StartTime": ended,
                "EndTime": ended,
                "StatusMessage": document.get("FailureReason", ""),
            }
        )
        started = document.get("TrainingStartTime", ended)
        seconds = max(1, round(ended - started))
        document["TrainingTimeInSeconds"] = document["BillableTimeInSeconds"] = seconds
    detail = {k: v for k, v in document.items() if k not in ("Tags", "FinalMetricDataList")}
    for name, value in detail.items():
        if name.endswith("Time"):
            detail[name] = events.milliseconds(value)
    context.outbox.add(events.TRAINING_JOB, {**detail, "Tags": {}}, [document["TrainingJobArn"]])


def _write_configuration(context: Context, job: Job, document: Document) -> None:
    resources = document["ResourceConfig"]
    host = context.boundary.host
    channels = {
        channel["ChannelName"]: {
            "ContentType": channel.get("ContentType", ""),
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        }
        for channel in document.get("InputDataConfig", [])
    }
    group = {
        "instance_group_name": "homogeneousCluster",
        "instance_type": resources.get("InstanceType", "local"),
        "hosts": [host],
    }
    configuration: Mapping[str, Any] = {
        "hyperparameters": document.get("HyperParameters", {}),
        "inputdataconfig": channels,
        "resourceconfig": {
            "current_host": host,
            "hosts": [host],
            "current_instance_type": group["instance_type"],
            "current_group_name": group["instance_group_name"],
            "instance_groups": [group],
            "network_interface_name": "lo",
        },
    }
    for name, content in configuration.items():
        (job.ml / "input" / "config" / f"{name}.json").write_text(json.dumps(content))


def _fetch_source(context: Context, job: Job, document: Document) -> bytes:
    """Script mode's source into /opt/ml/code; answers its requirements.txt."""
    source = _plain(document.get("HyperParameters", {}).get("sagemaker_submit_directory", ""))
    if not source.startswith("s3://"):
        return b""
    code = job.ml / "code"
    inputs.fetch_source(context, source, code, job.folder / "sourcedir.tar.gz")
    return inputs.requirements(code)


def _plain(value: str) -> str:
    """Hyperparameters of script mode are JSON texts; a bare word is taken as it is."""
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _max_seconds(document: Document) -> float:
    return float(document.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY))


def _upload(context: Context, job: Job, document: Document, log: LogStream) -> str:
    """Answers where the model is (or would be: an empty folder is not uploaded, as on AWS)."""
    output = document["OutputDataConfig"]
    root = storage.joined(output["S3OutputPath"], job.name, "output")
    model, data = job.ml / "model", job.ml / "output" / "data"
    if not archives.is_empty(data):
        _upload_packed(context, job, data, f"{root}/output.tar.gz")
    if output.get("CompressionType") == "NONE":
        storage.upload_folder(context.s3, model, f"{root}/model", context.jobs.closing)
        return f"{root}/model/"
    if archives.is_empty(model):
        log.write("No model artifact is saved under path /opt/ml/model; none is uploaded to S3.")
    else:
        _upload_packed(context, job, model, f"{root}/model.tar.gz")
    return f"{root}/model.tar.gz"


def _upload_packed(context: Context, job: Job, folder: Path, uri: str) -> None:
    archive = job.folder / uri.rsplit("/", 1)[1]
    archives.pack(folder, archive)
    storage.upload_file(context.s3, archive, uri)
    archive.unlink()


KIND = JobKind("training-job", "TrainingJob", _work, _changed)
