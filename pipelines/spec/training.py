"""How a model is made and judged: channels, hyperparameters, the jobs of training, processing and evaluation."""

import math
import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from pipelines.problems import expected, shown
from pipelines.spec.sections import (
    DEFAULT_INSTANCE_TYPE,
    HyperparameterName,
    InstanceType,
    ParameterName,
    RelativePath,
    Scalar,
    Section,
    refusal,
)


def _one_group(pattern: str) -> str:
    """Refuses a regular expression unless it is one that SageMaker can read a number with."""
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise refusal("", expected(f"a regular expression ({error})", pattern)) from error
    if groups == 0:
        raise refusal("", expected("a regular expression with a group, which holds the number", pattern))
    return pattern


Regex = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_one_group)]
MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:_./-]+$", max_length=255)]


class HyperparameterType(StrEnum):
    """The types a SageMaker pipeline parameter can have and a hyperparameter can use."""

    INTEGER = "integer"
    FLOAT = "float"
    STRING = "string"


class Goal(StrEnum):
    """Which side of the threshold is good."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class Channel(Section):
    """One input of the training job."""

    required: bool = True
    description: str = ""


class Hyperparameter(Section):
    """A typed pipeline parameter, passed to the training job by its own name."""

    type: HyperparameterType
    default: Scalar
    minimum: int | float | None = None
    maximum: int | float | None = None
    choices: Annotated[tuple[Scalar, ...], Field(min_length=1)] | None = None
    description: str = ""

    @model_validator(mode="after")
    def _own_rules(self) -> Self:
        for key in ("default", "minimum", "maximum"):
            value = getattr(self, key)
            if value is not None and not self._fits(value):
                raise refusal(key, expected(self._wanted(key), value))
        for value in self.choices or ():
            if not self._fits(value):
                raise refusal("choices", expected(f"values of type {self.type.value}", value))
        self._default_in_range()
        return self

    def refusal_of(self, value: Scalar) -> str | None:
        """Says why the hyperparameter cannot have a value; None when it can."""
        if not self._fits(value):
            return expected(self._wanted("default"), value)
        if self.choices is not None and value not in self.choices:
            return expected(f"one of {', '.join(shown(choice) for choice in self.choices)} (choices)", value)
        if isinstance(value, str):
            return None
        if self.minimum is not None and value < self.minimum:
            return expected(f"a number >= {self.minimum} (minimum)", value)
        if self.maximum is not None and value > self.maximum:
            return expected(f"a number <= {self.maximum} (maximum)", value)
        return None

    def _fits(self, value: Scalar) -> bool:
        match self.type:
            case HyperparameterType.INTEGER:
                return isinstance(value, int)
            case HyperparameterType.FLOAT:
                return isinstance(value, int | float)
            case HyperparameterType.STRING:
                return isinstance(value, str)

    def _wanted(self, key: str) -> str:
        if self.type is HyperparameterType.STRING and key != "default":
            return "nothing for a string"
        return {"integer": "an integer", "float": "a number", "string": "text"}[self.type.value]

    def _default_in_range(self) -> None:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise refusal("maximum", expected(f"a number >= {self.minimum} (minimum)", self.maximum))
        if (text := self.refusal_of(self.default)) is not None:
            raise refusal("default", text)


class Compute(Section):
    """The machines of a job."""

    instance_type: InstanceType = DEFAULT_INSTANCE_TYPE
    instance_count: int = Field(default=1, ge=1)
    volume_gb: int = Field(default=30, ge=1, le=16384)
    max_runtime_seconds: int = Field(default=86400, ge=60, le=432000)


class InputMode(StrEnum):
    """How a channel's objects reach the training container."""

    FILE = "File"
    FAST_FILE = "FastFile"
    PIPE = "Pipe"


class Spot(Section):
    """Training on spare capacity, which SageMaker may take back and continues from the checkpoints."""

    max_wait_seconds: int = Field(ge=60, le=864000, description="for the job and for capacity together")


class Training(Compute):
    """The training job."""

    spot: Spot | None = None
    metrics: dict[MetricName, Regex] = Field(
        default_factory=dict, max_length=40, description="name -> regular expression with one group, over the job's log"
    )
    input_mode: InputMode = InputMode.FILE

    @model_validator(mode="after")
    def _waits_for_the_job(self) -> Self:
        if self.spot is not None and self.spot.max_wait_seconds < self.max_runtime_seconds:
            what = f"a number >= {self.max_runtime_seconds} (max_runtime_seconds)"
            raise refusal("spot.max_wait_seconds", expected(what, self.spot.max_wait_seconds))
        return self


class Strategy(StrEnum):
    """How a tuning job chooses the next values."""

    BAYESIAN = "Bayesian"
    RANDOM = "Random"
    GRID = "Grid"
    HYPERBAND = "Hyperband"


class Scaling(StrEnum):
    """The scale on which a range is searched."""

    AUTO = "Auto"
    LINEAR = "Linear"
    LOGARITHMIC = "Logarithmic"
    REVERSE_LOGARITHMIC = "ReverseLogarithmic"


class Objective(Section):
    """What a tuning job makes as good as it can: a metric that the training job writes to its log."""

    metric: MetricName
    regex: Regex | None = Field(default=None, description="left out when training.metrics has the metric")
    goal: Goal = Goal.MAXIMIZE


class Range(Section):
    """The values of one hyperparameter that are tried: a range of numbers, or a list."""

    minimum: int | float | None = None
    maximum: int | float | None = None
    scaling: Scaling | None = None
    values: Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=30)] | None = None

    @model_validator(mode="after")
    def _own_rules(self) -> Self:
        numbers = [key for key in ("minimum", "maximum", "scaling") if getattr(self, key) is not None]
        if self.values is not None and numbers:
            raise refusal("values", expected(f"values alone, without {', '.join(numbers)}", list(self.values)))
        if self.values is None:
            self._numbers_fit()
        return self

    def _numbers_fit(self) -> None:
        if self.minimum is None or self.maximum is None:
            missing = "minimum" if self.minimum is None else "maximum"
            raise refusal(missing, expected("a number (or values in place of a range)", None))
        if self.minimum >= self.maximum:
            raise refusal("maximum", expected(f"a number > {self.minimum} (minimum)", self.maximum))
        if self.scaling is Scaling.LOGARITHMIC and self.minimum <= 0:
            raise refusal("minimum", expected("a number > 0, as scaling is Logarithmic", self.minimum))
        if self.scaling is Scaling.REVERSE_LOGARITHMIC and not (self.minimum >= 0 and self.maximum < 1):
            what = "numbers from 0 to below 1, as scaling is ReverseLogarithmic"
            raise refusal("maximum", expected(what, self.maximum))


class Tuning(Section):
    """The step `Tune` in place of `Train`: several training jobs, of which the best one's model goes on."""

    objective: Objective
    strategy: Strategy = Strategy.BAYESIAN
    max_jobs: int | None = Field(default=None, ge=1, le=750, description="10 when left out; a grid counts itself")
    parallel_jobs: int = Field(default=1, ge=1, le=100)
    ranges: dict[HyperparameterName, Range] = Field(min_length=1, max_length=30)

    @model_validator(mode="after")
    def _own_rules(self) -> Self:
        if self.strategy is Strategy.GRID:
            self._grid_counts_itself()
        elif self.parallel_jobs > self.jobs:
            raise refusal("parallel_jobs", expected(f"a number <= {self.jobs} (max_jobs)", self.parallel_jobs))
        return self

    def _grid_counts_itself(self) -> None:
        if self.max_jobs is not None:
            what = "nothing with strategy Grid, which tries every combination"
            raise refusal("max_jobs", expected(what, self.max_jobs))
        for name, tried in self.ranges.items():
            if tried.values is None:
                raise refusal(f"ranges.{name}.values", expected("a list of values, as strategy is Grid", None))

    @property
    def jobs(self) -> int:
        """How many training jobs are run at most."""
        if self.strategy is Strategy.GRID:
            return math.prod(len(tried.values or ()) for tried in self.ranges.values())
        return self.max_jobs or 10


class Processing(Compute):
    """The job before training that turns the upload into channels; evaluation runs on the same machines."""

    max_runtime_seconds: int = Field(default=3600, ge=60, le=432000)
    arguments: tuple[ParameterName, ...] = Field(default=(), description="hyperparameters passed as --name value")
    entry_point: RelativePath | None = Field(default=None, description="script; with a framework only")


class Against(StrEnum):
    """What a model is compared with beside the threshold."""

    DEPLOYED = "deployed"


class Evaluation(Section):
    """The quality gate: a metric of evaluation.json and the value it must reach."""

    metric: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    threshold: int | float
    goal: Goal = Goal.MAXIMIZE
    against: Against | None = Field(
        default=None, description="deployed: also at least as good as the model in service, on the same rows"
    )
    entry_point: RelativePath | None = Field(default=None, description="script; with a framework only")
