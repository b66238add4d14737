"""How an update takes over an endpoint's traffic: `deploy.canary` of algorithm.yaml in SageMaker's words.

An update without one is blue/green, all at once: SageMaker's own default.
https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from functions.aws.services import Services

VARIANT = "AllTraffic"
"""The one variant of every endpoint."""

PERIOD_SECONDS = 60
"""Of the alarms: the shortest in which SageMaker's metrics come."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """What an endpoint's next config is, and how it gets there."""

    mode: str = ""
    """realtime, async or serverless; empty where nobody knows."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    """DeploymentConfig; empty for all at once."""

    @property
    def asynchronous(self) -> bool:
        return self.mode == "async"

    def as_dict(self) -> dict[str, Any]:
        return {"mode": self.mode, "policy": dict(self.policy)}


AT_ONCE = Rollout()


def rollout(settings: Mapping[str, Any], endpoint: str) -> Rollout:
    """Returns how a model gets behind the endpoint; `settings` is the published section `deploy`."""
    return Rollout(str(settings.get("mode") or ""), _policy(settings.get("canary"), endpoint))


def _policy(canary: Mapping[str, Any] | None, endpoint: str) -> dict[str, Any]:
    if not canary:
        return {}
    size = {"Type": "CAPACITY_PERCENT", "Value": int(canary.get("percent", 10))}
    shift = str(canary.get("shift", "canary"))
    routing = {
        "Type": shift.upper(),
        "WaitIntervalInSeconds": int(canary.get("wait_seconds", 300)),
        "CanarySize" if shift == "canary" else "LinearStepSize": size,
    }
    return {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in _watched(canary, endpoint)]},
    }


def _watched(canary: Mapping[str, Any], endpoint: str) -> dict[str, dict[str, Any]]:
    """Returns the alarms by name: any 5xx, and the limits that are asked for."""
    watched = {f"{endpoint}-5xx": _alarm("Invocation5XXErrors", "Sum", 0)}
    if canary.get("max_latency_ms"):
        # The metric is in microseconds.
        watched[f"{endpoint}-latency"] = _alarm("ModelLatency", "Average", int(canary["max_latency_ms"]) * 1000)
    if canary.get("max_backlog"):
        watched[f"{endpoint}-backlog"] = _alarm("ApproximateBacklogSizePerInstance", "Average", canary["max_backlog"])
        # This one is of the endpoint, not of a variant.
        watched[f"{endpoint}-backlog"]["Dimensions"] = []
    return watched


def _alarm(metric: str, statistic: str, threshold: float) -> dict[str, Any]:
    return {
        "MetricName": metric,
        "Statistic": statistic,
        "Threshold": float(threshold),
        "Dimensions": [{"Name": "VariantName", "Value": VARIANT}],
    }


def put_alarms(settings: Mapping[str, Any], endpoint: str, services: Services) -> None:
    """Makes the alarms that the policy names, or brings them in line; none without a policy."""
    for name, alarm in _watched(settings["canary"], endpoint).items() if settings.get("canary") else ():
        dimensions = [{"Name": "EndpointName", "Value": endpoint}, *alarm["Dimensions"]]
        services.cloudwatch.put_metric_alarm(
            AlarmName=name,
            AlarmDescription=f"Takes an update of the endpoint {endpoint} back",
            Namespace="AWS/SageMaker",
            Period=PERIOD_SECONDS,
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
            **{**alarm, "Dimensions": dimensions},
        )
