"""Amazon EMR: Step Functions names its actions and arguments in its own way.

Source: the Developer Guide, "Create and manage Amazon EMR clusters with Step Functions".
"""

from collections.abc import Callable, Mapping

from local.documents import Json

Arguments = Mapping[str, Json]


def _without(arguments: Arguments, *names: str) -> dict[str, Json]:
    return {name: value for name, value in arguments.items() if name not in names}


_ACTIONS: Mapping[str, tuple[str, Callable[[Arguments], Arguments]]] = {
    "createCluster": ("runJobFlow", dict),
    "addStep": (
        "addJobFlowSteps",
        lambda fields: {
            **_without(fields, "ClusterId", "Step"),
            "JobFlowId": fields.get("ClusterId"),
            "Steps": [fields.get("Step")],
        },
    ),
    "cancelStep": (
        "cancelSteps",
        lambda fields: {**_without(fields, "StepId"), "StepIds": [fields.get("StepId")]},
    ),
    "terminateCluster": (
        "terminateJobFlows",
        lambda fields: {**_without(fields, "ClusterId"), "JobFlowIds": [fields.get("ClusterId")]},
    ),
    "setClusterTerminationProtection": (
        "setTerminationProtection",
        lambda fields: {**_without(fields, "ClusterId"), "JobFlowIds": [fields.get("ClusterId")]},
    ),
}


def translated(action: str, arguments: Arguments) -> tuple[str, Arguments]:
    """Returns the service's own action and arguments."""
    name, of = _ACTIONS.get(action, (action, dict))
    return name, of(arguments)
