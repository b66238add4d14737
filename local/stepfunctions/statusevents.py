"""Execution status changes, to the default EventBridge bus, at least once.

The engine's thread only notes who has changed; another reads the journal and sends. The store has a mark:
every change before it was sent. After a kill -9 the journal is read from there on, and so it is where more changes
came than are noted. AWS sends them for Standard executions only.
Source: "EventBridge events for Step Functions execution status changes" in the Developer Guide.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Document
from local.shipping import BatchShipper
from local.stepfunctions.api.context import Context
from local.stepfunctions.api.executions import described
from local.stepfunctions.api.redriving import redrive_status
from local.stepfunctions.interpreter.events import Event, EventType
from local.stepfunctions.journal.errors import JournalError
from local.stepfunctions.journal.rows import ExecutionRow

logger = logging.getLogger(__name__)

_DETAIL_TYPE = "Step Functions Execution Status Change"
_KIND, _MARK = "mark", "status-events"
_MOST = 20_000
"""Changes noted; beyond that they are read from the journal."""
_KEPT = 4096
"""Bytes of an input or output that are kept with what is noted."""
_LARGE = "x" * _KEPT
_READ_AT_ONCE = 1000
_MARK_SECONDS = 1.0
_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0)
_MOST_BYTES = 248 * 1024
"""Of input and output together: an event has room for no more."""
_BEGINS = frozenset({EventType.EXECUTION_STARTED, EventType.EXECUTION_REDRIVEN})
_ENDS: Mapping[str, str] = {
    EventType.EXECUTION_SUCCEEDED: "SUCCEEDED",
    EventType.EXECUTION_FAILED: "FAILED",
    EventType.EXECUTION_TIMED_OUT: "TIMED_OUT",
    EventType.EXECUTION_ABORTED: "ABORTED",
}


class _Change(NamedTuple):
    execution: int
    status: str
    row: ExecutionRow | None = None
    first: Event | None = None
    last: Event | None = None
    """None, here and above: it is read from the journal. So is what is large, to keep it out of memory."""


Wanted = Callable[[str], bool]
"""Whether any rule could match an event with this status; where it cannot be known, True."""


class StatusEvents:
    def __init__(self, context: Context, wanted: Wanted) -> None:
        self._context = context
        self._wanted = wanted
        self._changes: deque[_Change] = deque()
        self._seen = time.time()
        """Of the last change that was noted or that nobody wanted."""
        self._marked = self._seen
        self._missed: float | None = None
        """From when on changes are to be read from the journal."""
        self._shipper = BatchShipper("stepfunctions-events", self._send_all)
        # It sends once the rules and their targets are there, and stops after the executor. What could not be sent by
        # then is sent by the next start.
        self.start, self.stop = self._shipper.start, self._shipper.stop

    def open(self) -> None:
        """Reads the mark, before the executor starts: what it changes is after the mark."""
        mark = self._context.store.get(_KIND, _MARK)
        if mark is not None and not mark["clean"]:
            self._missed = mark["time"]
            self._shipper.wake()
        else:
            self._put_mark(clean=False)

    def observe(self, row: ExecutionRow, records: Sequence[Event]) -> None:
        """Notes what changed; on the engine's thread."""
        begins, ends = records[0].type in _BEGINS, records[-1].type in _ENDS
        if not (begins or ends) or row.express:
            return
        begins = begins and self._wanted("RUNNING")
        ends = ends and self._wanted(_ENDS[records[-1].type])
        if begins or ends:
            self._note(row, records, begins=begins, ends=ends)
        # After the change was noted: whoever finds nothing noted has sent all up to here.
        self._seen = records[-1].time
        if begins or ends or self._seen - self._marked > _MARK_SECONDS:
            self._shipper.wake()

    def _note(self, row: ExecutionRow, records: Sequence[Event], *, begins: bool, ends: bool) -> None:
        if len(self._changes) >= _MOST:
            if self._missed is None:
                self._missed = records[0].time
            return
        first, last = records[0], records[-1]
        kept = first if len(first.details.get("input", _LARGE)) < _KEPT else None
        if begins:
            self._changes.append(_Change(row.id, "RUNNING", row, kept))
        if ends:
            told = last if len(last.details.get("output", "")) < _KEPT else None
            is_whole = first.type in _BEGINS
            self._changes.append(_Change(row.id, _ENDS[last.type], row, kept if is_whole else None, told))

    # The shipper's thread.

    def _send_all(self) -> None:
        """Sends what there is. A stop that leaves nothing unsent says so in the mark."""
        self._send_until_empty()
        if self._shipper.is_stopping and not self._changes and self._missed is None:
            self._marked = self._seen
            self._put_mark(clean=True)

    def _send_until_empty(self) -> None:
        """Sends until nothing is left, or the stop leaves no time for a bus that does not answer."""
        while True:
            seen = self._seen
            if self._changes:
                if not self._send(self._changes[0]):
                    return
                self._changes.popleft()
            elif self._missed is not None:
                since = self._missed
                if not self._send_missed(since):
                    return
                # Unless more were missed meanwhile, which are then read from the same moment on.
                self._missed = None if len(self._changes) < _MOST else since
            else:
                # What is between the mark and a kill is sent twice.
                if seen - self._marked > _MARK_SECONDS:
                    self._marked = seen
                    self._put_mark(clean=False)
                return

    def _send_missed(self, since: float) -> bool:
        last = 0
        while True:
            rows = self._context.reader.select(
                "SELECT id, status, started, stopped, redriven FROM executions"
                " WHERE id > ? AND (started >= ? OR stopped >= ? OR redriven >= ?) ORDER BY id LIMIT ?",
                (last, since, since, since, _READ_AT_ONCE),
            )
            for identity, status, started, stopped, redriven in rows:
                if max(started, redriven or 0.0) >= since and not self._send(_Change(identity, "RUNNING")):
                    return False
                if stopped is not None and status != "RUNNING" and not self._send(_Change(identity, status)):
                    return False
            if len(rows) < _READ_AT_ONCE:
                return True
            last = rows[-1][0]

    def _send(self, change: _Change) -> bool:
        """Returns False where it could not be sent before the stop. What the bus will not take at all is left out."""
        row = (change.row or self._context.reader.by_id(change.execution)) if self._wanted(change.status) else None
        if row is None or row.express:
            return True
        try:
            detail = detail_of(self._context, row, change.status, change.first, change.last)
        except JournalError as error:
            # Pruned meanwhile, or damaged: the others are told of all the same.
            logger.error("the status change of %s cannot be told: %s", row.arn, error)
            return True
        for pause in (*_RETRY_SECONDS, None):
            try:
                self._context.cloud.emit("aws.states", _DETAIL_TYPE, detail, [row.arn])
                return True
            except (BotoCoreError, ClientError, OSError, RuntimeError) as error:
                if pause is None:
                    logger.error("the status change of %s was not taken by EventBridge: %s", row.arn, error)
                elif self._shipper.pause(pause):
                    return False
        return True

    def _put_mark(self, *, clean: bool) -> None:
        self._context.store.put(_KIND, _MARK, {"time": self._marked, "clean": clean})


def detail_of(
    context: Context, row: ExecutionRow, status: str, first: Event | None = None, last: Event | None = None
) -> Document:
    """Makes the event's detail. Every member is there; what does not apply is null."""
    over = status != "RUNNING"
    if first is None:
        first = context.reader.first(row.id)
    # The journal may be further than the change that is told of.
    if last is None and over and row.status != "RUNNING":
        last = context.reader.last(row.id)
    told = row if over else _as_running(row)
    detail = described(told, first, last)
    detail |= redrive_status(context, told, None if last is None else last.id)
    size = len(detail["input"]) + len(detail["output"] or "")
    if size > _MOST_BYTES:
        detail |= {"input": None, "inputDetails": {"included": False}}
        if len(detail["output"] or "") > _MOST_BYTES:
            detail |= {"output": None, "outputDetails": {"included": False}}
    return {name: _milliseconds(detail.get(name)) if name.endswith("Date") else detail.get(name) for name in _MEMBERS}


_MEMBERS = (
    "executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate", "input", "inputDetails", "output",
    "outputDetails", "error", "cause", "stateMachineVersionArn", "stateMachineAliasArn", "redriveCount", "redriveDate",
    "redriveStatus", "redriveStatusReason",
)  # fmt: skip


def _as_running(row: ExecutionRow) -> ExecutionRow:
    return ExecutionRow(row.id, row.revision, row.name, "RUNNING", row.started, None, row.trace_header, row.map_run,
                        row.item, row.redrives, row.redriven)  # fmt: skip


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
