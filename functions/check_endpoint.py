"""States CheckCandidate and Check of `deployment`: the model answers its package's sample."""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.deployments import smoke


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001
    about(event["job_id"])
    if event["candidate"]:
        smoke.check_candidate(event["plan"], services.current())
    else:
        smoke.check(event["job_id"], event["plan"], services.current())
    logger.info("answered", extra={"candidate": event["candidate"], "sample": event["plan"].get("sample")})
