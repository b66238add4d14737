"""Step Deploy of a pipeline (its Lambda step): puts the model behind the endpoint; `await_endpoint` waits."""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.deployments import serving


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    deployment = serving.parse(event)
    about(deployment.job_id)
    serving.deploy(deployment, services.current())
    logger.info("deployed", extra={"endpoint": deployment.endpoint, "endpoint_config": deployment.name})
    return {"statusCode": 200, "endpoint": deployment.endpoint, "endpoint_config": deployment.name}
