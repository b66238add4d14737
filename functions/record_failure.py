"""Every failure, and every stop, ends here, as a code and a sentence on the job row.

Called by the state RecordFailure of the state machines that have jobs, and by EventBridge for an execution that ended
without reaching it (`Step Functions Execution Status Change`).
"""

from typing import Any

from functions.aws import services
from functions.aws.log import about, logger
from functions.failures import executions, failures


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    here = services.current()
    recorded = executions.record(event["detail"], here) if "detail" in event else failures.record(event, here)
    if recorded is None:
        logger.info("the execution's end is recorded already, or its job is another's")
        return {}
    about(recorded.job_id)
    logger.warning("failed", extra={"code": recorded.failure.code, "reason": recorded.failure.message})
    told = {"status": recorded.failure.status.value, "answerable": recorded.failure.answerable}
    return {"job_id": recorded.job_id, **recorded.failure.as_dict(), **told}
