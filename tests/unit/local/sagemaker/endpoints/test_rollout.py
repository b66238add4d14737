"""Every plan of a deployment keeps the endpoint served on the way, and ends on the new fleet."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.sagemaker.endpoints.rollout import Bake, Launch, Plan, Retire, Shift, instances, plan
from local.sagemaker.endpoints.traffic import choose
from local.sagemaker.wire.errors import ValidationException

COUNTS = st.lists(st.integers(1, 20), min_size=1, max_size=4)
SECONDS = st.integers(0, 3600)


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    interval = draw(SECONDS)
    kind = draw(st.sampled_from(["ALL_AT_ONCE", "CANARY", "LINEAR", "ROLLING"]))
    if kind == "ROLLING":
        batch = {"MaximumBatchSize": percent(draw(st.integers(5, 50))), "WaitIntervalInSeconds": interval}
        return {"RollingUpdatePolicy": batch}
    routing: dict[str, Any] = {"Type": kind, "WaitIntervalInSeconds": interval}
    if kind == "CANARY":
        routing["CanarySize"] = percent(draw(st.integers(1, 50)))
    if kind == "LINEAR":
        routing["LinearStepSize"] = percent(draw(st.integers(10, 50)))
    blue_green = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": draw(SECONDS)}
    return {"BlueGreenUpdatePolicy": blue_green}


@given(policies(), COUNTS)
def test_both_fleets_have_instances_for_their_share_at_every_step(policy: dict[str, Any], counts: list[int]) -> None:
    green, blue, share = Fraction(0), Fraction(1), Fraction(0)
    for step in plan(policy, counts).steps:
        match step:
            case Launch():
                assert step.capacity >= green
                green = step.capacity
            case Shift():
                assert step.share > share
                share = step.share
            case Retire():
                assert step.capacity < blue
                blue = step.capacity
            case Bake():
                assert step.seconds > 0
        assert share <= green
        assert 1 - share <= blue
        for count in counts:
            assert not share or instances(green, count) >= share * count
            assert share == 1 or instances(blue, count) >= 1
    assert [green, blue, share] == [Fraction(1), Fraction(0), Fraction(1)]


@given(policies(), COUNTS)
def test_a_plan_waits_as_long_as_its_policy_says(policy: dict[str, Any], counts: list[int]) -> None:
    made = plan(policy, counts)
    shifts = sum(isinstance(step, Shift) for step in made.steps)
    waited = [step.seconds for step in made.steps if isinstance(step, Bake)]
    if "RollingUpdatePolicy" in policy:
        interval = policy["RollingUpdatePolicy"]["WaitIntervalInSeconds"]
        assert waited == [interval] * shifts * bool(interval)
    else:
        interval = policy["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"]
        termination = policy["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"]
        assert waited == [interval] * (shifts - 1) * bool(interval) + [termination] * bool(termination)


@given(st.integers(1, 50), COUNTS)
def test_a_rolling_update_never_has_more_than_a_batch_beyond_the_fleet(value: int, counts: list[int]) -> None:
    batch = {"MaximumBatchSize": percent(max(5, value)), "WaitIntervalInSeconds": 0}
    green, blue = Fraction(0), Fraction(1)
    for step in plan({"RollingUpdatePolicy": batch}, counts).steps:
        green = step.capacity if isinstance(step, Launch) else green
        blue = step.capacity if isinstance(step, Retire) else blue
        assert green + blue <= 1 + Fraction(max(5, value), 100)


def sizes(plan: Plan) -> list[float]:
    return [float(step.share) for step in plan.steps if isinstance(step, Shift)]


def blue_green(kind: str, **size: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": 0, **size}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}


def test_the_shares_of_each_kind_of_shift() -> None:
    assert sizes(plan(None, [1])) == [1.0]
    assert sizes(plan(blue_green("CANARY", CanarySize=percent(10)), [1])) == [0.1, 1.0]
    assert sizes(plan(blue_green("LINEAR", LinearStepSize=percent(30)), [3])) == [0.3, 0.6, 0.9, 1.0]
    by_count = {"Type": "INSTANCE_COUNT", "Value": 1}
    assert sizes(plan(blue_green("LINEAR", LinearStepSize=by_count), [4])) == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("policy", "counts", "said"),
    [
        (blue_green("CANARY"), [2], "CanarySize is required"),
        (blue_green("CANARY", CanarySize=percent(51)), [2], "CanarySize must be between 0 and 50"),
        (blue_green("CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 2}), [3], "CanarySize must be between"),
        (blue_green("LINEAR", LinearStepSize=percent(9)), [2], "LinearStepSize must be between 10 and 50"),
        (blue_green("ALL_AT_ONCE", CanarySize=percent(9)), [2], "CanarySize is not a member"),
        ({**blue_green("ALL_AT_ONCE"), "RollingUpdatePolicy": {}}, [2], "either"),
    ],
)
def test_a_policy_that_aws_would_not_take_is_refused(policy: dict[str, Any], counts: list[int], said: str) -> None:
    with pytest.raises(ValidationException, match=said):
        plan(policy, counts)


@given(st.floats(0, 1, exclude_max=True), st.lists(st.floats(0, 100), min_size=1, max_size=5))
def test_nothing_goes_to_a_weight_of_zero_while_others_have_some(point: float, weights: list[float]) -> None:
    index = choose(point, list(enumerate(weights)))
    assert weights[index] > 0 or not any(weights)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any))
def test_requests_are_shared_by_weight(weights: list[int]) -> None:
    points = 100 * sum(weights)
    found = [choose(point / points, list(enumerate(map(float, weights)))) for point in range(points)]
    for index, weight in enumerate(weights):
        assert abs(found.count(index) - 100 * weight) <= 1
