"""State StartPipeline of `training`: starts the pipeline; `track_pipeline` answers the token at its end."""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.waiting import pipeline_runs


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001
    about(event["job"]["job_id"])
    execution = pipeline_runs.start(event["job"], event["token"], services.current())
    logger.info("started", extra={"pipeline_execution": execution})
