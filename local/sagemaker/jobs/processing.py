"""Processing jobs: inputs laid under /opt/ml/processing, a command, outputs to S3 at its end.

Contract: "Build Your Own Processing Container" in the developer guide.
"""

import json
from pathlib import Path

from local.sagemaker import events, listing, storage
from local.sagemaker.context import Context
from local.sagemaker.errors import ValidationException
from local.sagemaker.jobs import container, inputs
from local.sagemaker.jobs.runner import Job, JobKind, Outcome, Status, shortened
from local.sagemaker.logs import LogStream
from local.sagemaker.processes import environment
from local.store import Document, now

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
_DAY = 86_400
_ROOT = "/opt/ml/"


# The operations.


def create(context: Context, request: Document) -> Document:
    _check(request)
    return context.jobs.create(KIND, request, {})


def describe(context: Context, request: Document) -> Document:
    return context.jobs.describe(KIND, request["ProcessingJobName"])


def stop(context: Context, request: Document) -> Document:
    context.jobs.stop(KIND, request["ProcessingJobName"])
    return {}


def listed(context: Context, request: Document) -> Document:
    return listing.page(
        "ListProcessingJobs",
        context.store.find(KIND.kind),
        request,
        name="ProcessingJobName",
        status="ProcessingJobStatus",
    )


def _check(request: Document) -> None:
    for entry in request.get("ProcessingInputs", []):
        where = f"input {entry['InputName']}"
        source = entry.get("S3Input")
        if source is None:
            raise inputs.refuse(f"an input other than S3Input ({where})")
        if source.get("S3InputMode", "File") != "File" or source.get("S3CompressionType", "None") != "None":
            raise inputs.refuse(f"S3InputMode Pipe or S3CompressionType Gzip ({where})")
        inputs.check_source(source, where)
        _place(Path("/"), source.get("LocalPath", ""), where)
    for entry in request.get("ProcessingOutputConfig", {}).get("Outputs", []):
        where = f"output {entry['OutputName']}"
        if "S3Output" not in entry:
            raise inputs.refuse(f"an output other than S3Output ({where})")
        _place(Path("/"), entry["S3Output"].get("LocalPath", ""), where)


def _place(ml: Path, local_path: str, where: str) -> Path:
    """Where a LocalPath of the container is on this machine, under `ml`."""
    parts = [part for part in local_path.removeprefix(_ROOT).split("/") if part]
    if not local_path.startswith(_ROOT) or not parts or ".." in parts:
        raise ValidationException(f"The LocalPath of {where} must be below /opt/ml: {local_path!r}")
    return ml.joinpath(*parts)


# The work, in the job's thread.


def _work(context: Context, job: Job) -> Outcome:
    document = context.jobs.describe(KIND, job.name)
    path = job.folder / "output.log"
    log = context.shipper.open(LOG_GROUP, f"{job.name}/algo-1-{int(now())}", path)
    try:
        return _steps(context, job, document, log)
    finally:
        log.close()


def _steps(context: Context, job: Job, document: Document, log: LogStream) -> Outcome:
    for folder in ("config", "output", "processing"):
        (job.ml / folder).mkdir(parents=True, exist_ok=True)
    if document["ProcessingResources"]["ClusterConfig"].get("InstanceCount", 1) > 1:
        log.write("[local] InstanceCount is more than 1: one process is run")
    for entry in document.get("ProcessingInputs", []):
        source = entry["S3Input"]
        inputs.fetch(context, source["S3Uri"], _place(job.ml, source["LocalPath"], entry["InputName"]))
    outputs = document.get("ProcessingOutputConfig", {}).get("Outputs", [])
    places = [
        (_place(job.ml, entry["S3Output"]["LocalPath"], entry["OutputName"]), entry["S3Output"]["S3Uri"])
        for entry in outputs
    ]
    for place, _ in places:
        place.mkdir(parents=True, exist_ok=True)
    _write_configuration(context, job, document)
    specification = document["AppSpecification"]
    built = context.environments.ensure(specification["ImageUri"], progress=log.write)
    argv = [
        *specification.get("ContainerEntrypoint", ["processing"]),
        *specification.get("ContainerArguments", []),
    ]
    variables = {**document.get("Environment", {}), "PROCESSING_JOB_NAME": job.name}
    command = environment.command(context, built, job.folder, argv, variables)
    started = now()
    context.jobs.change(KIND, job.name, lambda d: d.update({"ProcessingStartTime": started}))
    seconds = float(document.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY))
    ending = container.run(context, job, command, log, seconds)
    said = container.message(job.ml / "output" / "message")
    members: Document = {"ExitMessage": shortened(said)} if said else {}
    members["ProcessingEndTime"] = now()
    if ending.overran:
        reason = f"The processing job ran longer than MaxRuntimeInSeconds ({seconds:g} s) and was stopped"
        return Outcome(Status.STOPPED, reason, members)
    if ending.stopped:
        return Outcome(Status.STOPPED, None, members)
    if not ending.ok:
        return Outcome(Status.FAILED, container.failure_reason(ending.code, said, log), members)
    for place, uri in places:
        storage.upload_folder(context.s3, place, uri, context.jobs.closing)
    return Outcome(Status.COMPLETED, None, members)


def _write_configuration(context: Context, job: Job, document: Document) -> None:
    host = context.boundary.host
    kept = (
        "ProcessingJobArn", "ProcessingJobName", "Environment", "AppSpecification", "ProcessingInputs",
        "ProcessingOutputConfig", "ProcessingResources", "RoleArn", "StoppingCondition",
    )  # fmt: skip
    job_configuration = {name: document[name] for name in kept if name in document}
    resources = {"current_host": host, "hosts": [host]}
    (job.ml / "config" / "processingjobconfig.json").write_text(json.dumps(job_configuration))
    (job.ml / "config" / "resourceconfig.json").write_text(json.dumps(resources))


def _changed(context: Context, document: Document) -> None:
    if Status(document["ProcessingJobStatus"]).final:
        document.setdefault("ProcessingEndTime", now())
    detail = {
        name: events.milliseconds(value) if name.endswith("Time") else value
        for name, value in document.items()
        if name != "Tags"
    }
    context.outbox.add(events.PROCESSING_JOB, {**detail, "Tags": {}}, [document["ProcessingJobArn"]])


KIND = JobKind("processing-job", "ProcessingJob", _work, _changed)
