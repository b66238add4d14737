"""State CollectTexts of `chained_inference`: all readings become the job's results; the walk ends in RecordSuccess."""

from dataclasses import asdict
from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.chains import transcripts


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    about(event["job_id"])
    collected = transcripts.collect(event, services.current())
    logger.info("collected", extra={"count": collected.count, "unread": collected.unread})
    return asdict(collected)
