"""State AwaitEndpoint of `training`: parks the task token until the endpoint serves the config."""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.waiting import endpoints, stopping, waits
from functions.waiting.waits import WaitKind


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001
    about(event["job_id"])
    here = services.current()
    stopping.ensure_open(event["job_id"], here)
    # Parked before the endpoint is looked at: a change after the look has an event that finds the row.
    wait = waits.park(
        here,
        WaitKind.ENDPOINT,
        event["job_id"],
        event["token"],
        endpoint=event["endpoint"],
        endpoint_config=event["endpoint_config"],
    )
    resolved = endpoints.settle(here, event["endpoint"], wait)
    logger.info("waiting for the endpoint", extra={"endpoint": event["endpoint"], "resolved": resolved})
