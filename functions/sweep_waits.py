"""Every five minutes: resolves waits whose event was lost, by asking what `track_*` would have heard."""

from dataclasses import asdict
from typing import Any

from functions.aws import services
from functions.aws.log import logger
from functions.waiting import sweep

RESERVE_MS = 10_000


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:  # noqa: ARG001
    swept = sweep.sweep(services.current(), lambda: context.get_remaining_time_in_millis() > RESERVE_MS)
    logger.info("swept", extra=asdict(swept))
    return asdict(swept)
