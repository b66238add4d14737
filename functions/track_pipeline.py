"""Follows pipeline executions: progress onto the job row, the end to the state that `start_pipeline` parked."""

from typing import Any

from functions.aws import services
from functions.aws.log import logger
from functions.waiting import pipeline_runs


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001
    result = pipeline_runs.track(event["detail"], services.current())
    logger.info("tracked", extra={"result": result})
