"""States DropCandidate and DropFailedCandidate of `deployment`: the candidate has shown what it does."""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.waiting import endpoints


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001
    about(event["job_id"])
    endpoints.delete(services.current(), event["endpoint"])
    logger.info("dropped", extra={"endpoint": event["endpoint"]})
