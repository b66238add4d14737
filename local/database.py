"""The one door to the databases of a state directory: how a file is begun, how it is opened, and when it is refused.

WAL with synchronous=NORMAL keeps every commit through a kill -9 of the process (a power cut may take the last ones;
the file stays whole). A write that was cut short at the end of the log is dropped by SQLite, by its checksum: it was
never acknowledged.

SQLite takes an emptied file for a new one, and what was in it would be gone without a word. So each folder has a
record of its databases, `databases`, in which a file is named once its tables are committed: what is named there and
is empty now was emptied. A kill between the two leaves a file that is named at the next start, or an empty one that
nothing was acknowledged from.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.errors import DatabaseUnusable

_RECORD = "databases"
_PRIVATE = 0o600
_HEADER_BYTES = 100
_BUSY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Kind:
    """What a database is: one of another kind or version is refused."""

    noun: str
    application: int
    """In the file's header, so that another program's database is not taken for ours."""
    version: int
    schema: str
    page_bytes: int = 4096
    unmarked: str = ""
    """A table by which a file is known that was written before there were marks; it is given them."""


def open_database(
    path: Path, kind: Kind, is_whole: Callable[[sqlite3.Connection], bool] = lambda _: False
) -> sqlite3.Connection:
    """Opens the database, or begins it where it has never been. Raises DatabaseUnusable, with nothing changed.

    All of it is read and examined, unless `is_whole` knows of a file that it was stopped cleanly.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_not_gone(path, kind)
        _keep_private(path)
        if path.stat().st_size:
            _check_length(path, kind)
        connection = _connection(path)
        try:
            _prepare(connection, path, kind, is_whole)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise unusable(path, kind, str(error)) from error
    return connection


def connect(path: Path) -> sqlite3.Connection:
    """Returns one more connection to a database that is open. Raises sqlite3.Error."""
    connection = _connection(path)
    _log_ahead(connection)
    return connection


def unusable(path: Path, kind: Kind, why: str) -> DatabaseUnusable:
    """Returns the refusal: which file, what is wrong with it, what to do."""
    return DatabaseUnusable(
        f"{path}: expected {kind.noun}, but {why}. Nothing was changed; restore the file from a copy, choose another "
        f"--state-dir, or remove {path.parent} to begin without what it holds"
    )


def _connection(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS)


def _log_ahead(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _check_not_gone(path: Path, kind: Kind) -> None:
    if not path.exists() and path.name in _recorded(path):
        raise unusable(path, kind, f"it is gone, and {path.with_name(_RECORD)} names it")


def _keep_private(path: Path) -> None:
    """Makes the file where there is none, for its owner alone; its log and its index take after it."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, _PRIVATE))
    for end in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{path}{end}").chmod(_PRIVATE)


def _prepare(
    connection: sqlite3.Connection, path: Path, kind: Kind, is_whole: Callable[[sqlite3.Connection], bool]
) -> None:
    if not _number(connection, "schema_version"):
        _check_never_filled(path, kind)
        connection.execute(f"PRAGMA page_size={kind.page_bytes}")
        _log_ahead(connection)
        # One transaction: a kill in its middle leaves a file without tables, which is begun anew.
        connection.executescript(f"BEGIN; {kind.schema} {_marks(kind)} COMMIT;")
    else:
        _check_kind(connection, path, kind)
        _log_ahead(connection)
        if not is_whole(connection):
            _examine(connection, path, kind)
    if path.name not in _recorded(path):
        _put_on_record(path)


def _check_never_filled(path: Path, kind: Kind) -> None:
    if path.name in _recorded(path):
        raise unusable(path, kind, "it is empty")


def _check_kind(connection: sqlite3.Connection, path: Path, kind: Kind) -> None:
    application, version = _number(connection, "application_id"), _number(connection, "user_version")
    if not application and not version and kind.unmarked and _has_table(connection, kind.unmarked):
        connection.executescript(_marks(kind))
    elif application != kind.application:
        raise unusable(path, kind, "it is an SQLite file of another program")
    elif version != kind.version:
        raise unusable(path, kind, f"it is of format {version}, and this headrace reads format {kind.version}")


def _check_length(path: Path, kind: Kind) -> None:
    """Read from the file's header, as SQLite itself says no more than that a short file is malformed."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    size = path.stat().st_size
    expected = int.from_bytes(header[16:18], "big") * int.from_bytes(header[28:32], "big")
    log = Path(f"{path}-wal")
    # A kill while the log was copied into the file leaves the file short, and the log has the rest.
    has_log = log.exists() and log.stat().st_size > 0
    if header.startswith(b"SQLite format 3") and size < expected and not has_log:
        raise unusable(path, kind, f"it was cut short: {size} bytes, expected {expected}")


def _examine(connection: sqlite3.Connection, path: Path, kind: Kind) -> None:
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise unusable(path, kind, f"it is damaged: {verdict}")


def _marks(kind: Kind) -> str:
    return f"PRAGMA application_id={kind.application}; PRAGMA user_version={kind.version};"


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (name,)).fetchone() is not None


def _recorded(path: Path) -> list[str]:
    try:
        return path.with_name(_RECORD).read_text().split()
    except FileNotFoundError:
        return []


def _put_on_record(path: Path) -> None:
    descriptor = os.open(path.with_name(_RECORD), os.O_WRONLY | os.O_APPEND | os.O_CREAT, _PRIVATE)
    with os.fdopen(descriptor, "a") as record:
        record.write(f"{path.name}\n")
        record.flush()
        os.fsync(record.fileno())
