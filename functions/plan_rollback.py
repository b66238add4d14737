"""State PlanRollback of `deployment`: what the endpoint is to serve again, and the reason that a person reads."""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.deployments import rolling_back


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    about(event["state"]["job_id"])
    plan = rolling_back.plan(event["state"], services.current())
    logger.warning("going back", extra={"endpoint_config": plan["endpoint_config"], "reason": plan["failure"]})
    return plan
