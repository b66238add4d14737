"""An update shifts requests to a new fleet as its policy says, loses none of them, and goes back when it must."""

import dataclasses
import threading
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.endpoints.state import DEPLOYMENT
from tests.unit.local.sagemaker.clocks import MovedClock
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.endpoints.serving import (
    configure,
    create,
    kill_for_good,
    model,
    said,
    serving_image,
    settled,
    variant,
)

PERCENT_10 = {"Type": "CAPACITY_PERCENT", "Value": 10}
HALF = {"Type": "CAPACITY_PERCENT", "Value": 50}
ALARMS = {"Alarms": [{"AlarmName": "errors"}]}


def blue_green(kind: str, interval: int = 60, termination: int = 0, **more: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": interval, **more}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": termination,
            "MaximumExecutionTimeoutInSeconds": 28800,
        }
    }


def rolling(**more: Any) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": HALF, "WaitIntervalInSeconds": 60, **more}}


class Callers:
    """Two threads that invoke the endpoint without a pause, and what they get."""

    def __init__(self, world: World) -> None:
        self.answers: list[str] = []
        self.errors: list[Exception] = []
        self._world = world
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(2)]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        while not self._ended.is_set():
            try:
                self.answers.append(said(self._world).partition(":")[0])
            except ClientError as error:
                self.errors.append(error)


def two(world: World, count: int = 1) -> None:
    """The endpoint `face` of configuration `one`, and a configuration `two`."""
    serving_image(world)
    for name in ("one", "two"):
        model(world, name, name)
        world.client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(name, count=count)])
    create(world, "one")


def updated(world: World, policy: dict[str, Any] | None = None, config: str = "two", **more: Any) -> dict[str, Any]:
    seen = len(world.cloud.events)
    given = {"DeploymentConfig": policy} if policy else {}
    world.client.update_endpoint(EndpointName="face", EndpointConfigName=config, **given, **more)
    return settled(world, since=seen)


def stages(world: World) -> list[str]:
    """The stages that events told of, one after the other."""
    found = []
    for event in world.cloud.events:
        if event.detail_type == DEPLOYMENT:
            summary = event.detail.get("PendingDeploymentSummary", event.detail)
            found += [status["StatusMessage"] for status in summary["ProductionVariants"][0].get("VariantStatus", [])]
    return found


@pytest.mark.parametrize(
    "policy",
    [
        blue_green("ALL_AT_ONCE", termination=60),
        blue_green("CANARY", CanarySize=PERCENT_10, termination=60),
        blue_green("LINEAR", LinearStepSize=HALF),
        rolling(),
    ],
    ids=["all-at-once", "canary", "linear", "rolling"],
)
def test_no_request_fails_while_an_endpoint_is_updated(world: World, policy: dict[str, Any]) -> None:
    two(world, count=2)
    with Callers(world) as callers:
        endpoint = updated(world, policy)
        callers_until = len(callers.answers)
        while len(callers.answers) < callers_until + 20:
            assert not callers.errors
    assert not callers.errors
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "two")
    assert endpoint["LastDeploymentConfig"] == policy
    assert "PendingDeploymentSummary" not in endpoint
    assert set(callers.answers[-10:]) == {"two"}
    assert callers.answers[0] == "one"


def test_a_canary_gets_its_part_first_and_its_stages_are_told(world: World) -> None:
    clock = MovedClock()
    world.hosting = dataclasses.replace(world.hosting, clock=clock)
    two(world, count=3)
    canary = {"Type": "INSTANCE_COUNT", "Value": 1}
    seen = len(world.cloud.events)
    world.client.update_endpoint(
        EndpointName="face",
        EndpointConfigName="two",
        DeploymentConfig=blue_green("CANARY", interval=100, termination=0, CanarySize=canary),
    )
    world.cloud.await_event(
        lambda event: (
            event in world.cloud.events[seen:]
            and event.detail_type == DEPLOYMENT
            and stages(world)[-1].startswith("Baking")
        )
    )
    while_baking = Counter(said(world).partition(":")[0] for _ in range(60))
    endpoint = world.client.describe_endpoint(EndpointName="face")
    clock.move(100)
    settled(world, since=seen)
    pending = endpoint["PendingDeploymentSummary"]
    assert (endpoint["EndpointConfigName"], pending["EndpointConfigName"]) == ("one", "two")
    (shown,) = pending["ProductionVariants"]
    assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"]) == (3, 3)
    assert shown["InstanceType"] == "ml.m5.large"
    assert shown["VariantStatus"][0]["Status"] == "Baking"
    # Twenty of sixty on average; fewer than 5 or more than 40 come once in a hundred thousand runs.
    assert 5 <= while_baking["two"] <= 40
    assert stages(world)[-5:] == [
        "Launching 3 instance(s).",
        "Activating traffic on canary capacity of 1 instance(s).",
        "Baking for 100 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s).",
        "Activating traffic on full capacity of 3 instance(s).",
        "Terminating instance(s) of the old fleet.",
    ]


@pytest.mark.parametrize("policy", [blue_green("ALL_AT_ONCE", termination=600), rolling()])
def test_an_alarm_rolls_the_update_back(world: World, policy: dict[str, Any]) -> None:
    two(world, count=2)
    world.cloud.cloudwatch.alarms["errors"] = "ALARM"
    with Callers(world) as callers:
        endpoint = updated(world, {**policy, "AutoRollbackConfiguration": ALARMS})
    assert not callers.errors
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "one")
    assert "errors" in endpoint["FailureReason"]
    assert endpoint["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert "LastDeploymentConfig" not in endpoint
    assert [e.detail["EndpointStatus"] for e in world.cloud.events if "EndpointStatus" in e.detail][-2:] == [
        "ROLLING_BACK",
        "IN_SERVICE",
    ]
    assert {said(world) for _ in range(10)} == {"one:x"}
    world.cloud.cloudwatch.alarms["errors"] = "OK"
    endpoint = updated(world, {**policy, "AutoRollbackConfiguration": ALARMS})
    assert (endpoint["EndpointConfigName"], endpoint.get("FailureReason")) == ("two", None)


def test_a_fleet_that_is_not_healthy_never_gets_a_request(world: World) -> None:
    two(world)
    world.image("bad", serve="#!/bin/sh\necho 'no model' >&2\nexit 3\n")
    container = {"Image": world.client.describe_model(ModelName="one")["PrimaryContainer"]["Image"]}
    container["Image"] = container["Image"].replace("/app", "/bad")
    world.stop()
    world.client.create_model(
        ModelName="bad", PrimaryContainer=container, ExecutionRoleArn="arn:aws:iam::000000000000:role/x"
    )
    world.client.create_endpoint_config(EndpointConfigName="bad", ProductionVariants=[variant("bad")])
    with Callers(world) as callers:
        endpoint = updated(world, blue_green("LINEAR", LinearStepSize=HALF), "bad")
    assert not callers.errors
    assert set(callers.answers) == {"one"}
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "one")
    assert "did not pass the ping health check" in endpoint["FailureReason"]


def test_a_deployment_that_takes_too_long_is_rolled_back(world: World) -> None:
    two(world)
    # A bake that ends after the deployment's own end.
    policy = blue_green("CANARY", interval=600, CanarySize=PERCENT_10, termination=0)
    policy["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 600
    world.cloud.cloudwatch.alarms["errors"] = "OK"
    endpoint = updated(world, {**policy, "AutoRollbackConfiguration": ALARMS})
    assert endpoint["EndpointConfigName"] == "one"
    assert "MaximumExecutionTimeoutInSeconds (600)" in endpoint["FailureReason"]


def test_a_fleet_that_dies_while_it_is_watched_is_rolled_back(world: World) -> None:
    world.hosting = dataclasses.replace(world.hosting, clock=MovedClock())
    two(world)
    seen = len(world.cloud.events)
    world.client.update_endpoint(
        EndpointName="face", EndpointConfigName="two", DeploymentConfig=blue_green("ALL_AT_ONCE", termination=3600)
    )
    world.cloud.await_event(lambda event: event.detail_type == DEPLOYMENT and stages(world)[-1].startswith("Baking"))
    kill_for_good(world)
    endpoint = settled(world, since=seen)
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "one")
    assert "exit code 7" in endpoint["FailureReason"]
    assert said(world) == "one:x"


def test_weights_and_capacities_are_retained_when_asked_for(world: World) -> None:
    two(world)
    seen = len(world.cloud.events)
    wanted = [{"VariantName": "main", "DesiredWeight": 3.0, "DesiredInstanceCount": 2}]
    world.client.update_endpoint_weights_and_capacities(EndpointName="face", DesiredWeightsAndCapacities=wanted)
    settled(world, since=seen)
    (kept,) = updated(world, RetainAllVariantProperties=True)["ProductionVariants"]
    assert (kept["CurrentWeight"], kept["CurrentInstanceCount"]) == (3.0, 2)
    excluded = [{"VariantPropertyType": "DesiredInstanceCount"}]
    (part,) = updated(world, config="one", RetainAllVariantProperties=True, ExcludeRetainedVariantProperties=excluded)[
        "ProductionVariants"
    ]
    assert (part["CurrentWeight"], part["CurrentInstanceCount"]) == (3.0, 1)
    (fresh,) = updated(world)["ProductionVariants"]
    assert (fresh["CurrentWeight"], fresh["CurrentInstanceCount"]) == (1.0, 1)


def test_a_deployment_config_is_retained_when_asked_for(world: World) -> None:
    two(world)
    policy = blue_green("CANARY", interval=1, CanarySize=PERCENT_10)
    assert updated(world, policy)["LastDeploymentConfig"] == policy
    before = len(stages(world))
    assert updated(world, config="one", RetainDeploymentConfig=True)["LastDeploymentConfig"] == policy
    assert any("canary" in stage for stage in stages(world)[before:])


def test_an_update_that_a_stop_cuts_off_is_done_after_the_restart(world: World) -> None:
    hosting, world.hosting = world.hosting, dataclasses.replace(world.hosting, clock=MovedClock())
    two(world)
    world.client.update_endpoint(
        EndpointName="face", EndpointConfigName="two", DeploymentConfig=blue_green("ALL_AT_ONCE", termination=3600)
    )
    world.cloud.await_event(lambda event: event.detail_type == DEPLOYMENT and stages(world)[-1].startswith("Baking"))
    world.stop()
    world.hosting = hosting
    seen = len(world.cloud.events)
    world.start()
    assert settled(world, since=seen)["EndpointConfigName"] == "two"
    assert said(world) == "two:x"


def test_a_policy_that_fits_no_fleet_is_refused_at_once(world: World) -> None:
    two(world)
    configure(world, "three")
    canary = {"Type": "INSTANCE_COUNT", "Value": 1}
    with pytest.raises(ClientError, match="CanarySize must be between 0 and 50 percent"):
        updated(world, blue_green("CANARY", CanarySize=canary), "three")
    assert world.client.describe_endpoint(EndpointName="face")["EndpointStatus"] == "InService"
