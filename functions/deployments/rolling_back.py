"""A deployment that went wrong: what the endpoint is to serve again, and what a person is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from functions.deployments import preparing
from functions.jobs import failure
from functions.waiting import endpoints, served

if TYPE_CHECKING:
    from functions.aws.services import Services

_GONE_BACK = "DeploymentRolledBack"


def plan(state: Mapping[str, Any], services: Services) -> dict[str, Any]:
    """Returns `{endpoint_config, rollout, failure}`: what to go back to (null: nothing is left to do) and the reason.

    Of `state`, what the state machine has: the claim, the plan and what was caught.
    """
    made = state["plan"]["Payload"]
    caught = failure.read(state.get("failure"))
    reason = caught.message.rstrip(".")
    nothing = {"endpoint_config": None, "rollout": None}
    now = endpoints.describe(services, made["endpoint"])
    if not served.is_newest(services, made["endpoint"], state["job_id"]):
        return {**nothing, "failure": _told(caught.code, f"{reason}; a newer deployment has the endpoint")}
    if now is not None and now.at_rest and now.config != made["endpoint_config"]:
        # SageMaker went back by itself, or never began.
        text = f"{reason}; {made['endpoint']} serves {now.config}"
        return {**nothing, "failure": _told(_code(caught.code, now.config == made["before"]), text)}
    config = preparing.last_good(made["endpoint"], {made["endpoint_config"]}, state.get("model_package"), services)
    config = config or (made["before"] if made["before"] != made["endpoint_config"] else None)
    if config is None:
        # Nothing was there before it: what cannot answer serves nobody, and costs.
        endpoints.delete(services, made["endpoint"])
        text = f"{reason}; nothing served before it, so {made['endpoint']} is deleted"
        return {**nothing, "failure": _told(caught.code, text)}
    text = f"{reason}; {made['endpoint']} serves {config} again"
    way = preparing.way_to(config, services).as_dict()
    return {"endpoint_config": config, "rollout": way, "failure": _told(_GONE_BACK, text)}


def _code(code: str, went_back: bool) -> str:
    return _GONE_BACK if went_back and code == "EndpointRolledBack" else code


def _told(code: str, text: str) -> dict[str, str]:
    return {"Error": code, "Cause": failure.shorten(text)}
