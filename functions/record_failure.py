"""State RecordFailure of both state machines: every failure ends here, as a code and a sentence on the job row."""

from typing import Any

from functions import failures, services
from functions.log import about, logger


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    recorded = failures.record(event, services.current())
    about(recorded.job_id)
    logger.warning("failed", extra={"code": recorded.failure.code, "reason": recorded.failure.message})
    return {"job_id": recorded.job_id, **recorded.failure.as_dict()}
