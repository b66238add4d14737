"""First state of `deployment`: is this approval, rejection or request a job, and is it this execution's?"""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.deployments import claims


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    outcome = claims.claim(event["input"], event["execution"], services.current())
    about(outcome.started.get("job_id"))
    logger.info("claimed", extra={"decision": outcome.decision, "reason": outcome.reason})
    return outcome.as_output()
