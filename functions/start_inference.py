"""State StartInference of `face_processing`: sends the photo; `track_inference` hears the answer."""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.images import photos
from functions.waiting import inference


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001
    about(event["job"]["job_id"])
    inference.start(event["job"], event["token"], services.current(), photos.as_jpeg)
    logger.info("sent", extra={"endpoint": event["job"]["endpoint"]})
