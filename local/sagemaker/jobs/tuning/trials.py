"""The training jobs of a tuning job, as their documents tell of them."""

from collections.abc import Sequence

from local.documents import Document
from local.sagemaker.jobs.job import INTERRUPTED, Status
from local.sagemaker.jobs.training import kind as training
from local.sagemaker.jobs.tuning.definitions import Definition
from local.sagemaker.machine.machine import Machine

TUNED, SET = "_Tuned", "_Definition"
ARN = "TuningJobArn"


def trials_of(machine: Machine, document: Document) -> list[Document]:
    """Lists the training jobs of a tuning job, oldest first."""
    arn = document["HyperParameterTuningJobArn"]
    prefix = f"{document['HyperParameterTuningJobName']}-"
    return [trial for trial in machine.store.find(training.KIND.kind, prefix) if trial.get(ARN) == arn]


def is_final(trial: Document) -> bool:
    return Status(trial["TrainingJobStatus"]).final


def interrupted(trial: Document) -> bool:
    return bool(trial.get("FailureReason") == INTERRUPTED)


def metric_of(definition: Definition, trial: Document) -> float | None:
    for metric in trial.get("FinalMetricDataList", []):
        if metric["MetricName"] == definition.metric:
            return float(metric["Value"])
    return None


def score_of(definition: Definition, trial: Document) -> float | None:
    value = metric_of(definition, trial) if is_final(trial) else None
    return value if value is None or definition.maximize else -value


def scored(definitions: Sequence[Definition], trials: Sequence[Document]) -> list[tuple[Document, float]]:
    """Lists the completed training jobs with their score, by the time of their end."""
    by_name = {definition.name: definition for definition in definitions}
    pairs = [
        (trial, score)
        for trial in trials
        if trial["TrainingJobStatus"] == Status.COMPLETED.value
        and (score := score_of(by_name[trial[SET]], trial)) is not None
    ]
    return sorted(pairs, key=lambda pair: pair[0]["TrainingEndTime"])


def value_of(definitions: Sequence[Definition], trial: Document) -> float | None:
    return next((metric_of(definition, trial) for definition in definitions if definition.name == trial[SET]), None)
