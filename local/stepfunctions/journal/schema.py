"""The file: its tables, how it is opened, and when it is refused.

WAL with synchronous=NORMAL keeps every commit through a kill -9 of the process (a power cut may take the last ones;
the file stays whole). A write that was cut short at the end of the log is dropped by SQLite, by its checksum: it was
never acknowledged.
"""

import os
import secrets
import sqlite3
from pathlib import Path

from local.stepfunctions.journal.errors import JournalUnusable

VERSION = 1
_APPLICATION = 0x48524A31
"""So that another program's SQLite file is not taken for a journal."""
_PAGE_BYTES = 8192
_CACHE_KIB = 32_768

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE machines (id INTEGER PRIMARY KEY, arn TEXT NOT NULL UNIQUE);

CREATE TABLE revisions (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    machine_arn TEXT NOT NULL,
    definition TEXT NOT NULL,
    role_arn TEXT NOT NULL,
    express INTEGER NOT NULL,
    version_arn TEXT,
    alias_arn TEXT,
    logging TEXT,
    processor TEXT
);

CREATE TABLE executions (
    id INTEGER PRIMARY KEY,
    machine INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    started REAL NOT NULL,
    stopped REAL,
    trace_header TEXT,
    map_run TEXT,
    item INTEGER,
    redrives INTEGER NOT NULL,
    redriven REAL,
    UNIQUE (machine, name)
);
CREATE INDEX executions_listed ON executions (machine, status);
CREATE INDEX executions_running ON executions (status) WHERE status = 'RUNNING';
CREATE INDEX executions_of_map_run ON executions (map_run, status) WHERE map_run IS NOT NULL;

-- id: the execution's shifted by 20 bits, and the number of the batch.
CREATE TABLE records (id INTEGER PRIMARY KEY, body BLOB NOT NULL);

CREATE TABLE map_runs (
    id INTEGER PRIMARY KEY,
    arn TEXT NOT NULL UNIQUE,
    execution INTEGER NOT NULL,
    task INTEGER NOT NULL,
    status TEXT NOT NULL,
    started REAL NOT NULL,
    stopped REAL,
    items INTEGER,
    settings TEXT NOT NULL,
    redrives INTEGER NOT NULL DEFAULT 0,
    redriven REAL
);
CREATE INDEX map_runs_of_execution ON map_runs (execution);

CREATE TABLE map_items (map_run INTEGER NOT NULL, first INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (map_run, first)) WITHOUT ROWID;
"""

BATCH_BITS = 20
"""An execution has fewer batches than events, and of those at most 25,000 between two redrives."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Raises JournalUnusable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists() or path.stat().st_size == 0
        if not is_new:
            _check_length(path)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path, is_new=is_new)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, str(error)) from error
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only=1")
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, *, is_new: bool) -> None:
    if is_new:
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
    else:
        _check(connection, path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    if is_new or _number(connection, "user_version") == 0:
        _create(connection)
    elif not _stopped_cleanly(connection):
        _examine(connection, path)
    connection.execute("UPDATE meta SET value = 0 WHERE name = 'clean'")


def _create(connection: sqlite3.Connection) -> None:
    # One transaction: a crash in its middle leaves an empty file, which is begun anew.
    connection.executescript(
        f"BEGIN; {SCHEMA} PRAGMA application_id={_APPLICATION}; PRAGMA user_version={VERSION};"
        f"INSERT INTO meta VALUES ('secret', x'{secrets.token_hex(32)}'), ('clean', 0); COMMIT;"
    )


def _check(connection: sqlite3.Connection, path: Path) -> None:
    version, application = _number(connection, "user_version"), _number(connection, "application_id")
    if version == 0 and application == 0 and not _number(connection, "schema_version"):
        return
    if application != _APPLICATION:
        raise _unusable(path, "it is an SQLite file of another program")
    if version != VERSION:
        raise _unusable(path, f"it is of version {version}, expected {VERSION}")


def _check_length(path: Path) -> None:
    """Read from the file's header, as SQLite itself says no more than that a short file is malformed."""
    with path.open("rb") as file:
        header = file.read(100)
    size = path.stat().st_size
    expected = int.from_bytes(header[16:18], "big") * int.from_bytes(header[28:32], "big")
    log = Path(f"{path}-wal")
    # A kill while the log was copied into the file leaves the file short, and the log has the rest.
    has_log = log.exists() and log.stat().st_size > 0
    if header.startswith(b"SQLite format 3") and size < expected and not has_log:
        raise _unusable(path, f"it was cut short: {size} bytes, expected {expected}")


def _examine(connection: sqlite3.Connection, path: Path) -> None:
    """Examines the file, as after a crash."""
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise _unusable(path, f"it is damaged: {verdict}")


def _stopped_cleanly(connection: sqlite3.Connection) -> bool:
    row = connection.execute("SELECT value FROM meta WHERE name = 'clean'").fetchone()
    return row is not None and bool(row[0])


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _unusable(path: Path, why: str) -> JournalUnusable:
    return JournalUnusable(
        f"{os.fspath(path)}: expected a journal of executions, but {why}. Nothing was changed; restore the file from a "
        "copy, or move it (and its -wal and -shm) away to begin with an empty one."
    )
