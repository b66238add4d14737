"""A function's log in CloudWatch Logs: one stream for each execution environment, as on AWS."""

import time
from collections.abc import Mapping
from typing import Any

WRITTEN = "headrace"
"""Marks a result whose log is in CloudWatch Logs already; MiniStack would open a stream for every invocation."""


def group_of(config: Mapping[str, Any]) -> str:
    """Returns the log group of a function."""
    chosen = (config.get("LoggingConfig") or {}).get("LogGroup")
    return str(chosen or f"/aws/lambda/{config.get('FunctionName')}")


def write(group: str, stream: str, text: str) -> None:
    """Append one event for each line, and pass them on to subscriptions and live tails."""
    from ministack.services import cloudwatch_logs as service

    known = service._log_groups.get(group)
    if known is None or stream not in known["streams"]:
        # Another invocation may have made either meanwhile: both say then that it exists.
        service._create_log_group({"logGroupName": group})
        service._create_log_stream({"logGroupName": group, "logStreamName": stream})
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line, "ingestionTime": now} for line in text.split("\n")]
    # PutLogEvents would keep a second copy of every line for GetLogRecord.
    service._append_log_events(service._log_groups[group]["streams"][stream], events)
    service._fanout_to_subscription_filters(group, stream, events)
    service._fanout_to_live_tail_sessions(group, stream, events)
