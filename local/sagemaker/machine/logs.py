"""A process's output on its way to a file and to CloudWatch Logs, while the process runs.

Reading never waits for CloudWatch: lines go to a buffer that one thread ships in batches. Both ends are bounded, so
a process that prints without end fills neither the disk nor the memory.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Document
from local.shipping import BatchShipper
from local.store import now
from local.surroundings import Cloud

logger = logging.getLogger(__name__)

MAX_LINE = 16 * 1024
_MAX_FILE = 64 << 20
_MAX_SHIPPED = 16 << 20
_BATCH_EVENTS = 5_000
_BATCH_BYTES = 900_000
_BATCH_SECONDS = 0.3
_TAIL_LINES = 20


class LogStream:
    """One log stream: file, CloudWatch stream and the last lines in memory."""

    def __init__(self, shipper: "Shipper", group: str, stream: str, path: Path) -> None:
        self.group = group
        self.stream = stream
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        """The last lines of standard error."""
        self.pending: list[Document] = []
        self.created = False
        self.lock = threading.Lock()
        self.sending = threading.Lock()
        self._shipper = shipper
        self._shipped = 0
        self._written = 0
        self._full = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")

    def write(self, line: str, stderr: bool = False) -> None:
        self.write_all([line], stderr)

    def write_all(self, lines: Sequence[str], stderr: bool = False) -> None:
        if stderr:
            self.tail.extend([line for line in lines if line.strip()][-_TAIL_LINES:])
        self._keep(lines)
        self._ship(lines)

    @property
    def is_full(self) -> bool:
        """Whatever is written now is neither kept nor shipped."""
        return self._full and self._shipped > _MAX_SHIPPED

    def tail_text(self) -> str:
        return "\n".join(self.tail)

    def close(self) -> None:
        """Returns when everything written is at CloudWatch, or has been given up on."""
        self._shipper.drain(self)
        with self.lock:
            self._full = True
            self._file.close()

    def _keep(self, lines: Sequence[str]) -> None:
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        with self.lock:
            # A process that outlived its stop may still be writing after the close.
            if self._full:
                return
            if self._written + len(data) > _MAX_FILE:
                whole = data[: _MAX_FILE - self._written].rpartition(b"\n")
                self._full, data = True, whole[0] + whole[1] + b"[further output is not kept]\n"
            self._written += len(data)
            self._file.write(data)
            self._file.flush()

    def _ship(self, lines: Sequence[str]) -> None:
        if self._shipped > _MAX_SHIPPED:
            return
        stamp, events = int(now() * 1000), []
        for line in lines:
            self._shipped += len(line) + 26
            full = self._shipped > _MAX_SHIPPED
            # CloudWatch refuses an event without text.
            message = "[further output is only in the job's folder]" if full else line or " "
            events.append({"timestamp": stamp, "message": message})
            if full:
                break
        with self.lock:
            self.pending.extend(events)
        self._shipper.wake(self)


class Shipper:
    """What puts the log events of every stream."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._waiting: set[LogStream] = set()
        self._groups: set[str] = set()
        self._shipper = BatchShipper("sagemaker-logs", self._drain_all, _BATCH_SECONDS)
        self.start, self.stop = self._shipper.start, self._shipper.stop

    def open(self, group: str, stream: str, path: Path) -> LogStream:
        return LogStream(self, group, stream, path)

    def wake(self, stream: LogStream) -> None:
        with self._lock:
            self._waiting.add(stream)
        self._shipper.wake()

    def drain(self, stream: LogStream) -> None:
        while self._put_batch(stream):
            pass

    def _drain_all(self) -> None:
        with self._lock:
            streams, self._waiting = self._waiting, set()
        for stream in streams:
            self.drain(stream)

    def _put_batch(self, stream: LogStream) -> bool:
        """Sends one batch; returns False when there was none. The lock keeps the batches of a stream in order."""
        with stream.sending:
            with stream.lock:
                batch: list[Document] = []
                size = 0
                for event in stream.pending[:_BATCH_EVENTS]:
                    size += 4 * len(event["message"]) + 26
                    if batch and size > _BATCH_BYTES:
                        break
                    batch.append(event)
                del stream.pending[: len(batch)]
            if batch:
                self._put(stream, batch)
            return bool(batch)

    def _put(self, stream: LogStream, batch: list[Document]) -> None:
        client = self._cloud.client("logs")
        try:
            if not stream.created:
                self._create(client, stream)
            client.put_log_events(logGroupName=stream.group, logStreamName=stream.stream, logEvents=batch)
        except (ClientError, BotoCoreError) as error:
            # The file in the job's folder has the lines; a job does not fail for its log.
            logger.warning("log events of %s %s were not taken: %s", stream.group, stream.stream, error)

    def _create(self, client: Any, stream: LogStream) -> None:
        if stream.group not in self._groups:
            _ignoring_existing(client.create_log_group, logGroupName=stream.group)
            self._groups.add(stream.group)
        _ignoring_existing(client.create_log_stream, logGroupName=stream.group, logStreamName=stream.stream)
        stream.created = True


def _ignoring_existing(create: Any, **names: str) -> None:
    try:
        create(**names)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
            raise
