"""The work of a tuning job: the next training job, until its limits are met."""

import time
import zlib
from collections.abc import Sequence
from dataclasses import replace

from local.documents import Document
from local.sagemaker.jobs.job import Job, JobKind, Outcome, Runner, Status
from local.sagemaker.jobs.training import kind as training
from local.sagemaker.jobs.tuning.choice import next_values
from local.sagemaker.jobs.tuning.definitions import Definition, definitions_of, training_request
from local.sagemaker.jobs.tuning.description import counted_by_status, described, summary
from local.sagemaker.jobs.tuning.rules import check
from local.sagemaker.jobs.tuning.trials import ARN, SET, TUNED, interrupted, is_final, scored, trials_of
from local.sagemaker.machine import events
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire import listing
from local.sagemaker.wire.errors import ApiError, ValidationException, WorkFailed
from local.store import now

_UNLIMITED = 365 * 86_400.0
_ALL_FAILED = "All training jobs failed. Please take a look at the training jobs failures to get more details."


def _work(job: Job) -> Outcome:
    document = job.document()
    definitions = definitions_of(document)
    limits = document["HyperParameterTuningJobConfig"]["ResourceLimits"]
    # Of the wall clock: a restart does not give it more.
    deadline = document["CreationTime"] + limits.get("MaxRuntimeInSeconds", _UNLIMITED)
    most = limits.get("MaxNumberOfTrainingJobs", sum(d.space.size for d in definitions) or None)
    over = ""
    while True:
        # Cleared before the look: what happens after it sets the event again.
        job.wake.clear()
        trials = trials_of(job.machine, document)
        running = [trial for trial in trials if not is_final(trial)]
        stopped = job.stop_asked.is_set()
        over = over or _completed(document, definitions, trials, deadline)
        counted = [trial for trial in trials if not interrupted(trial)]
        if stopped or over:
            _stop(job.runner, running)
        elif len(running) < limits["MaxParallelTrainingJobs"] and (most is None or len(counted) < most):
            _start_next(job, document, definitions, trials)
            continue
        if not running:
            return replace(_outcome(definitions, trials, stopped), members=counted_by_status(definitions, trials))
        # The wall clock may be set while this waits: a look now and then costs nothing.
        job.wake.wait(min(max(0.0, deadline - time.time()), 60.0))


def _stop(jobs: Runner, running: Sequence[Document]) -> None:
    for trial in running:
        if trial["TrainingJobStatus"] == Status.IN_PROGRESS.value:
            try:
                jobs.stop(training.KIND, trial["TrainingJobName"])
            except ValidationException:
                # It has ended by itself meanwhile.
                continue


def _start_next(job: Job, document: Document, definitions: Sequence[Definition], trials: Sequence[Document]) -> None:
    """Raises WorkFailed where a training job cannot be created."""
    definition, values = next_values(document, definitions, trials)
    seed = f"{document['HyperParameterTuningJobArn']}{document['CreationTime']}{len(trials)}"
    name = f"{job.name}-{len(trials) + 1:03d}-{zlib.crc32(seed.encode()):08x}"
    request = training_request(document, definition, name, values)
    members = {ARN: document["HyperParameterTuningJobArn"], TUNED: values, SET: definition.name}
    try:
        job.runner.create(training.KIND, request, members, on_end=job.wake.set)
    except ApiError as error:
        raise WorkFailed(error.message) from error


def _completed(
    document: Document, definitions: Sequence[Definition], trials: Sequence[Document], deadline: float
) -> str:
    """Says why nothing more is to be tried though the limits allow it; empty when nothing speaks against it."""
    if now() >= deadline:
        return "MaxRuntimeInSeconds"
    criteria = document["HyperParameterTuningJobConfig"].get("TuningJobCompletionCriteria", {})
    scores = [score for _, score in scored(definitions, trials)]
    target = criteria.get("TargetObjectiveMetricValue")
    if target is not None and scores and max(scores) >= (target if definitions[0].maximize else -target):
        return "TargetObjectiveMetricValue"
    patience = criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving")
    if patience is not None and _not_improving(scores) >= patience:
        return "BestObjectiveNotImproving"
    return ""


def _not_improving(scores: Sequence[float]) -> int:
    return len(scores) - 1 - scores.index(max(scores)) if scores else 0


def _outcome(definitions: Sequence[Definition], trials: Sequence[Document], stopped: bool) -> Outcome:
    if stopped:
        return Outcome(Status.STOPPED)
    if not scored(definitions, trials) and trials:
        if any(trial["TrainingJobStatus"] == Status.COMPLETED.value for trial in trials):
            metrics = ", ".join(sorted({definition.metric for definition in definitions}))
            return Outcome(Status.FAILED, f"No training job has emitted the objective metric {metrics}.")
        return Outcome(Status.FAILED, _ALL_FAILED)
    return Outcome(Status.COMPLETED)


def list_training_jobs(machine: Machine, request: Document) -> Document:
    """Answers ListTrainingJobsForHyperParameterTuningJob."""
    document = KIND.find(machine, request["HyperParameterTuningJobName"])
    definitions = definitions_of(document)
    summaries = [summary(document, definitions, trial) for trial in trials_of(machine, document)]
    if request.get("SortBy") == "FinalObjectiveMetricValue":
        # Without a value: listed by neither order in AWS.
        key = "FinalHyperParameterTuningJobObjectiveMetric"
        with_value = [trial for trial in summaries if key in trial]
        summaries = sorted(with_value, key=lambda trial: trial[key]["Value"])
    operation = "ListTrainingJobsForHyperParameterTuningJob"
    return listing.page(operation, summaries, request, name="TrainingJobName", status="TrainingJobStatus")


KIND = JobKind(
    "hyper-parameter-tuning-job",
    "HyperParameterTuningJob",
    events.TUNING_JOB,
    check,
    _work,
    described=described,
    resumes=True,
)
create, describe, listed, stop, delete = KIND.create, KIND.describe, KIND.listed, KIND.stop, KIND.delete
