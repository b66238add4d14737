"""State AwaitEndpoint of `training`: parks the task token until the endpoint serves the config."""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.catalogue import catalogue
from functions.waiting import endpoints, rollouts, stopping, waits
from functions.waiting.waits import Change, WaitKind


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001
    about(event["job_id"])
    here, endpoint = services.current(), event["endpoint"]
    stopping.ensure_open(event["job_id"], here)
    algorithm = catalogue.of_endpoint(here, endpoint)
    rollout = rollouts.rollout(algorithm.spec.get("deploy") or {}, endpoint) if algorithm else rollouts.AT_ONCE
    # Parked before the endpoint is looked at: a change after the look has an event that finds the row.
    change = Change(endpoint, event["endpoint_config"], rollout=rollout)
    wait = waits.park(here, WaitKind.ENDPOINT, event["job_id"], event["token"], change=change)
    resolved = endpoints.settle(here, endpoint, wait)
    logger.info("waiting for the endpoint", extra={"endpoint": endpoint, "resolved": resolved})
