"""Every five minutes: resolves waits whose event was lost, by asking what `track_*` would have heard.

What was announced and never sent ends here, too.
"""

from dataclasses import asdict
from typing import Any

from functions.aws import services
from functions.aws.log import logger
from functions.uploads import announced
from functions.waiting import sweep

RESERVE_MS = 10_000


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:  # noqa: ARG001
    here = services.current()

    def has_time() -> bool:
        return bool(context.get_remaining_time_in_millis() > RESERVE_MS)

    swept = asdict(sweep.sweep(here, has_time)) | {"unsent": announced.end_expired(here, has_time)}
    logger.info("swept", extra=swept)
    return swept
