"""Follows endpoints (`SageMaker Endpoint State Change`) and resolves what `await_endpoint` parked."""

from typing import Any

from functions.aws import services
from functions.aws.log import logger
from functions.waiting import endpoints


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001
    endpoint = event["detail"]["EndpointName"]
    resolved = endpoints.settle(services.current(), endpoint)
    logger.info("tracked", extra={"endpoint": endpoint, "resolved": resolved})
