"""First state of `training`, `face_processing` and `chained_inference`: is this upload ours to process, as which job?

The walk goes on in `start_pipeline` (a dataset), `start_inference` (a photo) or `detect_boxes` (an image for a chain).
"""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.jobs.job import Kind
from functions.uploads import claims, inputs

RESERVE_MS = 30_000
"""What one large part may take that is being copied when the time runs out, and what ends the rest."""


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    only = Kind(event["only"]) if "only" in event else None
    world = services.current()
    outcome = claims.claim(event["input"], event["execution"], world, only=only)
    about(outcome.job_id)
    outcome = inputs.keep(outcome, world, lambda: context.get_remaining_time_in_millis() > RESERVE_MS)
    logger.info("claimed", extra={"decision": outcome.decision, "reason": outcome.reason})
    return outcome.as_output()
