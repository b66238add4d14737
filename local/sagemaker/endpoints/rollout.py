"""The steps from the fleet that serves (blue) to the one that shall serve (green), as a pure plan.

`deployment.py` carries a plan out. All sizes are fractions of a fleet's capacity, so that fleets of different variants
and instance counts shift alike.
Source: "Blue/Green Deployments" and "Use rolling deployments" in the SageMaker developer guide.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from local.documents import Json
from local.sagemaker.wire.errors import ValidationException

_ALL = Fraction(1)
_ALL_AT_ONCE: Mapping[str, Json] = {
    "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}}
}
_DEFAULT_TIMEOUT = 28_800


@dataclass(frozen=True, slots=True)
class Launch:
    """Have this much of the green fleet's capacity healthy."""

    capacity: Fraction


@dataclass(frozen=True, slots=True)
class Shift:
    """Send this part of the requests to the green fleet, the rest to the blue one."""

    share: Fraction


@dataclass(frozen=True, slots=True)
class Bake:
    """Watch the alarms for so long; `member` is the policy's that says it."""

    seconds: int
    member: str


@dataclass(frozen=True, slots=True)
class Retire:
    """Keep no more than this much of the blue fleet's capacity."""

    capacity: Fraction


Step = Launch | Shift | Bake | Retire


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do in order, and how the way back is taken."""

    steps: tuple[Step, ...]
    alarms: tuple[str, ...]
    timeout_seconds: int
    """Of all steps together; then the deployment is rolled back."""
    rollback_batch: Fraction
    """How much of the blue fleet is brought back at a time, where some of it has been retired."""


def plan(config: Mapping[str, Json] | None, counts: Sequence[int]) -> Plan:
    """Returns the plan of a DeploymentConfig for a green fleet with these instance counts of its variants.

    Raises ValidationException for a policy that AWS would not take.
    """
    policies = config or {}
    rolling = policies.get("RollingUpdatePolicy")
    if rolling is not None and "BlueGreenUpdatePolicy" in policies:
        raise ValidationException("A DeploymentConfig has either a BlueGreenUpdatePolicy or a RollingUpdatePolicy.")
    alarms = tuple(alarm["AlarmName"] for alarm in policies.get("AutoRollbackConfiguration", {}).get("Alarms", ()))
    if rolling is not None:
        return _rolling(rolling, counts, alarms)
    return _blue_green(policies.get("BlueGreenUpdatePolicy") or _ALL_AT_ONCE["BlueGreenUpdatePolicy"], counts, alarms)


def instances(capacity: Fraction, count: int) -> int:
    """Returns how many of `count` instances make up that capacity: never fewer."""
    return ceil(capacity * count)


def _blue_green(policy: Mapping[str, Json], counts: Sequence[int], alarms: tuple[str, ...]) -> Plan:
    routing = policy["TrafficRoutingConfiguration"]
    interval, termination = routing["WaitIntervalInSeconds"], policy.get("TerminationWaitInSeconds", 0)
    steps: list[Step] = [Launch(_ALL)]
    for share in _shares(routing, counts):
        steps.append(Shift(share))
        if share < _ALL and interval:
            steps.append(Bake(interval, "WaitIntervalInSeconds"))
    if termination:
        steps.append(Bake(termination, "TerminationWaitInSeconds"))
    steps.append(Retire(Fraction(0)))
    return Plan(tuple(steps), alarms, _timeout(policy, interval + termination), _ALL)


def _shares(routing: Mapping[str, Json], counts: Sequence[int]) -> Iterator[Fraction]:
    """Yields the part of the traffic after each shift; the last is all of it."""
    match routing["Type"]:
        case "CANARY":
            _require(routing, "CanarySize", "LinearStepSize")
            yield _size(routing["CanarySize"], "CanarySize", counts, 0)
        case "LINEAR":
            _require(routing, "LinearStepSize", "CanarySize")
            step = _size(routing["LinearStepSize"], "LinearStepSize", counts, 10)
            share = step
            while share < _ALL:
                yield share
                share += step
        case _:
            _require(routing, None, "CanarySize", "LinearStepSize")
    yield _ALL


def _rolling(policy: Mapping[str, Json], counts: Sequence[int], alarms: tuple[str, ...]) -> Plan:
    batch = _size(policy["MaximumBatchSize"], "MaximumBatchSize", counts, 5)
    interval = policy["WaitIntervalInSeconds"]
    steps: list[Step] = []
    done = Fraction(0)
    while done < _ALL:
        done = min(done + batch, _ALL)
        steps += [Launch(done), Shift(done)]
        if interval:
            steps.append(Bake(interval, "WaitIntervalInSeconds"))
        steps.append(Retire(_ALL - done))
    back = policy.get("RollbackMaximumBatchSize")
    rollback = _ALL if back is None else _size(back, "RollbackMaximumBatchSize", counts, 5, most=100)
    return Plan(tuple(steps), alarms, _timeout(policy, interval), rollback)


def _require(routing: Mapping[str, Json], wanted: str | None, *others: str) -> None:
    if wanted is not None and wanted not in routing:
        raise ValidationException(f"{wanted} is required for traffic routing of type {routing['Type']}.")
    for other in others:
        if other in routing:
            raise ValidationException(f"{other} is not a member of traffic routing of type {routing['Type']}.")


def _size(size: Mapping[str, Json], member: str, counts: Sequence[int], least: int, most: int = 50) -> Fraction:
    """Raises ValidationException for one outside `least` to `most` percent of any variant's capacity."""
    value = size["Value"]
    if size["Type"] == "CAPACITY_PERCENT":
        percent = Fraction(value)
        fits = least <= percent <= most
    else:
        percents = [Fraction(100 * value, count) for count in counts if count]
        percent = min(percents, default=Fraction(100))
        fits = all(least <= each <= most for each in percents)
    if not fits:
        raise ValidationException(
            f"{member} must be between {least} and {most} percent of a variant's total instance count; "
            f"found {size['Type']} {value} for {', '.join(str(count) for count in counts)} instance(s)."
        )
    return percent / 100


def _timeout(policy: Mapping[str, Json], waits: int) -> int:
    seconds: int = policy.get("MaximumExecutionTimeoutInSeconds", _DEFAULT_TIMEOUT)
    if seconds < waits:
        raise ValidationException(
            f"MaximumExecutionTimeoutInSeconds ({seconds}) must be at least the deployment's waits ({waits} seconds)."
        )
    return seconds
