"""State Detect of `chained_inference`: the detector's boxes become crops; the walk goes on in `read_crop`."""

from dataclasses import asdict
from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.chains import detections


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    about(event["job"]["job_id"])
    detected = detections.detect(event["job"], services.current())
    logger.info("detected", extra={"count": len(detected.crops), "left_out": detected.left_out})
    return asdict(detected)
