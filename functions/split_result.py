"""State SplitResult of `face_processing`: cuts the model's array into images; the walk ends in RecordSuccess."""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.images import results


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    about(event["job_id"])
    written = results.split(event, services.current())
    logger.info("split", extra={"count": len(written)})
    return {"results": [{"index": image.index, "label": image.label, "key": image.key} for image in written]}
