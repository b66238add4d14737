"""The training job definitions of a tuning job, and the requests for training jobs that they become."""

from dataclasses import dataclass

from local.documents import Document
from local.sagemaker.jobs.tuning.ranges import Space, Values, space
from local.sagemaker.wire.errors import ValidationException

_OBJECTIVE = "_tuning_objective_metric"
_COPIED = (
    "RoleArn", "InputDataConfig", "VpcConfig", "OutputDataConfig", "StoppingCondition", "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining", "CheckpointConfig", "RetryStrategy",
    "Environment",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Definition:
    """One training job definition of a tuning job, with what it tunes."""

    name: str | None
    request: Document
    space: Space
    metric: str
    maximize: bool


def definitions_of(request: Document) -> list[Definition]:
    configuration = request["HyperParameterTuningJobConfig"]
    definitions = []
    for body in request.get("TrainingJobDefinitions") or [request["TrainingJobDefinition"]]:
        objective = body.get("TuningObjective") or configuration.get("HyperParameterTuningJobObjective")
        ranges = body.get("HyperParameterRanges") or configuration.get("ParameterRanges") or {}
        if objective is None:
            raise ValidationException("A HyperParameterTuningJobObjective must be given.")
        name, maximize = body.get("DefinitionName"), objective["Type"] == "Maximize"
        definitions.append(Definition(name, body, space(ranges), objective["MetricName"], maximize))
    names = [definition.name for definition in definitions]
    if len(names) > 1 and (None in names or len(set(names)) != len(names)):
        raise ValidationException("Each of TrainingJobDefinitions needs a DefinitionName of its own.")
    return definitions


def training_request(document: Document, definition: Definition, name: str, values: Values) -> Document:
    """Makes the request for CreateTrainingJob."""
    body = definition.request
    static = body.get("StaticHyperParameters", {})
    # The toolkit of script mode keeps this one from the entry point's arguments.
    told = {} if "sagemaker_program" in static else {_OBJECTIVE: definition.metric}
    return {
        **{member: body[member] for member in _COPIED if member in body},
        "TrainingJobName": name,
        "AlgorithmSpecification": body["AlgorithmSpecification"],
        "ResourceConfig": _resources(body),
        "HyperParameters": {**static, **values, **told},
        **({"Tags": document["Tags"]} if "Tags" in document else {}),
    }


def _resources(body: Document) -> Document:
    """Takes of InstanceConfigs, which are in the order of preference, the first: this machine always has it."""
    if "ResourceConfig" in body:
        resources: Document = body["ResourceConfig"]
        return resources
    several = body.get("HyperParameterTuningResourceConfig", {})
    several = {**several, **(several.get("InstanceConfigs") or [{}])[0]}
    names = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")
    return {name: several[name] for name in names if name in several}
