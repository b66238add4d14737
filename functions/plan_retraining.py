"""First state of `retraining` (on a schedule): which datasets are new? Each becomes an execution of `training`."""

from typing import Any

from functions.aws import services
from functions.aws.log import logger
from functions.training import retraining
from functions.training.retraining import Skipped, Training


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    entries = retraining.plan(event.get("input") or {}, event["time"], services.current())
    runs = [entry.as_run() for entry in entries if isinstance(entry, Training)]
    skipped = [entry.as_dict() for entry in entries if isinstance(entry, Skipped)]
    logger.info("planned", extra={"runs": len(runs), "skipped": skipped})
    return {"runs": runs, "skipped": skipped}
