"""State ReadCrop of `chained_inference`, once for each crop; the walk goes on in `collect_texts`."""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.chains import readings


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    about(event["job_id"])
    count = readings.read(event, services.current())
    logger.info("read", extra={"crop": event["index"], "lines": count})
    return {"index": event["index"]}
