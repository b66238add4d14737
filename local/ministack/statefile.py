"""The file that keeps what MiniStack holds: one SQLite database, changed in one transaction at a time.

Only `durability.py` writes here. How it is opened, and what a kill leaves, is said in `local/database.py`.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from local import database
from local.errors import LocalCloudError

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


KIND = database.Kind("the state of a local cloud", application=0x48445243, version=1, schema=_SCHEMA)


class StateFile:
    """One writer at a time (the caller holds a lock); checkpoints run beside it, on a connection of their own."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the file. Raises LocalCloudError, naming it, where it is damaged or of another version."""
        self.path = path
        if not path.exists() and any(path.with_name("state").glob("*.json")):
            raise LocalCloudError(
                f"{path.parent}: kept by headrace 0.1.0, in JSON files that this version does not read; choose another "
                "--state-dir, or remove this one to begin anew"
            )
        self._checkpoints = threading.Lock()
        self._connection = database.open_database(path, KIND)
        # A checkpoint waits for the disk; it may not do so inside a request.
        self._connection.execute("PRAGMA wal_autocheckpoint=0")

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
            raise database.unusable(self.path, KIND, f"it cannot be read: {error}") from error

    def checkpoint(self) -> None:
        """Move the log into the database once it is long; from any thread, writers go on meanwhile."""
        wal = self.path.with_name(self.path.name + "-wal")
        try:
            if wal.stat().st_size < _WAL_BYTES:
                return
        except FileNotFoundError:
            return
        with self._checkpoints:
            connection = database.connect(self.path)
            try:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            finally:
                connection.close()

    def close(self) -> None:
        self._connection.close()
