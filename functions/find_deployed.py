"""Step FindDeployed of a pipeline (its Lambda step): the archive of the model in service, to be compared with."""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.deployments import champion


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    about(event["job_id"])
    model_data = champion.model_data(event["endpoint"], services.current())
    logger.info("deployed", extra={"endpoint": event["endpoint"], "model_data": model_data})
    # None is in service: the new model is compared with itself.
    return {"statusCode": 200, "model_data": model_data or event["model_data"]}
