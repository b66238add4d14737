"""State Prepare of `deployment`: model and endpoint config of what is approved, or the config to go back to."""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.deployments import preparing


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    about(event["job"]["job_id"])
    plan = preparing.prepare(event["job"], services.current())
    logger.info("prepared", extra={"endpoint": plan.endpoint, "endpoint_config": plan.endpoint_config})
    return plan.as_output()
