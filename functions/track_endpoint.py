"""Follows endpoints (`SageMaker Endpoint State Change`) and resolves what `await_endpoint` parked."""

from typing import Any

from functions import endpoints, services
from functions.log import logger


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001
    endpoint = event["detail"]["EndpointName"]
    resolved = endpoints.settle(services.current(), endpoint)
    logger.info("tracked", extra={"endpoint": endpoint, "resolved": resolved})
