"""What is refused of a tuning job."""

from collections.abc import Sequence

from local.documents import Document
from local.sagemaker.jobs import inputs
from local.sagemaker.jobs.training import kind as training
from local.sagemaker.jobs.tuning.definitions import Definition, definitions_of, training_request
from local.sagemaker.jobs.tuning.ranges import Categorical
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire import shapes
from local.sagemaker.wire.errors import ValidationException, WorkFailed


def check(machine: Machine, request: Document) -> None:
    configuration = request["HyperParameterTuningJobConfig"]
    if configuration["Strategy"] == "Hyperband":
        raise inputs.refuse("Strategy Hyperband")
    for refused, place in (("WarmStartConfig", request), ("Autotune", request), ("StrategyConfig", configuration)):
        if refused in place:
            raise inputs.refuse(refused)
    criteria = configuration.get("TuningJobCompletionCriteria", {})
    if criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence") == "Enabled":
        raise inputs.refuse("CompleteOnConvergence")
    if ("TrainingJobDefinition" in request) == ("TrainingJobDefinitions" in request):
        raise ValidationException("Either TrainingJobDefinition or TrainingJobDefinitions must be given.")
    definitions = definitions_of(request)
    for definition in definitions:
        _check_definition(machine, request, definition)
    _check_limits(configuration, definitions)


def _check_definition(machine: Machine, request: Document, definition: Definition) -> None:
    body = definition.request
    if "HyperParameterTuningResourceConfig" in body and "ResourceConfig" in body:
        raise ValidationException("Either ResourceConfig or HyperParameterTuningResourceConfig must be given.")
    static = body.get("StaticHyperParameters", {})
    for parameter in definition.space.parameters:
        if parameter.name in static:
            raise ValidationException(f"The hyperparameter {parameter.name} is both static and tuned.")
    trial = training_request(
        request, definition, "check", definition.space.values([0.5] * len(definition.space.parameters))
    )
    shapes.check(shapes.input_shape("CreateTrainingJob"), trial)
    training.KIND.check(machine, trial)
    _check_metric(machine, definition)


def _check_metric(machine: Machine, definition: Definition) -> None:
    algorithm = definition.request["AlgorithmSpecification"]
    names = [metric["Name"] for metric in algorithm.get("MetricDefinitions", [])]
    try:
        names += [metric["Name"] for metric in machine.environments.resolve(algorithm["TrainingImage"]).metrics]
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
        if not all(isinstance(parameter, Categorical) for parameter in definition.space.parameters):
            raise ValidationException("Grid search strategy supports only categorical parameters.")
    size = sum(definition.space.size for definition in definitions)
    if limits.get("MaxNumberOfTrainingJobs", size) != size:
        raise ValidationException(
            f"MaxNumberOfTrainingJobs must be {size}, the number of distinct categorical combinations, or be left out, "
            "for the Grid search strategy."
        )
