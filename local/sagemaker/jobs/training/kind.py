"""The work of a training job, from its channels to its model."""

from collections.abc import Mapping, Sequence

from local.documents import Document, Json
from local.sagemaker.jobs import container, inputs, instances
from local.sagemaker.jobs.container import Cause, Ending
from local.sagemaker.jobs.instances import Instance
from local.sagemaker.jobs.job import Job, JobKind, Outcome, Runner, Status
from local.sagemaker.jobs.training.artifacts import upload, upload_data
from local.sagemaker.jobs.training.layout import groups, lay_out, synced
from local.sagemaker.jobs.training.metrics import Metrics
from local.sagemaker.jobs.training.rules import DAY, check
from local.sagemaker.jobs.training.stages import begun, move, settle
from local.sagemaker.jobs.uploads import Uploads
from local.sagemaker.jobs.volume import Volume
from local.sagemaker.machine import events, fetching
from local.sagemaker.machine.environments import Environment
from local.sagemaker.machine.machine import Machine
from local.sagemaker.machine.processes import environment
from local.sagemaker.machine.processes.program import Program
from local.sagemaker.wire.errors import ValidationException, WorkFailed
from local.store import now

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_FOLDERS = ("input/config", "input/data", "model", "output/data")


def _work(job: Job) -> Outcome:
    document = job.document()
    with instances.prepared(job, LOG_GROUP, groups(document), _FOLDERS) as cluster:
        _say_what_is_different(job.machine, document, cluster)
        return _steps(job, document, cluster)


def _steps(job: Job, document: Document, cluster: Sequence[Instance]) -> Outcome:
    machine, first, algorithm = job.machine, cluster[0], document["AlgorithmSpecification"]
    move(job, "Downloading")
    for instance in cluster:
        lay_out(machine, document, instance)
    extra = fetching.requirements(first.ml / "code")
    built = machine.environments.ensure(algorithm["TrainingImage"], extra, first.log.write)
    metrics = Metrics(_definitions(algorithm, built))
    runs = [_run_of(machine, document, built, instance, len(cluster), metrics) for instance in cluster]
    folders = [folder for instance in cluster for folder in synced(document, instance)]
    with Uploads(job, first.log, folders) as uploads:
        uploads.skip_present()
        move(job, "Training", TrainingStartTime=now())
        ending = container.run(job, runs, _max_seconds(document))
    members: Document = {"TrainingEndTime": now(), "FinalMetricDataList": metrics.final()}
    if ending.cause is Cause.STOPPED and machine.closing.is_set():
        return Outcome(Status.STOPPED, None, members)
    uploads.finish()
    move(job, "Uploading")
    if (reason := _reason(ending, cluster, runs)) is not None:
        # What it left in output/data may tell why, so that is kept, as on AWS; there is no model.
        upload_data(job, document, cluster)
        return Outcome(Status.FAILED, reason, {**members, "SecondaryStatus": "Failed"})
    members["ModelArtifacts"] = {"S3ModelArtifacts": upload(job, document, cluster)}
    return _outcome(ending, members, document)


def _definitions(algorithm: Document, built: Environment) -> list[Mapping[str, Json]]:
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
    """Says why the job failed; None when it did not."""
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


def _max_seconds(document: Document) -> float:
    return float(document.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DAY))


def update(jobs: Runner, request: Document) -> Document:
    """Changes a job that runs (UpdateTrainingJob); what can be changed is what is accepted and ignored."""
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
    """Adds the metrics that the image's built-in algorithm has without being asked, as AWS shows them."""
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
    check,
    _work,
    begun=begun,
    settle=settle,
    described=_with_metrics,
)
create, describe, listed, stop, delete = KIND.create, KIND.describe, KIND.listed, KIND.stop, KIND.delete
