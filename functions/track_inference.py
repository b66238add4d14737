"""Hears the success and error topics and answers what `start_inference` parked; the walk goes on in `split_result`."""

import json
from typing import Any

from functions.aws import services
from functions.aws.log import logger
from functions.waiting import inference


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001
    for record in event["Records"]:
        result = inference.track(json.loads(record["Sns"]["Message"]), services.current())
        logger.info("tracked", extra={"result": result})
