"""What of a tuning job is only known when it is asked for: how its training jobs stand, and which is the best."""

from collections.abc import Sequence

from local.documents import Document
from local.sagemaker.jobs.job import Status
from local.sagemaker.jobs.tuning.definitions import Definition, definitions_of
from local.sagemaker.jobs.tuning.trials import SET, TUNED, interrupted, is_final, scored, trials_of, value_of
from local.sagemaker.machine.machine import Machine
from local.store import now


def described(machine: Machine, document: Document) -> Document:
    trials, definitions = trials_of(machine, document), definitions_of(document)
    best = max(scored(definitions, trials), key=lambda pair: pair[1], default=None)
    ended = document.get("HyperParameterTuningEndTime", now())
    members = {
        **document,
        **counted_by_status(definitions, trials),
        "Strategy": document["HyperParameterTuningJobConfig"]["Strategy"],
        "ResourceLimits": document["HyperParameterTuningJobConfig"]["ResourceLimits"],
        "ConsumedResources": {"RuntimeInSeconds": round(ended - document["CreationTime"])},
    }
    if best is not None:
        members["BestTrainingJob"] = summary(document, definitions, best[0])
    return members


def counted_by_status(definitions: Sequence[Definition], trials: Sequence[Document]) -> Document:
    counters: dict[str, int] = dict.fromkeys(
        ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0
    )
    objectives: dict[str, int] = dict.fromkeys(("Succeeded", "Pending", "Failed"), 0)
    for trial in trials:
        counters[_counter(trial)] += 1
        objectives[_objective(definitions, trial)] += 1
    return {"TrainingJobStatusCounters": counters, "ObjectiveStatusCounters": objectives}


def _counter(trial: Document) -> str:
    match Status(trial["TrainingJobStatus"]):
        case Status.COMPLETED:
            return "Completed"
        case Status.FAILED:
            return "RetryableError" if interrupted(trial) else "NonRetryableError"
        case Status.STOPPED:
            return "Stopped"
        case _:
            return "InProgress"


def _objective(definitions: Sequence[Definition], trial: Document) -> str:
    if not is_final(trial):
        return "Pending"
    return "Succeeded" if value_of(definitions, trial) is not None else "Failed"


def summary(document: Document, definitions: Sequence[Definition], trial: Document) -> Document:
    """Answers its HyperParameterTrainingJobSummary."""
    definition = next(definition for definition in definitions if definition.name == trial[SET])
    value = value_of(definitions, trial)
    members: Document = {
        **trial,
        "TrainingJobDefinitionName": definition.name,
        "TuningJobName": document["HyperParameterTuningJobName"],
        "TunedHyperParameters": trial[TUNED],
        "ObjectiveStatus": _objective(definitions, trial),
    }
    if value is None:
        return members
    metric = {"MetricName": definition.metric, "Value": value, "Type": _type(definition)}
    return {**members, "FinalHyperParameterTuningJobObjectiveMetric": metric}


def _type(definition: Definition) -> str:
    return "Maximize" if definition.maximize else "Minimize"
