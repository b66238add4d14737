"""What every section of algorithm.yaml is made of: the closed mapping, the names, and how a broken rule is told."""

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

from pipelines.problems import expected

RESERVED_PARAMETERS: Final = frozenset(
    {
        "JobId",
        "InputUri",
        "TrainingInstanceType",
        "TrainingInstanceCount",
        "ProcessingInstanceType",
        "TransformInstanceType",
        "TransformInstanceCount",
    }
)
"""Pipeline parameters of Headrace's own; no hyperparameter may carry one of these names."""

MAX_NAME: Final = 30
"""Leaves room for the stage and a 12-digit suffix inside SageMaker's 63 characters."""

AlgorithmName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=MAX_NAME)]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=64)]
ChannelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
GroupName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](-*[A-Za-z0-9])*$", max_length=45)]
InstanceType = Annotated[str, StringConstraints(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9-]+$")]
DEFAULT_INSTANCE_TYPE: Final = "ml.m5.large"
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Scalar = int | float | str


def refusal(at: str, text: str) -> PydanticCustomError:
    """Says that a section's own rule was broken at its key `at` (empty for the section itself)."""
    return PydanticCustomError("rule", "{text}", {"at": at, "text": text})


def _free(name: str) -> str:
    """Refuses a hyperparameter's name that something else has; raises what pydantic turns into a problem."""
    if name in RESERVED_PARAMETERS:
        raise refusal("", "expected another name, found one that every pipeline has as a parameter")
    if name.startswith("sagemaker_"):
        raise refusal("", "expected another name, found one of the SageMaker containers' own")
    return name


def _short(path: str) -> str:
    """Refuses a path that a file system cannot be asked about."""
    if len(path.encode()) > 255:
        raise refusal("", expected("a path of at most 255 bytes", path))
    return path


RelativePath = Annotated[str, StringConstraints(pattern=r"^[^/\\\x00][^\\\x00]*$"), AfterValidator(_short)]
HyperparameterName = Annotated[ParameterName, AfterValidator(_free)]


class Section(BaseModel):
    """A mapping of the file: frozen, strict, closed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
