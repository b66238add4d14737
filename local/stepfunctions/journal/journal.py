"""The one writer. What a turn of the engine writes is collected, and committed as a whole.

Only the engine's thread uses it.
"""

import hashlib
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.journal import codec, schema
from local.stepfunctions.journal.errors import JournalFull, JournalRefused
from local.stepfunctions.journal.rows import ExecutionRow, Revision, RevisionKey
from local.stepfunctions.journal.schema import BATCH_BITS

_INSERT = "INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE = "UPDATE executions SET status = ?, stopped = ?, redrives = ?, redriven = ? WHERE id = ?"
_APPEND = "INSERT INTO records VALUES (?, ?)"
_KEPT_REVISIONS = 4096
_RESERVED_IDS = 10_000


class Journal:
    def __init__(self, path: Path) -> None:
        """Raises DatabaseUnusable."""
        self.path = path
        self._connection = schema.open_for_writing(path)
        self.secret: bytes = self._one("SELECT value FROM meta WHERE name = 'secret'")[0]
        self._last: int = self._one("SELECT coalesce(max(id), 0) FROM executions")[0]
        # Of an execution that was pruned, or that left no row, the number is not given again: its tokens live on.
        self._last = max(self._last, self._meta("last_execution"))
        self._reserved = self._last
        self._revisions: dict[RevisionKey, tuple[int, Revision]] = {}
        self._inserts: dict[int, tuple[Any, ...]] = {}
        self._updates: list[tuple[Any, ...]] = []
        self._appends: defaultdict[int, list[tuple[int, bytes]]] = defaultdict(list)
        self._names: set[tuple[int, str]] = set()
        self._begun = False

    # What a turn writes.

    def next_id(self) -> int:
        """Returns a number that no execution has had, not even one that a kill took. Raises JournalFull."""
        if self._last >= self._reserved:
            self._reserved = self._last + _RESERVED_IDS
            self.execute("REPLACE INTO meta VALUES ('last_execution', ?)", (self._reserved,))
        self._last += 1
        return self._last

    def revision(self, key: RevisionKey) -> Revision:
        """Keeps a revision once, and returns it. Raises JournalFull."""
        known = self._revisions.get(key)
        if known is None:
            known = self._kept_revision(key)
            if len(self._revisions) >= _KEPT_REVISIONS:
                self._revisions.clear()
            self._revisions[key] = known
        return known[1]

    def is_taken(self, revision: Revision, name: str) -> int | None:
        """Returns the execution of that state machine that has the name; 0 where it was inserted in this very turn."""
        machine = self._machine(revision)
        if (machine, name) in self._names:
            return 0
        row = self._connection.execute(
            "SELECT id FROM executions WHERE machine = ? AND name = ?", (machine, name)
        ).fetchone()
        return None if row is None else int(row[0])

    def insert(self, row: ExecutionRow) -> None:
        machine = self._machine(row.revision)
        identity, *rest = row.values()
        self._inserts[row.id] = (identity, machine, row.revision.id, *rest)
        self._names.add((machine, row.name))

    def update(self, row: ExecutionRow) -> None:
        if row.id in self._inserts:
            self.insert(row)
        else:
            self._updates.append((row.status, row.stopped, row.redrives, row.redriven, row.id))

    def append(self, execution: int, batch: int, records: Sequence[Event]) -> None:
        """`batch` counts up from 0."""
        self._appends[execution].append((execution << BATCH_BITS | batch, codec.encode(records)))

    def delete(self, execution: int) -> None:
        """Deletes an execution with its records."""
        self._inserts.pop(execution, None)
        self._appends.pop(execution, None)
        self.execute("DELETE FROM executions WHERE id = ?", (execution,))
        self.execute(
            "DELETE FROM records WHERE id >= ? AND id < ?", (execution << BATCH_BITS, (execution + 1) << BATCH_BITS)
        )

    def forget_machine(self, arn: str) -> None:
        """Leaves its executions to nobody: their names are free, and pruning finds them in time."""
        self.execute(
            "UPDATE machines SET arn = 'deleted ' || id || ' ' || arn WHERE arn = ? OR (arn > ? AND arn < ?)",
            (arn, f"{arn}/", f"{arn}0"),
        )
        self._revisions.clear()

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Executes SQL in the turn's transaction, at once. Raises JournalFull or JournalRefused."""
        with self._errors():
            self._begin()
            return self._connection.execute(statement, parameters)

    def commit(self) -> None:
        """Writes all of the turn, or nothing of it. Raises JournalFull or JournalRefused."""
        if not (self._begun or self._inserts or self._appends or self._updates):
            return
        with self._errors():
            self._begin()
            if self._inserts:
                self._connection.executemany(_INSERT, self._inserts.values())
            if self._appends:
                self._connection.executemany(_APPEND, chain.from_iterable(self._appends.values()))
            if self._updates:
                self._connection.executemany(_UPDATE, self._updates)
            self._connection.execute("COMMIT")
        self._done()

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        # Revisions of the turn went with it, and what it reserved.
        self._revisions.clear()
        self._reserved = self._last
        self._done()

    def close(self) -> None:
        """Cleanly: the next start need not examine the file."""
        self._connection.execute("REPLACE INTO meta VALUES ('last_execution', ?), ('clean', 1)", (self._last,))
        self._connection.close()

    # What the engine reads for itself.

    def running(self) -> list[int]:
        rows = self._connection.execute("SELECT id FROM executions WHERE status = 'RUNNING' ORDER BY id").fetchall()
        return [row[0] for row in rows]

    def prune(self, before: float, keep: int, limit: int) -> int:
        """Forget finished executions that ended before a moment or are not among the `keep` newest.

        It looks at the `limit` oldest and answers how many it forgot. The space is used again.
        """
        newest = self._last - keep
        rows = self._connection.execute(
            "SELECT id, stopped FROM executions WHERE status != 'RUNNING' AND (map_run IS NULL OR map_run NOT IN"
            " (SELECT arn FROM map_runs WHERE status = 'RUNNING')) ORDER BY id LIMIT ?",
            (limit,),
        ).fetchall()
        old = [identity for identity, stopped in rows if stopped < before or identity <= newest]
        for identity in old:
            self.delete(identity)
            self._forget_map_runs(identity)
        return len(old)

    def _forget_map_runs(self, execution: int) -> None:
        self.execute(
            "DELETE FROM map_items WHERE map_run IN (SELECT id FROM map_runs WHERE execution = ?)", (execution,)
        )
        self.execute("DELETE FROM map_runs WHERE execution = ?", (execution,))

    # Inside.

    def _begin(self) -> None:
        if not self._begun:
            self._connection.execute("BEGIN IMMEDIATE")
            self._begun = True

    def _done(self) -> None:
        self._begun = False
        self._inserts.clear()
        self._appends.clear()
        self._updates.clear()
        self._names.clear()

    def _machine(self, revision: Revision) -> int:
        known = self._revisions.get(revision.key)
        return known[0] if known is not None else self._machine_id(revision.machine_arn)

    def _machine_id(self, arn: str) -> int:
        self.execute("INSERT OR IGNORE INTO machines (arn) VALUES (?)", (arn,))
        return int(self._one("SELECT id FROM machines WHERE arn = ?", (arn,))[0])

    def _kept_revision(self, key: RevisionKey) -> tuple[int, Revision]:
        digest = hashlib.sha256(repr(tuple(key)).encode("utf-8", "surrogatepass")).digest()
        self.execute(
            "INSERT OR IGNORE INTO revisions (digest, machine_arn, definition, role_arn, express, version_arn,"
            " alias_arn, logging, processor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (digest, *key),
        )
        identity = self._one("SELECT id FROM revisions WHERE digest = ?", (digest,))[0]
        return self._machine_id(key.machine_arn), Revision(identity, *key)

    def _meta(self, name: str) -> int:
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def _one(self, statement: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._connection.execute(statement, parameters).fetchone()
        return row

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError) as error:
            raise JournalRefused(f"{self.path}: this cannot be written: {error}") from error
        except (UnicodeError, OverflowError) as error:
            raise JournalRefused(f"{self.path}: this cannot be written: {error}") from error
        except sqlite3.Error as error:
            raise JournalFull(f"{self.path}: nothing can be written: {error}") from error
