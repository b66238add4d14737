"""What a service must not forget: JSON documents by kind and name, in one SQLite file.

A change is one write transaction, committed before it is acknowledged. How the file is opened, and what a kill
leaves of it, is said in `database.py`.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local.database import Kind, open_database
from local.documents import Document

_SCHEMA = """
CREATE TABLE documents (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (kind, name)
);
"""


_KIND = Kind("a store of documents", application=0x48524453, version=1, schema=_SCHEMA, unmarked="documents")


class AlreadyThere(Exception):
    """A document of that kind and name exists."""


class StoreClosed(Exception):
    """The local cloud has stopped. A thread that meets this leaves: the next start goes on with what is stored."""


class Store:
    """Thread-safe; one connection behind one lock."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the file. Raises DatabaseUnusable."""
        self._lock = threading.RLock()
        self._written = threading.Condition(self._lock)
        self.version = 0
        """Counts what this process has written."""
        self._connection = open_database(path, _KIND)
        self._depth = 0
        self._open = True

    def close(self) -> None:
        with self._lock:
            if self._open:
                self._open = False
                self._connection.close()
                self._written.notify_all()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Writes everything inside at once or not at all. May be nested: the outermost commits.

        This, and all that reads or writes, raises StoreClosed after `close`.
        """
        with self._lock:
            self._check_open()
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("COMMIT")
                self.version += 1
                self._written.notify_all()

    def wait(self, version: int, seconds: float) -> bool:
        """Waits until there is another version than this; returns False if none comes in time. Raises StoreClosed."""
        with self._lock:
            self._written.wait_for(lambda: self.version != version or not self._open, seconds)
            self._check_open()
            return self.version != version

    def _check_open(self) -> None:
        if not self._open:
            raise StoreClosed("the local cloud has stopped")

    def get(self, kind: str, name: str) -> Document | None:
        with self._lock:
            self._check_open()
            row = self._connection.execute(
                "SELECT body FROM documents WHERE kind = ? AND name = ?", (kind, name)
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def insert(self, kind: str, name: str, document: Document) -> None:
        """Raises AlreadyThere."""
        with self.transaction():
            try:
                self._connection.execute(
                    "INSERT INTO documents (kind, name, body) VALUES (?, ?, ?)",
                    (kind, name, json.dumps(document)),
                )
            except sqlite3.IntegrityError as error:
                raise AlreadyThere(f"{kind} {name}") from error

    def put(self, kind: str, name: str, document: Document) -> None:
        """Inserts the document, or replaces it in place (the order of creation stays)."""
        with self.transaction():
            self._connection.execute(
                "INSERT INTO documents (kind, name, body) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body",
                (kind, name, json.dumps(document)),
            )

    def change(self, kind: str, name: str, change: Callable[[Document], bool | None]) -> Document | None:
        """Reads, lets `change` alter the document in place, writes; all in one transaction.

        `change` answers False to leave the stored document as it is. Returns the document as `change` left it, or
        None where there is none.
        """
        with self.transaction():
            document = self.get(kind, name)
            if document is not None and change(document) is not False:
                self.put(kind, name, document)
        return document

    def delete(self, kind: str, name: str) -> bool:
        with self.transaction():
            cursor = self._connection.execute("DELETE FROM documents WHERE kind = ? AND name = ?", (kind, name))
        return cursor.rowcount > 0

    def find(self, kind: str, prefix: str = "") -> list[Document]:
        """Returns all documents of a kind whose name starts with `prefix`, oldest first."""
        return [document for _, document in self.items(kind, prefix)]

    def items(self, kind: str, prefix: str = "", limit: int = -1) -> list[tuple[str, Document]]:
        with self._lock:
            self._check_open()
            rows = self._connection.execute(
                # The range is what the index finds; it may hold a little more than what begins with the prefix.
                "SELECT name, body FROM documents WHERE kind = ? AND name >= ? AND name <= ? || char(1114111) "
                "AND substr(name, 1, ?) = ? ORDER BY ordinal LIMIT ?",
                (kind, prefix, prefix, len(prefix), prefix, limit),
            ).fetchall()
        return [(name, json.loads(body)) for name, body in rows]


def now() -> float:
    """Returns the seconds since the epoch to the millisecond, which is how the wire carries time."""
    return round(time.time(), 3)
