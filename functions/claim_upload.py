"""First state of `training` and `face_processing`: is this upload ours to process, and as which job?

The walk goes on in `start_pipeline` (a dataset) or `start_inference` (a photo).
"""

from typing import Any

from functions import claims, services
from functions.log import about, logger


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    outcome = claims.claim(event["input"], event["execution"], services.current())
    about(outcome.job_id)
    logger.info("claimed", extra={"decision": outcome.decision, "reason": outcome.reason})
    return outcome.as_output()
