"""SecondaryStatus of a training job: what it is at, and when it was at what."""

from local.documents import Document
from local.sagemaker.jobs.job import Job, Status
from local.store import now

_LOUD = {"Starting": "Starting the training job", "Downloading": "Downloading input data",
         "Training": "Training image download completed. Training in progress.",
         "Uploading": "Uploading generated training model", "Completed": "Training job completed",
         "Failed": "Training job failed", "Stopped": "Training job stopped",
         "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided"}  # fmt: skip


def move(job: Job, stage: str, **members: object) -> None:
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


def begun(request: Document) -> Document:
    del request
    starting = {"Status": "Starting", "StartTime": now(), "StatusMessage": _LOUD["Starting"]}
    return {"SecondaryStatus": "Starting", "SecondaryStatusTransitions": [starting]}


def settle(document: Document) -> None:
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
