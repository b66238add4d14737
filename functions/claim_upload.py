"""First state of `training`, `face_processing` and `chained_inference`: is this upload ours to process, as which job?

The walk goes on in `start_pipeline` (a dataset), `start_inference` (a photo) or `detect_boxes` (an image for a chain).
"""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.jobs.job import Kind
from functions.uploads import claims


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    only = Kind(event["only"]) if "only" in event else None
    outcome = claims.claim(event["input"], event["execution"], services.current(), only=only)
    about(outcome.job_id)
    logger.info("claimed", extra={"decision": outcome.decision, "reason": outcome.reason})
    return outcome.as_output()
