"""What is committed, for any thread. There are as many connections as read at once, and none waits for the writer."""

import sqlite3
import threading
from collections.abc import Sequence
from heapq import merge
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.journal import codec, schema
from local.stepfunctions.journal.errors import JournalDamaged
from local.stepfunctions.journal.rows import ExecutionRow, Revision, machine_and_name
from local.stepfunctions.journal.schema import BATCH_BITS

_COLUMNS = "id, name, status, started, stopped, trace_header, map_run, item, redrives, redriven, revision"
_STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
_KEPT_REVISIONS = 4096


class Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._revisions: dict[int, Revision] = {}

    def close(self) -> None:
        """Once no thread reads any more."""
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    # Executions.

    def execution(self, arn: str) -> ExecutionRow | None:
        parts = machine_and_name(arn)
        if parts is None:
            return None
        rows = self.select(
            f"SELECT {_COLUMNS} FROM executions WHERE machine = (SELECT id FROM machines WHERE arn = ?) AND name = ?",
            parts,
        )
        row = self._row(rows[0]) if rows else None
        # An Express execution is not to be had under the ARN of a Standard one, nor the other way.
        return row if row is not None and row.arn == arn else None

    def by_id(self, execution: int) -> ExecutionRow | None:
        rows = self.select(f"SELECT {_COLUMNS} FROM executions WHERE id = ?", (execution,))
        return self._row(rows[0]) if rows else None

    def executions(
        self,
        machine_arn: str | None = None,
        *,
        map_run: str | None = None,
        status: str | None = None,
        redriven: bool | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[ExecutionRow]:
        """Returns those of a state machine or a map run, newest first; `before` is the id of the last one seen."""
        wanted = [status] if status else list(_STATUSES)
        condition = "" if redriven is None else " AND redrives > 0" if redriven else " AND redrives = 0"
        which = "map_run = ?" if map_run is not None else "machine = (SELECT id FROM machines WHERE arn = ?)"
        of = map_run if map_run is not None else machine_arn
        statement = (
            f"SELECT {_COLUMNS} FROM executions WHERE {which} AND status = ? AND id < ?{condition}"
            " ORDER BY id DESC LIMIT ?"
        )
        last = before if before is not None else 1 << 62
        # One index serves both: each status is a list in order of id.
        lists = [self.select(statement, (of, wanted_status, last, limit)) for wanted_status in wanted]
        return [self._row(row) for row in islice(merge(*lists, key=lambda row: -row[0]), limit)]

    def count_running(self, machine_arn: str) -> int:
        rows = self.select(
            "SELECT count(*) FROM executions WHERE machine = (SELECT id FROM machines WHERE arn = ?)"
            " AND status = 'RUNNING'",
            (machine_arn,),
        )
        return int(rows[0][0])

    def counts(self, map_run: str) -> dict[str, int]:
        """Counts the map run's children by status."""
        return dict(
            self.select("SELECT status, count(*) FROM executions WHERE map_run = ? GROUP BY status", (map_run,))
        )

    # Records.

    def records(self, execution: int) -> list[Event]:
        """Returns all, marks included. Raises JournalDamaged."""
        return self.history(execution)[0]

    def history(self, execution: int) -> tuple[list[Event], int]:
        """Returns the records, and in how many batches they were written. Raises JournalDamaged."""
        rows = self.select("SELECT id, body FROM records WHERE id >= ? AND id < ? ORDER BY id", _range(execution))
        return self._whole(execution, rows)

    def running(self, executions: Sequence[int]) -> list[tuple[ExecutionRow, list[Event], int]]:
        """Returns those of them that run, each with its history, in two reads for all. Raises JournalDamaged."""
        which = f"e.id IN ({','.join('?' * len(executions))}) AND e.status = 'RUNNING'"
        rows = self.select(f"SELECT {_COLUMNS} FROM executions e WHERE {which} ORDER BY e.id", executions)
        batches = self.select(
            f"SELECT r.id, r.body FROM executions e JOIN records r ON r.id >= e.id << {BATCH_BITS}"
            f" AND r.id < (e.id + 1) << {BATCH_BITS} WHERE {which} ORDER BY r.id",
            executions,
        )
        histories = {
            execution: list(part) for execution, part in groupby(batches, key=lambda row: row[0] >> BATCH_BITS)
        }
        return [(self._row(row), *self._whole(row[0], histories.get(row[0], []))) for row in rows]

    def _whole(self, execution: int, rows: Sequence[tuple[Any, ...]]) -> tuple[list[Event], int]:
        if rows and rows[-1][0] != (execution << BATCH_BITS) + len(rows) - 1:
            raise JournalDamaged(f"{self._path}: execution {execution}: some of its records are missing")
        return [record for _, body in rows for record in self._decoded(body, execution)], len(rows)

    def first(self, execution: int) -> Event:
        """ExecutionStarted. Raises JournalDamaged."""
        return self._end(execution, "ASC")[0]

    def last(self, execution: int) -> Event:
        """Returns the event that ended a finished execution. Raises JournalDamaged."""
        return self._end(execution, "DESC")[-1]

    def _end(self, execution: int, order: str) -> list[Event]:
        rows = self.select(
            f"SELECT body FROM records WHERE id >= ? AND id < ? ORDER BY id {order} LIMIT 1", _range(execution)
        )
        if not rows:
            raise JournalDamaged(f"{self._path}: execution {execution} has no records")
        return self._decoded(rows[0][0], execution)

    def _decoded(self, body: bytes, execution: int) -> list[Event]:
        try:
            return codec.decode(body)
        except JournalDamaged as error:
            raise JournalDamaged(f"{self._path}: execution {execution}: {error}") from error

    # Inside.

    def select(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        connection = self._taken()
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            with self._lock:
                self._idle.append(connection)

    def _taken(self) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return schema.open_for_reading(self._path)

    def _row(self, row: tuple[Any, ...]) -> ExecutionRow:
        *values, revision = row
        identity, name, status, *rest = values
        return ExecutionRow(identity, self.revision(revision), name, status, *rest)

    def revision(self, identity: int) -> Revision:
        revision = self._revisions.get(identity)
        if revision is None:
            row = self.select(
                "SELECT id, machine_arn, definition, role_arn, express, version_arn, alias_arn, logging, processor"
                " FROM revisions WHERE id = ?",
                (identity,),
            )[0]
            revision = Revision(row[0], row[1], row[2], row[3], bool(row[4]), *row[5:])
            if len(self._revisions) >= _KEPT_REVISIONS:
                self._revisions.clear()
            self._revisions[identity] = revision
        return revision


def _range(execution: int) -> tuple[int, int]:
    return execution << BATCH_BITS, (execution + 1) << BATCH_BITS
