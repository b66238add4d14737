"""The CloudWatch alarms that a deployment is watched by."""

import logging
import threading
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker.machine.clock import Clock
from local.sagemaker.machine.machine import Machine

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0


def tripped(machine: Machine, names: Sequence[str]) -> list[str]:
    """Returns those of the alarms that are in ALARM now. What cannot be asked is taken for quiet, and logged."""
    if not names:
        return []
    try:
        alarms = machine.cloud.client("cloudwatch").describe_alarms(
            AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
    except (ClientError, BotoCoreError) as error:
        logger.warning("the alarms %s cannot be read: %s", ", ".join(names), error)
        return []
    every = [*alarms.get("MetricAlarms", ()), *alarms.get("CompositeAlarms", ())]
    return sorted(alarm["AlarmName"] for alarm in every if alarm.get("StateValue") == "ALARM")


def bake(machine: Machine, names: Sequence[str], seconds: float, clock: Clock, ended: threading.Event) -> list[str]:
    """Watches for `seconds`, at least one look; returns the alarms that tripped, at once when one does."""
    deadline = clock.now() + seconds
    while True:
        in_alarm = tripped(machine, names)
        left = deadline - clock.now()
        if in_alarm or left <= 0 or ended.is_set():
            return in_alarm
        # Without an alarm there is nothing to look at on the way.
        clock.wait(min(left, _POLL_SECONDS) if names else left, ended)
