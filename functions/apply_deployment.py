"""States StartCandidate, Apply and Restore of `deployment`: parks the token until the endpoint serves the config."""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.waiting import endpoints, stopping, waits
from functions.waiting.rollouts import Rollout
from functions.waiting.waits import Change, Role, WaitKind


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001
    about(event["job_id"])
    here, endpoint = services.current(), event["endpoint"]
    stopping.ensure_open(event["job_id"], here)
    # Parked before the endpoint is looked at: a change after the look has an event that finds the row.
    change = Change(endpoint, event["endpoint_config"], Role(event["role"]), Rollout(**event.get("rollout") or {}))
    wait = waits.park(here, WaitKind.ENDPOINT, event["job_id"], event["token"], change=change)
    resolved = endpoints.settle(here, endpoint, wait)
    logger.info("waiting for the endpoint", extra={"endpoint": endpoint, "role": event["role"], "resolved": resolved})
