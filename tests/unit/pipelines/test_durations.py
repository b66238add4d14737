"""How long a run may take is what its steps may take, tried as often as they are."""

import pytest

from pipelines import durations
from pipelines.documents import Document

AROUND = 2 * 3600


def job(kind: str, seconds: int, **more: object) -> Document:
    return {"Type": kind, "Arguments": {"StoppingCondition": {"MaxRuntimeInSeconds": seconds}}, **more}


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (job("Training", 432000), 432000),
        (job("Processing", 60), 60),
        (job("Training", 60, RetryPolicies=[{"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 3}]), 240),
        (job("Training", 60, RetryPolicies=[{"ExceptionType": ["SageMaker.RESOURCE_LIMIT"], "MaxAttempts": 20}]), 60),
        ({"Type": "Lambda", "Arguments": {}}, 0),
        (
            {
                "Type": "Training",
                "Arguments": {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90}},
            },
            90,
        ),
        (
            {
                "Type": "Tuning",
                "Arguments": {
                    "HyperParameterTuningJobConfig": {
                        "ResourceLimits": {"MaxNumberOfTrainingJobs": 5, "MaxParallelTrainingJobs": 2}
                    },
                    "TrainingJobDefinition": {"StoppingCondition": {"MaxRuntimeInSeconds": 100}},
                },
            },
            300,
        ),
    ],
)
def test_a_step_takes_its_job_and_what_is_around_it(step: Document, seconds: int) -> None:
    assert durations.seconds([step]) == seconds + AROUND


def test_steps_are_taken_one_after_the_other_and_a_fail_step_is_none() -> None:
    steps = [job("Training", 100), {"Type": "Fail", "Arguments": {}}, job("Processing", 10)]
    assert durations.seconds(steps) == 110 + 2 * AROUND


def test_no_run_is_waited_for_longer_than_the_machine_lives() -> None:
    assert durations.seconds([job("Training", 432000)] * 50) == durations.MOST
