"""Tuning jobs run real training jobs, find the best of them, and go on after the local cloud was killed."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.jobs.tuning.ranges import Categorical, space
from local.sagemaker.jobs.tuning.strategies import Tried, at_random, bayesian
from local.sagemaker.wire.errors import ValidationException
from tests.unit.local.sagemaker.cloud import image
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import await_tuning, start_tuning, training_definition

TRAIN = """#!/bin/sh
cp /opt/ml/input/config/hyperparameters.json /opt/ml/model/
sed 's/.*"x": "\\([^"]*\\)".*/score=\\1/' /opt/ml/input/config/hyperparameters.json
"""
X = {"IntegerParameterRanges": [{"Name": "x", "MinValue": "1", "MaxValue": "100"}]}
LETTERS = {
    "CategoricalParameterRanges": [{"Name": "a", "Values": ["p", "q"]}, {"Name": "x", "Values": ["1", "2", "3"]}]
}


def tuned(world: World, **more: Any) -> list[dict[str, Any]]:
    listed = world.client.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="tune", **{"SortBy": "CreationTime", "SortOrder": "Ascending", **more}
    )
    found: list[dict[str, Any]] = listed["TrainingJobSummaries"]
    return found


def test_the_training_job_with_the_best_metric_is_found(world: World) -> None:
    world.image("app", train=TRAIN)
    start_tuning(world, ParameterRanges=X, definition={"StaticHyperParameters": {"depth": "4"}})
    job = await_tuning(world)
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    counters = {"Completed": 3, "InProgress": 0, "NonRetryableError": 0, "RetryableError": 0, "Stopped": 0}
    assert job["TrainingJobStatusCounters"] == counters
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 0}
    trials = tuned(world)
    best = max(trials, key=lambda one: int(one["TunedHyperParameters"]["x"]))
    assert job["BestTrainingJob"]["TrainingJobName"] == best["TrainingJobName"]
    metric = best["FinalHyperParameterTuningJobObjectiveMetric"]
    assert metric == {"Type": "Maximize", "MetricName": "score", "Value": float(best["TunedHyperParameters"]["x"])}
    described = world.client.describe_training_job(TrainingJobName=best["TrainingJobName"])
    assert described["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    expected = {"depth": "4", "_tuning_objective_metric": "score", **best["TunedHyperParameters"]}
    assert described["HyperParameters"] == expected
    ordered = tuned(world, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    assert ordered[0]["TrainingJobName"] == best["TrainingJobName"]
    listed = world.client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    assert [(one["Strategy"], one["TrainingJobStatusCounters"]["Completed"]) for one in listed] == [("Random", 3)]


def test_a_grid_tries_every_combination_once(world: World) -> None:
    world.image("app", train=TRAIN)
    limits = {"MaxParallelTrainingJobs": 2}
    start_tuning(world, "Grid", ParameterRanges=LETTERS, ResourceLimits=limits)
    assert await_tuning(world)["HyperParameterTuningJobStatus"] == "Completed"
    found = [tuple(one["TunedHyperParameters"].values()) for one in tuned(world)]
    assert sorted(found) == [(a, x) for a in "pq" for x in "123"]


def test_a_target_that_is_reached_ends_the_job(world: World) -> None:
    world.image("app", train=TRAIN)
    limits = {"MaxNumberOfTrainingJobs": 50, "MaxParallelTrainingJobs": 1}
    criteria = {"TargetObjectiveMetricValue": 1.0}
    start_tuning(world, ParameterRanges=X, ResourceLimits=limits, TuningJobCompletionCriteria=criteria)
    assert await_tuning(world)["HyperParameterTuningJobStatus"] == "Completed"
    assert len(tuned(world)) == 1


def test_a_best_metric_that_does_not_get_better_ends_the_job(world: World) -> None:
    world.image("app", train="#!/bin/sh\necho score=1\n")
    limits = {"MaxNumberOfTrainingJobs": 50, "MaxParallelTrainingJobs": 1}
    criteria = {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}
    start_tuning(world, ParameterRanges=X, ResourceLimits=limits, TuningJobCompletionCriteria=criteria)
    assert await_tuning(world)["HyperParameterTuningJobStatus"] == "Completed"
    assert len(tuned(world)) == 4


def test_training_jobs_without_the_metric_fail_the_tuning_job(world: World) -> None:
    world.image("app", train="#!/bin/sh\nexit 0\n")
    start_tuning(world, ParameterRanges=X)
    job = await_tuning(world)
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert "emitted the objective metric score" in job["FailureReason"]
    assert job["ObjectiveStatusCounters"]["Failed"] == 3


def test_two_definitions_take_turns(world: World) -> None:
    world.image("app", train=TRAIN)
    objective = {"Type": "Minimize", "MetricName": "score"}
    definitions = [
        {**training_definition(), "DefinitionName": name, "TuningObjective": objective, "HyperParameterRanges": X}
        for name in ("one", "two")
    ]
    world.client.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="tune",
        HyperParameterTuningJobConfig={
            "Strategy": "Random",
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2},
        },
        TrainingJobDefinitions=definitions,
    )
    job = await_tuning(world)
    trials = tuned(world)
    assert [one["TrainingJobDefinitionName"] for one in trials] == ["one", "two"]
    lowest = min(trials, key=lambda one: int(one["TunedHyperParameters"]["x"]))
    assert job["BestTrainingJob"]["TrainingJobName"] == lowest["TrainingJobName"]


def test_when_every_training_job_fails_the_tuning_job_does(world: World) -> None:
    world.image("app", train="#!/bin/sh\nexit 1\n")
    start_tuning(world, ParameterRanges=X)
    job = await_tuning(world)
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("All training jobs failed.")
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 3


def test_a_stop_stops_what_runs(world: World) -> None:
    world.image("app", train="#!/bin/sh\necho ready\nsleep 600 & wait\n")
    start_tuning(world, ParameterRanges=X)
    world.cloud.await_line("ready")
    world.client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="tune")
    job = await_tuning(world)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert {one["TrainingJobStatus"] for one in tuned(world)} == {"Stopped"}


def test_a_killed_cloud_goes_on_and_tries_what_was_interrupted_again(world: World, tmp_path: Path) -> None:
    world.image("app", train="#!/bin/sh\necho ready\nsleep 600\n")
    limits = {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 1}
    start_tuning(world, ParameterRanges=X, ResourceLimits=limits)
    world.cloud.await_line("ready")
    # What is on the disk now is what a kill -9 leaves.
    shutil.copytree(world.root / "state", tmp_path / "killed" / "state")
    after = World(tmp_path / "killed", world.cache)
    after.image("app", train=TRAIN)
    after.start()
    job = await_tuning(after)
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    assert job["TrainingJobStatusCounters"]["RetryableError"] == 1
    assert job["TrainingJobStatusCounters"]["Completed"] == 2
    first, again, other = tuned(after)
    after.stop()
    assert first["TunedHyperParameters"] == again["TunedHyperParameters"] != other["TunedHyperParameters"]


def test_a_stop_of_the_cloud_leaves_the_tuning_job_to_the_next_start(world: World) -> None:
    world.image("app", train="#!/bin/sh\necho ready\nsleep 600\n")
    start_tuning(world, ParameterRanges=X)
    world.cloud.await_line("ready")
    world.stop()
    world.image("app", train=TRAIN)
    world.start()
    assert await_tuning(world)["HyperParameterTuningJobStatus"] == "Completed"


@pytest.mark.parametrize(
    ("strategy", "change", "message"),
    [
        ("Hyperband", {"ParameterRanges": X}, "Strategy Hyperband is not run"),
        ("Grid", {"ParameterRanges": X}, "supports only categorical parameters"),
        ("Grid", {"ParameterRanges": LETTERS}, "MaxNumberOfTrainingJobs must be 6"),
        ("Random", {}, "At least one hyperparameter range"),
        (
            "Random",
            {"ParameterRanges": X, "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "auc"}},
            "Choose a valid objective metric: score",
        ),
        (
            "Random",
            {"ParameterRanges": {"IntegerParameterRanges": [{"Name": "x", "MinValue": "9", "MaxValue": "1"}]}},
            "is greater than its MaxValue",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused(world: World, strategy: str, change: dict[str, Any], message: str) -> None:
    world.image("app", train=TRAIN)
    with pytest.raises(ClientError, match="ValidationException") as caught:
        start_tuning(world, strategy, **change)
    assert message in str(caught.value)


def test_of_several_instance_configurations_the_first_is_taken(world: World) -> None:
    world.image("app", train=TRAIN)
    several = [
        {"InstanceType": f"ml.m5.{size}", "InstanceCount": 1, "VolumeSizeInGB": 1} for size in ("large", "xlarge")
    ]
    definition = {**training_definition(), "HyperParameterTuningResourceConfig": {"InstanceConfigs": several}}
    del definition["ResourceConfig"]
    world.client.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="tune",
        HyperParameterTuningJobConfig={
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": X,
        },
        TrainingJobDefinition=definition,
    )
    assert await_tuning(world)["HyperParameterTuningJobStatus"] == "Completed"
    job = world.client.describe_training_job(TrainingJobName=tuned(world)[0]["TrainingJobName"])
    assert job["ResourceConfig"] == several[0]


def test_a_warm_start_is_refused(world: World) -> None:
    with pytest.raises(ClientError, match="WarmStartConfig is not run"):
        world.client.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="tune",
            HyperParameterTuningJobConfig={"Strategy": "Random", "ResourceLimits": {"MaxParallelTrainingJobs": 1}},
            WarmStartConfig={
                "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "p"}],
                "WarmStartType": "TransferLearning",
            },
        )


@pytest.mark.parametrize(
    ("kind", "scaling", "low", "high", "middle"),
    [
        ("Continuous", "Linear", "0", "10", 5.0),
        ("Continuous", "Auto", "0", "10", 5.0),
        ("Continuous", "Auto", "0.0001", "1", 0.01),
        ("Continuous", "Logarithmic", "0.01", "1", 0.1),
        ("Continuous", "ReverseLogarithmic", "0.9", "0.99", 0.968377),
        ("Integer", "Linear", "1", "3", 2),
    ],
)
def test_the_middle_of_a_range_is_that_of_its_scale(
    kind: str, scaling: str, low: str, high: str, middle: float
) -> None:
    given = {"Name": "x", "MinValue": low, "MaxValue": high, "ScalingType": scaling}
    found = space({f"{kind}ParameterRanges": [given]})
    assert float(found.values([0.5])["x"]) == pytest.approx(middle, abs=1e-6)
    assert found.point({"x": str(middle)}) == pytest.approx([0.5], abs=1e-5)
    assert float(found.values([0.0])["x"]) == pytest.approx(float(low))
    assert float(found.values([1.0])["x"]) == pytest.approx(float(high))
    if kind == "Integer":
        assert json.loads(found.values([0.99])["x"]) == 3


def test_a_logarithmic_range_starts_above_zero() -> None:
    given = {"Name": "x", "MinValue": "0", "MaxValue": "1", "ScalingType": "Logarithmic"}
    with pytest.raises(ValidationException, match="above 0"):
        space({"ContinuousParameterRanges": [given]})


def test_bayesian_search_comes_nearer_to_the_best_than_chance() -> None:
    """Over six seeds, with fifteen tries each, on a hill in a plane of three kinds of parameter."""
    found = space(
        {
            "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}],
            "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "50"}],
            "CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "b"]}],
        }
    )
    assert isinstance(found.parameters[-1], Categorical)

    def score(values: dict[str, str]) -> float:
        away = (float(values["x"]) - 0.3) ** 2 + (int(values["n"]) / 50 - 0.7) ** 2
        return (values["c"] == "b") * 0.2 - away

    def best(seed: int, guided: bool) -> float:
        tried: list[Tried] = []
        for number in range(15):
            rng = random.Random(f"{seed}-{number}")
            values = bayesian(found, tried, rng) if guided else at_random(found, rng)
            tried.append(Tried(values, score(values)))
        return max(one.score or 0.0 for one in tried)

    guided, chance = (sum(best(seed, way) for seed in range(6)) / 6 for way in (True, False))
    assert 0.2 - guided < (0.2 - chance) / 4


def test_a_running_trial_is_not_proposed_again() -> None:
    found = space({"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]})
    tried = [Tried({"x": str(x)}, -((x - 0.5) ** 2)) for x in (0.0, 0.3, 0.7, 1.0)]
    first = bayesian(found, tried, random.Random(1))
    second = bayesian(found, [*tried, Tried(first, None)], random.Random(1))
    assert abs(float(first["x"]) - float(second["x"])) > 0.01


def test_bayesian_runs_end_to_end(world: World) -> None:
    world.image("app", train=TRAIN)
    limits = {"MaxNumberOfTrainingJobs": 5, "MaxParallelTrainingJobs": 2}
    start_tuning(world, "Bayesian", ParameterRanges=X, ResourceLimits=limits, TrainingJobEarlyStoppingType="Auto")
    assert await_tuning(world)["TrainingJobStatusCounters"]["Completed"] == 5
    assert world.client.describe_training_job(TrainingJobName=tuned(world)[0]["TrainingJobName"])[
        "AlgorithmSpecification"
    ]["TrainingImage"] == image("app")
