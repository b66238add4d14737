"""What executions do, in CloudWatch Logs, as their state machine's loggingConfiguration asks.

The engine's thread only hands the records over; they are written in batches. As on AWS delivery is best
effort: what a kill -9 finds unwritten is not written again.
Source: "Using CloudWatch Logs to log execution history" in the Developer Guide.
"""

import functools
import json
import logging
import time
import uuid
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Document, Json
from local.shipping import BatchShipper
from local.stepfunctions.api.logdestinations import group_of
from local.stepfunctions.interpreter.events import Event, EventType
from local.stepfunctions.journal.rows import ExecutionRow
from local.surroundings import Cloud

logger = logging.getLogger(__name__)

_MOST = 20_000
"""Batches of records that wait; beyond that the oldest are dropped."""
_LINES_AT_ONCE, _BYTES_AT_ONCE, _LINE_OVERHEAD = 10_000, 1_000_000, 26
"""Limits of PutLogEvents."""
_STREAM_SECONDS = 3600.0
_DATA = frozenset({"input", "inputDetails", "output", "outputDetails", "parameters"})
_FATAL = frozenset({EventType.EXECUTION_ABORTED, EventType.EXECUTION_FAILED, EventType.EXECUTION_TIMED_OUT})
_ERROR_ENDINGS = ("Failed", "Aborted", "TimedOut")


class _Batch(NamedTuple):
    arn: str
    machine: str
    redrives: int
    logging: str
    records: Sequence[Event]


class _Line(NamedTuple):
    time: int
    text: str


class ExecutionLogs:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._batches: deque[_Batch] = deque(maxlen=_MOST)
        self._streams: dict[tuple[str, str], tuple[str, float]] = {}
        self._shipper = BatchShipper("stepfunctions-logs", self._write_all)
        # It is stopped after the executor.
        self.start, self.stop = self._shipper.start, self._shipper.stop

    def observe(self, row: ExecutionRow, records: Sequence[Event]) -> None:
        """Takes over the records; on the engine's thread."""
        configuration = row.revision.logging
        if configuration is not None:
            self._batches.append(_Batch(row.arn, row.machine_name, row.redrives, configuration, records))
            self._shipper.wake()

    # The shipper's thread.

    def _write_all(self) -> None:
        while self._batches:
            lines: dict[tuple[str, str], list[_Line]] = {}
            while self._batches and len(lines) < _LINES_AT_ONCE:
                batch = self._batches.popleft()
                configuration = _configuration(batch.logging)
                where = (group_of(configuration), batch.machine)
                lines.setdefault(where, []).extend(_lines(batch, configuration))
            for (group, machine), described in lines.items():
                try:
                    self._write(group, machine, described)
                except (BotoCoreError, ClientError, OSError, RuntimeError) as error:
                    logger.error("log group %s did not take the events of %s: %s", group, machine, error)
                except Exception:
                    logger.exception("events of %s could not be logged", machine)

    def _write(self, group: str, machine: str, lines: list[_Line]) -> None:
        lines.sort(key=lambda line: line.time)
        for some in _portions(lines):
            events = [{"timestamp": line.time, "message": line.text} for line in some]
            client, stream = self._cloud.client("logs"), self._stream(group, machine)
            client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def _stream(self, group: str, machine: str) -> str:
        """Returns the stream's name; a new one every hour."""
        name, until = self._streams.get((group, machine), ("", 0.0))
        now = time.time()
        if now > until:
            minute = time.strftime("%Y-%m-%d-%H-%M", time.gmtime(now))
            name = f"states/{machine}/{minute}/{uuid.uuid4().hex[:8]}"
            self._cloud.client("logs").create_log_stream(logGroupName=group, logStreamName=name)
            self._streams[group, machine] = (name, now + _STREAM_SECONDS)
        return name


def _portions(lines: list[_Line]) -> list[list[_Line]]:
    portions: list[list[_Line]] = [[]]
    room = _BYTES_AT_ONCE
    for line in lines:
        needed = len(line.text.encode()) + _LINE_OVERHEAD
        if portions[-1] and (needed > room or len(portions[-1]) == _LINES_AT_ONCE):
            portions.append([])
            room = _BYTES_AT_ONCE
        portions[-1].append(line)
        room -= needed
    return [some for some in portions if some]


@functools.lru_cache(maxsize=256)
def _configuration(text: str) -> Document:
    configuration: Document = json.loads(text)
    return configuration


def _lines(batch: _Batch, configuration: Document) -> list[_Line]:
    level, data = configuration["level"], configuration.get("includeExecutionData", False)
    return [_line(batch, event, data=data) for event in batch.records if event.id and is_logged(event.type, level)]


def is_logged(kind: str, level: str) -> bool:
    """Tells whether a configuration of this level takes events of this type."""
    match level:
        case "ALL":
            return True
        case "ERROR":
            return kind.endswith(_ERROR_ENDINGS) or kind == "FailStateEntered"
        case "FATAL":
            return kind in _FATAL
        case _:
            return False


def _line(batch: _Batch, event: Event, *, data: bool) -> _Line:
    details = {name: value for name, value in event.details.items() if data or name not in _DATA}
    milliseconds = round(event.time * 1000)
    said: dict[str, Json] = {"id": str(event.id), "type": event.type}
    if details:
        said["details"] = details
    said |= {
        "previous_event_id": str(event.previous),
        "event_timestamp": str(milliseconds),
        "execution_arn": batch.arn,
        "redrive_count": str(batch.redrives),
    }
    return _Line(milliseconds, json.dumps(said, separators=(",", ":"), ensure_ascii=False))
