"""Amazon EMR: Step Functions names its actions and arguments in its own way.

Source: the Developer Guide, "Create and manage Amazon EMR clusters with Step Functions".
"""

from collections.abc import Callable, Mapping
from typing import Any

Arguments = Mapping[str, Any]


def _without(arguments: Arguments, *names: str) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in names}


_ACTIONS: Mapping[str, tuple[str, Callable[[Arguments], Arguments]]] = {
    "createCluster": ("runJobFlow", dict),
    "addStep": (
        "addJobFlowSteps",
        lambda given: {
            **_without(given, "ClusterId", "Step"),
            "JobFlowId": given.get("ClusterId"),
            "Steps": [given.get("Step")],
        },
    ),
    "cancelStep": (
        "cancelSteps",
        lambda given: {**_without(given, "StepId"), "StepIds": [given.get("StepId")]},
    ),
    "terminateCluster": (
        "terminateJobFlows",
        lambda given: {**_without(given, "ClusterId"), "JobFlowIds": [given.get("ClusterId")]},
    ),
    "setClusterTerminationProtection": (
        "setTerminationProtection",
        lambda given: {**_without(given, "ClusterId"), "JobFlowIds": [given.get("ClusterId")]},
    ),
}


def translated(action: str, arguments: Arguments) -> tuple[str, Arguments]:
    """Returns the service's own action and arguments."""
    name, of = _ACTIONS.get(action, (action, dict))
    return name, of(arguments)
