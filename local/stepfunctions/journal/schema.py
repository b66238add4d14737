"""The file: its tables, and how it is opened (`local/database.py` says when it is refused)."""

import secrets
import sqlite3
from pathlib import Path

from local.database import Kind, open_database

VERSION = 1
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
    """Raises DatabaseUnusable."""
    begun = f"INSERT INTO meta VALUES ('secret', x'{secrets.token_hex(32)}'), ('clean', 0);"
    kind = Kind("a journal of executions", 0x48524A31, VERSION, schema=SCHEMA + begun, page_bytes=8192)
    connection = open_database(path, kind, _stopped_cleanly)
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    connection.execute("UPDATE meta SET value = 0 WHERE name = 'clean'")
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only=1")
    return connection


def _stopped_cleanly(connection: sqlite3.Connection) -> bool:
    row = connection.execute("SELECT value FROM meta WHERE name = 'clean'").fetchone()
    return row is not None and bool(row[0])
