"""What a state directory holds is opened as it was left, or refused with what to do; nobody else may read it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from local.errors import DatabaseUnusable, LocalCloudError
from local.ministack.statefile import StateFile
from local.stepfunctions.journal.journal import Journal
from local.store import Store


class Closable(Protocol):
    def close(self) -> object: ...


DATABASES: dict[str, Callable[[Path], Closable]] = {
    "state.db": StateFile,
    "journal.sqlite": Journal,
    "sagemaker.db": Store,
    "machines.sqlite": Store,
}
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda _: b"",
    "cut": lambda whole: whole[: len(whole) // 2],
    "foreign": lambda _: b"something else entirely" * 1000,
    "blank": lambda _: blank(),
}

pytestmark = pytest.mark.parametrize("name", DATABASES)


def blank() -> bytes:
    """Returns a database in which nothing was ever made."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA user_version=1")
        connection.execute("PRAGMA user_version=0")
        return connection.serialize()


def made(folder: Path, name: str) -> Path:
    path = folder / name
    DATABASES[name](path).close()
    return path


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_refused_with_what_to_do_and_left_alone(tmp_path: Path, name: str, damage: str) -> None:
    path = made(tmp_path, name)
    damaged = DAMAGES[damage](path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(LocalCloudError) as refusal:
        DATABASES[name](path)
    assert str(refusal.value).startswith(f"{path}: expected ")
    assert "restore the file from a copy, choose another --state-dir, or remove" in str(refusal.value)
    assert path.read_bytes() == damaged


def test_a_database_that_is_gone_is_refused_and_none_made_in_its_place(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name)
    path.unlink()
    with pytest.raises(DatabaseUnusable, match="it is gone"):
        DATABASES[name](path)
    assert not path.exists()


def test_a_database_whose_making_was_cut_short_is_begun_anew(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    DATABASES[name](path).close()
    DATABASES[name](path).close()


def test_a_database_that_was_never_recorded_is_from_its_next_opening(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name)
    record = path.with_name("databases")
    record.unlink()
    DATABASES[name](path).close()
    DATABASES[name](path).close()
    assert record.read_text() == f"{name}\n"


def test_a_database_and_its_log_are_their_owners_alone_also_where_they_were_not(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name)
    path.chmod(0o644)
    with closing(DATABASES[name](path)):
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == dict.fromkeys((name, f"{name}-wal", f"{name}-shm", "databases"), 0o600)


def test_a_database_of_another_program_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(DatabaseUnusable, match="another program"):
        DATABASES[name](path)
