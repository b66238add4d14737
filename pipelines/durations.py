"""How long a run of a pipeline may take, from what its steps may: the time that whoever waits for its end gives it."""

from collections.abc import Iterable
from typing import Final

from pipelines.documents import Document

MOST: Final = 80 * 86400
"""Seconds. Less than the state machine `training` may run, which has to record what comes after the pipeline."""

_AROUND: Final = 2 * 3600
"""What a step takes beside its job: capacity, images, data to and fro; and a step that runs no job at all."""

_ROOM: Final = ["SageMaker.RESOURCE_LIMIT"]
"""Retries that only wait for room: no job has run, and the hour around each step is what they take."""

_TRANSFORM: Final = 5 * 86400
"""A transform job has no limit of its own that a pipeline could set: as long as SageMaker lets one run, as a rule."""


def seconds(steps: Iterable[Document]) -> int:
    """Returns the time of all steps one after the other, each tried as often as its retry policies say."""
    return min(MOST, sum(_AROUND + _of_job(step) * _tries(step) for step in steps if step["Type"] != "Fail"))


def _tries(step: Document) -> int:
    policies = [policy for policy in step.get("RetryPolicies", []) if policy["ExceptionType"] != _ROOM]
    return 1 + max((int(policy.get("MaxAttempts", 5)) for policy in policies), default=0)


def _of_job(step: Document) -> int:
    arguments = step.get("Arguments", {})
    match step["Type"]:
        case "Training" | "Processing":
            return _limit(arguments)
        case "Tuning":
            limits = arguments["HyperParameterTuningJobConfig"]["ResourceLimits"]
            rounds = -(-int(limits["MaxNumberOfTrainingJobs"]) // int(limits["MaxParallelTrainingJobs"]))
            return rounds * _limit(arguments["TrainingJobDefinition"])
        case "Transform":
            return _TRANSFORM
        case _:
            return 0


def _limit(arguments: Document) -> int:
    """Returns the seconds of a job; with spot instances, those that include the wait for capacity."""
    condition = arguments.get("StoppingCondition", {})
    return int(condition.get("MaxWaitTimeInSeconds") or condition.get("MaxRuntimeInSeconds") or 86400)
