"""Hyperparameter tuning jobs: training jobs with one set of values each, until the limits of the tuning job are met.

All that a tuning job knows is in its training jobs' documents, written with each of them: after a kill -9 it goes on
from there, and what was interrupted is tried again with the same values.
"""

import random
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from local.documents import Document
from local.sagemaker.jobs import inputs, strategies, training
from local.sagemaker.jobs.job import INTERRUPTED, Job, JobKind, Outcome, Runner, Status
from local.sagemaker.jobs.ranges import Categorical, Space, Values, space
from local.sagemaker.jobs.strategies import Tried
from local.sagemaker.machine import events
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire import listing, shapes
from local.sagemaker.wire.errors import ApiError, ValidationException, WorkFailed
from local.store import now

_OBJECTIVE = "_tuning_objective_metric"
_TUNED, _SET = "_Tuned", "_Definition"
_ARN = "TuningJobArn"
_UNLIMITED = 365 * 86_400.0
_COPIED = (
    "RoleArn", "InputDataConfig", "VpcConfig", "OutputDataConfig", "StoppingCondition", "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining", "CheckpointConfig", "RetryStrategy",
    "Environment",
)  # fmt: skip
_ALL_FAILED = "All training jobs failed. Please take a look at the training jobs failures to get more details."


@dataclass(frozen=True, slots=True)
class Definition:
    """One training job definition of a tuning job, with what it tunes."""

    name: str | None
    request: Document
    space: Space
    metric: str
    maximize: bool


# What is refused.


def _check(machine: Machine, request: Document) -> None:
    configuration = request["HyperParameterTuningJobConfig"]
    if configuration["Strategy"] == "Hyperband":
        raise inputs.refuse("Strategy Hyperband")
    for refused, given in (("WarmStartConfig", request), ("Autotune", request), ("StrategyConfig", configuration)):
        if refused in given:
            raise inputs.refuse(refused)
    criteria = configuration.get("TuningJobCompletionCriteria", {})
    if criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence") == "Enabled":
        raise inputs.refuse("CompleteOnConvergence")
    if ("TrainingJobDefinition" in request) == ("TrainingJobDefinitions" in request):
        raise ValidationException("Either TrainingJobDefinition or TrainingJobDefinitions must be given.")
    definitions = _definitions(request)
    for definition in definitions:
        _check_definition(machine, request, definition)
    _check_limits(configuration, definitions)


def _check_definition(machine: Machine, request: Document, definition: Definition) -> None:
    given = definition.request
    if "HyperParameterTuningResourceConfig" in given and "ResourceConfig" in given:
        raise ValidationException("Either ResourceConfig or HyperParameterTuningResourceConfig must be given.")
    static = given.get("StaticHyperParameters", {})
    for parameter in definition.space.parameters:
        if parameter.name in static:
            raise ValidationException(f"The hyperparameter {parameter.name} is both static and tuned.")
    trial = _request(request, definition, "check", definition.space.values([0.5] * len(definition.space.parameters)))
    shapes.check(shapes.input_shape("CreateTrainingJob"), trial)
    training.KIND.check(machine, trial)
    _check_metric(machine, definition)


def _check_metric(machine: Machine, definition: Definition) -> None:
    algorithm = definition.request["AlgorithmSpecification"]
    names = [one["Name"] for one in algorithm.get("MetricDefinitions", [])]
    try:
        names += [one["Name"] for one in machine.environments.resolve(algorithm["TrainingImage"]).metrics]
    except WorkFailed:
        # Said by every one of its training jobs.
        return
    if definition.metric not in names:
        raise ValidationException(
            f"The objective metric for the hyperparameter tuning job, [{definition.metric}], isn't valid. "
            f"Choose a valid objective metric: {', '.join(names) or 'none is defined'}."
        )


def _check_limits(configuration: Document, definitions: Sequence[Definition]) -> None:
    limits = configuration["ResourceLimits"]
    if configuration["Strategy"] != "Grid":
        if "MaxNumberOfTrainingJobs" not in limits and "MaxRuntimeInSeconds" not in limits:
            raise ValidationException("ResourceLimits needs MaxNumberOfTrainingJobs.")
        return
    for definition in definitions:
        if not all(isinstance(one, Categorical) for one in definition.space.parameters):
            raise ValidationException("Grid search strategy supports only categorical parameters.")
    size = sum(definition.space.size for definition in definitions)
    if limits.get("MaxNumberOfTrainingJobs", size) != size:
        raise ValidationException(
            f"MaxNumberOfTrainingJobs must be {size}, the number of distinct categorical combinations, or be left out, "
            "for the Grid search strategy."
        )


def _definitions(request: Document) -> list[Definition]:
    configuration = request["HyperParameterTuningJobConfig"]
    found = []
    for given in request.get("TrainingJobDefinitions") or [request["TrainingJobDefinition"]]:
        objective = given.get("TuningObjective") or configuration.get("HyperParameterTuningJobObjective")
        ranges = given.get("HyperParameterRanges") or configuration.get("ParameterRanges") or {}
        if objective is None:
            raise ValidationException("A HyperParameterTuningJobObjective must be given.")
        found.append(
            Definition(
                given.get("DefinitionName"), given, space(ranges), objective["MetricName"],
                objective["Type"] == "Maximize",
            )
        )  # fmt: skip
    names = [one.name for one in found]
    if len(found) > 1 and (None in names or len(set(names)) != len(names)):
        raise ValidationException("Each of TrainingJobDefinitions needs a DefinitionName of its own.")
    return found


# The work, in the job's thread.


def _work(job: Job) -> Outcome:
    document = job.document()
    definitions = _definitions(document)
    limits = document["HyperParameterTuningJobConfig"]["ResourceLimits"]
    # Of the wall clock: a restart does not give it more.
    deadline = document["CreationTime"] + limits.get("MaxRuntimeInSeconds", _UNLIMITED)
    most = limits.get("MaxNumberOfTrainingJobs", sum(d.space.size for d in definitions) or None)
    over = ""
    while True:
        # Cleared before the look: what happens after it sets the event again.
        job.wake.clear()
        trials = _trials(job.machine, document)
        running = [trial for trial in trials if not _is_final(trial)]
        stopped = job.stop_asked.is_set()
        over = over or _completed(document, definitions, trials, deadline)
        counted = [trial for trial in trials if not _interrupted(trial)]
        if stopped or over:
            _stop(job.runner, running)
        elif len(running) < limits["MaxParallelTrainingJobs"] and (most is None or len(counted) < most):
            _start_next(job, document, definitions, trials)
            continue
        if not running:
            return replace(_outcome(definitions, trials, stopped), members=_counted(definitions, trials))
        # The wall clock may be set while this waits: a look now and then costs nothing.
        job.wake.wait(min(max(0.0, deadline - time.time()), 60.0))


def _trials(machine: Machine, document: Document) -> list[Document]:
    """The training jobs of a tuning job, oldest first."""
    arn = document["HyperParameterTuningJobArn"]
    prefix = f"{document['HyperParameterTuningJobName']}-"
    return [one for one in machine.store.find(training.KIND.kind, prefix) if one.get(_ARN) == arn]


def _is_final(trial: Document) -> bool:
    return Status(trial["TrainingJobStatus"]).final


def _interrupted(trial: Document) -> bool:
    return bool(trial.get("FailureReason") == INTERRUPTED)


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
    definition, values = _next(document, definitions, trials)
    seed = f"{document['HyperParameterTuningJobArn']}{document['CreationTime']}{len(trials)}"
    name = f"{job.name}-{len(trials) + 1:03d}-{zlib.crc32(seed.encode()):08x}"
    request = _request(document, definition, name, values)
    members = {_ARN: document["HyperParameterTuningJobArn"], _TUNED: values, _SET: definition.name}
    try:
        job.runner.create(training.KIND, request, members, on_end=job.wake.set)
    except ApiError as error:
        raise WorkFailed(error.message) from error


def _next(
    document: Document, definitions: Sequence[Definition], trials: Sequence[Document]
) -> tuple[Definition, Values]:
    again = _to_repeat(trials)
    by_name = {definition.name: definition for definition in definitions}
    if again is not None:
        return by_name[again[_SET]], again[_TUNED]
    counted = [trial for trial in trials if not _interrupted(trial)]
    configuration = document["HyperParameterTuningJobConfig"]
    if configuration["Strategy"] == "Grid":
        place = len(counted)
        for definition in definitions:
            if place < definition.space.size:
                return definition, strategies.of_grid(definition.space, place)
            place -= definition.space.size
        raise WorkFailed("every combination of the grid was tried")
    definition = definitions[len(counted) % len(definitions)]
    seed = configuration.get("RandomSeed", document["HyperParameterTuningJobArn"])
    rng = random.Random(f"{seed}-{len(counted)}")
    if configuration["Strategy"] == "Random":
        return definition, strategies.at_random(definition.space, rng)
    tried = [Tried(trial[_TUNED], _score(definition, trial)) for trial in counted if trial[_SET] == definition.name]
    return definition, strategies.bayesian(definition.space, tried, rng)


def _to_repeat(trials: Sequence[Document]) -> Document | None:
    """An interrupted training job whose values no later one has tried again."""
    for number, trial in enumerate(trials):
        if _interrupted(trial):
            since = trials[number + 1 :]
            if not any(one[_TUNED] == trial[_TUNED] and one[_SET] == trial[_SET] for one in since):
                return trial
    return None


def _request(document: Document, definition: Definition, name: str, values: Values) -> Document:
    """CreateTrainingJob's."""
    given = definition.request
    static = given.get("StaticHyperParameters", {})
    # The toolkit of script mode keeps this one from the entry point's arguments.
    told = {} if "sagemaker_program" in static else {_OBJECTIVE: definition.metric}
    return {
        **{member: given[member] for member in _COPIED if member in given},
        "TrainingJobName": name,
        "AlgorithmSpecification": given["AlgorithmSpecification"],
        "ResourceConfig": _resources(given),
        "HyperParameters": {**static, **values, **told},
        **({"Tags": document["Tags"]} if "Tags" in document else {}),
    }


def _resources(given: Document) -> Document:
    """Of InstanceConfigs, which are in the order of preference, this machine always has the first."""
    if "ResourceConfig" in given:
        found: Document = given["ResourceConfig"]
        return found
    several = given.get("HyperParameterTuningResourceConfig", {})
    several = {**several, **(several.get("InstanceConfigs") or [{}])[0]}
    names = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")
    return {name: several[name] for name in names if name in several}


def _metric(definition: Definition, trial: Document) -> float | None:
    for metric in trial.get("FinalMetricDataList", []):
        if metric["MetricName"] == definition.metric:
            return float(metric["Value"])
    return None


def _score(definition: Definition, trial: Document) -> float | None:
    value = _metric(definition, trial) if _is_final(trial) else None
    return value if value is None or definition.maximize else -value


def _completed(
    document: Document, definitions: Sequence[Definition], trials: Sequence[Document], deadline: float
) -> str:
    """Why nothing more is to be tried though the limits allow it; empty when nothing speaks against it."""
    if now() >= deadline:
        return "MaxRuntimeInSeconds"
    criteria = document["HyperParameterTuningJobConfig"].get("TuningJobCompletionCriteria", {})
    scores = [score for _, score in _scored(definitions, trials)]
    target = criteria.get("TargetObjectiveMetricValue")
    if target is not None and scores and max(scores) >= (target if definitions[0].maximize else -target):
        return "TargetObjectiveMetricValue"
    patience = criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving")
    if patience is not None and _not_improving(scores) >= patience:
        return "BestObjectiveNotImproving"
    return ""


def _not_improving(scores: Sequence[float]) -> int:
    return len(scores) - 1 - scores.index(max(scores)) if scores else 0


def _scored(definitions: Sequence[Definition], trials: Sequence[Document]) -> list[tuple[Document, float]]:
    """Completed training jobs with their score, by the time of their end."""
    by_name = {definition.name: definition for definition in definitions}
    found = [
        (trial, score)
        for trial in trials
        if trial["TrainingJobStatus"] == Status.COMPLETED.value
        and (score := _score(by_name[trial[_SET]], trial)) is not None
    ]
    return sorted(found, key=lambda pair: pair[0]["TrainingEndTime"])


def _outcome(definitions: Sequence[Definition], trials: Sequence[Document], stopped: bool) -> Outcome:
    if stopped:
        return Outcome(Status.STOPPED)
    if not _scored(definitions, trials) and trials:
        if any(trial["TrainingJobStatus"] == Status.COMPLETED.value for trial in trials):
            metrics = ", ".join(sorted({definition.metric for definition in definitions}))
            return Outcome(Status.FAILED, f"No training job has emitted the objective metric {metrics}.")
        return Outcome(Status.FAILED, _ALL_FAILED)
    return Outcome(Status.COMPLETED)


# What is only known when it is asked for.


def _described(machine: Machine, document: Document) -> Document:
    trials, definitions = _trials(machine, document), _definitions(document)
    best = max(_scored(definitions, trials), key=lambda pair: pair[1], default=None)
    ended = document.get("HyperParameterTuningEndTime", now())
    found = {
        **document,
        **_counted(definitions, trials),
        "Strategy": document["HyperParameterTuningJobConfig"]["Strategy"],
        "ResourceLimits": document["HyperParameterTuningJobConfig"]["ResourceLimits"],
        "ConsumedResources": {"RuntimeInSeconds": round(ended - document["CreationTime"])},
    }
    if best is not None:
        found["BestTrainingJob"] = _summary(document, definitions, best[0])
    return found


def _counted(definitions: Sequence[Definition], trials: Sequence[Document]) -> Document:
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
            return "RetryableError" if _interrupted(trial) else "NonRetryableError"
        case Status.STOPPED:
            return "Stopped"
        case _:
            return "InProgress"


def _objective(definitions: Sequence[Definition], trial: Document) -> str:
    if not _is_final(trial):
        return "Pending"
    return "Succeeded" if _value(definitions, trial) is not None else "Failed"


def _value(definitions: Sequence[Definition], trial: Document) -> float | None:
    return next((_metric(one, trial) for one in definitions if one.name == trial[_SET]), None)


def _summary(document: Document, definitions: Sequence[Definition], trial: Document) -> Document:
    """HyperParameterTrainingJobSummary."""
    definition = next(one for one in definitions if one.name == trial[_SET])
    value = _value(definitions, trial)
    found: Mapping[str, Any] = {
        **trial,
        "TrainingJobDefinitionName": definition.name,
        "TuningJobName": document["HyperParameterTuningJobName"],
        "TunedHyperParameters": trial[_TUNED],
        "ObjectiveStatus": _objective(definitions, trial),
    }
    if value is None:
        return dict(found)
    metric = {"MetricName": definition.metric, "Value": value, "Type": _type(definition)}
    return {**found, "FinalHyperParameterTuningJobObjectiveMetric": metric}


def _type(definition: Definition) -> str:
    return "Maximize" if definition.maximize else "Minimize"


def list_training_jobs(machine: Machine, request: Document) -> Document:
    """ListTrainingJobsForHyperParameterTuningJob."""
    document = KIND.find(machine, request["HyperParameterTuningJobName"])
    definitions = _definitions(document)
    found = [_summary(document, definitions, trial) for trial in _trials(machine, document)]
    if request.get("SortBy") == "FinalObjectiveMetricValue":
        # Without a value: listed by neither order in AWS.
        key = "FinalHyperParameterTuningJobObjectiveMetric"
        found = sorted((one for one in found if key in one), key=lambda one: one[key]["Value"])
    operation = "ListTrainingJobsForHyperParameterTuningJob"
    return listing.page(operation, found, request, name="TrainingJobName", status="TrainingJobStatus", ascending=False)


KIND = JobKind(
    "hyper-parameter-tuning-job",
    "HyperParameterTuningJob",
    events.TUNING_JOB,
    _check,
    _work,
    described=_described,
    resumes=True,
)
create, describe, listed, stop, delete = KIND.create, KIND.describe, KIND.listed, KIND.stop, KIND.delete
