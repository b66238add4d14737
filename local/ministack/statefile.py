"""The file that keeps what MiniStack holds: one SQLite database, changed in one transaction at a time.

WAL with synchronous=NORMAL: a commit is with the operating system when it returns, so that a kill -9 of this process
takes nothing (a power cut may take the last ones; the file stays whole). Only `durability.py` writes here.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from local.errors import LocalCloudError

VERSION = 1
_MARK = 0x48445243
_WAL_BYTES = 8_000_000

Statement = tuple[str, Sequence[Sequence[Any]]]
"""An SQL statement and the rows to run it with."""

_SCHEMA = """
CREATE TABLE records (
    service TEXT NOT NULL, store TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (service, store, key)
);
CREATE TABLE items (
    number INTEGER NOT NULL, pk TEXT NOT NULL, sk TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (number, pk, sk)
);
CREATE TABLE messages (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (queue, id)
);
CREATE TABLE deduplications (
    queue TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (queue, key)
);
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, body TEXT NOT NULL
);
"""


class StateFile:
    """One writer at a time (the caller holds a lock); checkpoints run beside it, on a connection of their own."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises LocalCloudError, naming it, where it is damaged or of another version."""
        self.path = path
        self.new = not path.exists()
        if self.new and any(path.with_name("state").glob("*.json")):
            raise LocalCloudError(
                f"{path.parent}: kept by headrace 0.1.0, in JSON files that this version does not read; choose another "
                "--state-dir, or remove this one to begin anew"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self.new and path.stat().st_size == 0:
            # SQLite would take it for a new database, and everything in it would be gone without a word.
            raise _damaged(path, "it is empty")
        self._checkpoints = threading.Lock()
        try:
            self._connection = _connect(path)
            self._check()
        except sqlite3.Error as error:
            raise _damaged(path, str(error)) from error

    def _check(self) -> None:
        mark, version = self._number("application_id"), self._number("user_version")
        if self.new:
            self._connection.executescript(
                f"BEGIN; {_SCHEMA} PRAGMA application_id={_MARK}; PRAGMA user_version={VERSION}; COMMIT;"
            )
        elif mark != _MARK:
            raise _damaged(self.path, "it was not written by headrace")
        elif version != VERSION:
            raise LocalCloudError(
                f"{self.path}: written in format {version}, this headrace reads format {VERSION}; "
                "use the version that wrote it, or choose another --state-dir"
            )
        else:
            verdict = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise _damaged(self.path, verdict)

    def _number(self, pragma: str) -> int:
        return int(self._connection.execute(f"PRAGMA {pragma}").fetchone()[0])

    def write(self, statements: Sequence[Statement]) -> None:
        """Writes all of it in one transaction, or nothing: then sqlite3.Error is raised and the file is as before."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for sql, rows in statements:
                connection.executemany(sql, rows)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Raises LocalCloudError where a page of the file cannot be read."""
        try:
            yield from self._connection.execute(sql, values)
        except sqlite3.Error as error:
            raise _damaged(self.path, str(error)) from error

    def checkpoint(self) -> None:
        """Move the log into the database once it is long; from any thread, writers go on meanwhile."""
        wal = self.path.with_name(self.path.name + "-wal")
        try:
            if wal.stat().st_size < _WAL_BYTES:
                return
        except FileNotFoundError:
            return
        with self._checkpoints:
            connection = _connect(self.path)
            try:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            finally:
                connection.close()

    def close(self) -> None:
        self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    # A checkpoint waits for the disk; it may not do so inside a request.
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def _damaged(path: Path, why: str) -> LocalCloudError:
    return LocalCloudError(
        f"{path}: the state of the local cloud cannot be read: {why}; restore the file from a copy, "
        "or move it away to begin without it (or choose another --state-dir)"
    )
