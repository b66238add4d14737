"""The hyperparameters that a tuning job tries, each a way from a number between 0 and 1 to a value.

Source: "Define Hyperparameter Ranges" in the developer guide. ScalingType Auto is Logarithmic here for a range of
positive numbers over at least three powers of ten, Linear otherwise.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from local.documents import Json
from local.sagemaker.wire.errors import ValidationException

Values = dict[str, str]
"""Hyperparameters as a training job gets them."""
_AUTO_LOGARITHMIC = 1000.0


@dataclass(frozen=True, slots=True)
class Numeric:
    name: str
    low: float
    high: float
    scaling: str
    whole: bool
    width = 1
    """How many numbers between 0 and 1 say where a value is."""

    def value(self, place: float) -> str:
        if self.whole:
            # Every whole number has the same share of the scale.
            number = math.floor(self._unscaled(place, self.low, self.high + 1))
            return str(int(min(max(number, self.low), self.high)))
        return repr(float(min(max(self._unscaled(place, self.low, self.high), self.low), self.high)))

    def place(self, value: str) -> tuple[float, ...]:
        high = self.high + 1 if self.whole else self.high
        low, span = self._scaled(self.low), self._scaled(high) - self._scaled(self.low)
        return ((self._scaled(float(value) + (0.5 if self.whole else 0)) - low) / span if span else 0.5,)

    def _scaled(self, value: float) -> float:
        match self.scaling:
            case "Logarithmic":
                return math.log(max(value, 1e-300))
            case "ReverseLogarithmic":
                return -math.log1p(-min(value, 1 - 1e-12))
            case _:
                return value

    def _unscaled(self, place: float, low: float, high: float) -> float:
        scaled = self._scaled(low) + place * (self._scaled(high) - self._scaled(low))
        match self.scaling:
            case "Logarithmic":
                return math.exp(scaled)
            case "ReverseLogarithmic":
                return -math.expm1(-scaled)
            case _:
                return scaled


@dataclass(frozen=True, slots=True)
class Categorical:
    name: str
    values: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.values)

    def value(self, place: float) -> str:
        return self.values[min(int(place * len(self.values)), len(self.values) - 1)]

    def place(self, value: str) -> tuple[float, ...]:
        """Returns a number for each category, 1 for `value`: no category is nearer to one than to another."""
        return tuple(float(category == value) for category in self.values)


@dataclass(frozen=True, slots=True)
class Space:
    parameters: tuple[Numeric | Categorical, ...]

    def values(self, places: Sequence[float]) -> Values:
        """Returns the values at `places`, which has one number for each parameter."""
        return {
            parameter.name: parameter.value(place) for parameter, place in zip(self.parameters, places, strict=True)
        }

    def point(self, values: Mapping[str, str]) -> list[float]:
        return [number for parameter in self.parameters for number in parameter.place(values[parameter.name])]

    def grid(self) -> Iterator[Values]:
        """Returns every combination of a space of categories."""
        names = [parameter.name for parameter in self.parameters]
        choices = [parameter.values if isinstance(parameter, Categorical) else () for parameter in self.parameters]
        return (dict(zip(names, combination, strict=True)) for combination in itertools.product(*choices))

    @property
    def size(self) -> int:
        """Of the grid."""
        return math.prod(
            len(parameter.values) if isinstance(parameter, Categorical) else 0 for parameter in self.parameters
        )


def space(ranges: Mapping[str, Json]) -> Space:
    """Reads ParameterRanges. Raises ValidationException."""
    parameters: list[Numeric | Categorical] = [
        _numeric(body, whole)
        for kind, whole in (("IntegerParameterRanges", True), ("ContinuousParameterRanges", False))
        for body in ranges.get(kind, [])
    ]
    for body in ranges.get("CategoricalParameterRanges", []):
        parameters.append(Categorical(body["Name"], tuple(body["Values"])))
    if ranges.get("AutoParameters"):
        raise ValidationException("AutoParameters are not run by this local SageMaker.")
    names = [parameter.name for parameter in parameters]
    if not names:
        raise ValidationException("At least one hyperparameter range must be given.")
    if len(set(names)) != len(names):
        raise ValidationException("A hyperparameter can have one range only.")
    return Space(tuple(parameters))


def _numeric(body: Mapping[str, Json], whole: bool) -> Numeric:
    name = body["Name"]
    try:
        low, high = (float(int(body[end]) if whole else float(body[end])) for end in ("MinValue", "MaxValue"))
    except ValueError as error:
        raise ValidationException(f"The range of the hyperparameter {name} is no number: {error}") from error
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValidationException(f"MinValue of the hyperparameter {name} is greater than its MaxValue.")
    scaling = body.get("ScalingType", "Auto")
    if scaling == "Auto":
        scaling = "Logarithmic" if low > 0 and high / low >= _AUTO_LOGARITHMIC else "Linear"
    if scaling == "Logarithmic" and low <= 0:
        raise ValidationException(f"ScalingType Logarithmic needs a MinValue above 0 (hyperparameter {name}).")
    if scaling == "ReverseLogarithmic" and (whole or low < 0 or high >= 1):
        raise ValidationException(f"ScalingType ReverseLogarithmic is for 0 <= x < 1 (hyperparameter {name}).")
    return Numeric(name, low, high, scaling, whole)
