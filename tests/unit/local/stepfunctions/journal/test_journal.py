"""The journal keeps what was committed, whatever happens to the process or the file."""

import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.errors import DatabaseUnusable
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.journal import codec, schema
from local.stepfunctions.journal.errors import JournalDamaged, JournalFull
from local.stepfunctions.journal.journal import Journal
from local.stepfunctions.journal.reading import Reader
from local.stepfunctions.journal.rows import ExecutionRow, RevisionKey, machine_and_name

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def row(journal: Journal, name: str, status: str = "SUCCEEDED", **changes: Any) -> ExecutionRow:
    revision = journal.revision(RevisionKey(MACHINE, "{}", "role"))
    given: dict[str, Any] = {"started": 1.0, "stopped": None if status == "RUNNING" else 2.0, **changes}
    return ExecutionRow(journal.next_id(), revision, name, status, **given)


def started(text: str = "{}") -> Event:
    return Event(1, 0, "ExecutionStarted", 1.0, 0, {"input": text})


def kept(journal: Journal, name: str, status: str = "SUCCEEDED", **changes: Any) -> ExecutionRow:
    made = row(journal, name, status, **changes)
    journal.insert(made)
    journal.append(made.id, 0, [started()])
    journal.commit()
    return made


def cut_off(path: Path, journal: Journal) -> Path:
    """The files as a kill -9 leaves them."""
    copy = path.with_name("copy.sqlite")
    for end in ("", "-wal"):
        source = Path(f"{path}{end}")
        if source.exists():
            Path(f"{copy}{end}").write_bytes(source.read_bytes())
    journal.close()
    return copy


@given(st.lists(st.tuples(st.integers(0, 25_000), st.text(), st.dictionaries(st.text(), JSON, max_size=3)), max_size=5))
def test_records_come_back_as_they_were(parts: list[tuple[int, str, dict[str, Any]]]) -> None:
    records = [Event(number, 0, kind, 1.5, 0, details) for number, kind, details in parts]
    assert codec.decode(codec.encode(records)) == records


@pytest.mark.parametrize(
    "details",
    [{"input": "\ud800"}, {"n": 2**70 + 1}, {"n": -(2**63) - 1}, {"n": 2**64}, {"n": 2**64 - 1}],
    ids=["half a surrogate pair", "a long number", "just below 64 bits", "just above", "the largest that orjson reads"],
)
def test_what_the_fast_encoder_refuses_is_kept_too(details: dict[str, Any]) -> None:
    kept_details = codec.decode(codec.encode([Event(1, 0, "x", 1.0, 0, details)]))[0].details
    # As text: 2**64 is equal to the float that it must not become.
    assert json.dumps(kept_details) == json.dumps(details)


def test_a_damaged_record_is_told_from_a_whole_one() -> None:
    body = bytearray(codec.encode([started('{"a": 1}')]))
    body[-1] ^= 1
    with pytest.raises(JournalDamaged, match="cannot be read"):
        codec.decode(bytes(body))
    with pytest.raises(JournalDamaged):
        codec.decode(bytes(body[:10]))


def test_what_was_committed_is_there_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    made = kept(journal, "one", "RUNNING")
    again = Journal(cut_off(path, journal))
    assert again.running() == [made.id]
    assert again.secret == journal.secret
    assert again.next_id() > made.id
    again.close()


def test_what_was_not_committed_is_not(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    kept(journal, "one", "RUNNING")
    journal.insert(row(journal, "two", "RUNNING"))
    journal.rollback()
    journal.insert(row(journal, "three", "RUNNING"))
    again = Journal(cut_off(path, journal))
    assert len(again.running()) == 1
    again.close()


def test_a_log_that_was_cut_in_a_record_loses_that_record_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    first = kept(journal, "one", "RUNNING")
    kept(journal, "two", "RUNNING")
    copy = cut_off(path, journal)
    log = Path(f"{copy}-wal")
    log.write_bytes(log.read_bytes()[:-100])
    again = Journal(copy)
    assert again.running() == [first.id]
    again.close()


def test_a_journal_that_was_cut_short_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    for number in range(200):
        kept(journal, f"execution {number}")
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatabaseUnusable, match=r"cut short: \d+ bytes, expected \d+.*Nothing was changed; restore"):
        Journal(path)
    assert path.read_bytes() == whole[: len(whole) // 2]


def test_a_damaged_journal_is_refused_after_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    for number in range(200):
        kept(journal, f"execution {number}")
    journal.close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET value = 0 WHERE name = 'clean'")
    connection.commit()
    connection.close()
    content = bytearray(path.read_bytes())
    content[5 * 8192 : 5 * 8192 + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(DatabaseUnusable, match=r"damaged|malformed"):
        Journal(path)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("PRAGMA user_version=2", "it is of format 2, and this headrace reads format 1"),
        ("PRAGMA application_id=7", "another program"),
    ],
)
def test_a_journal_of_another_kind_is_refused(tmp_path: Path, statement: str, why: str) -> None:
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.close()
    with pytest.raises(DatabaseUnusable, match=why):
        Journal(path)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(DatabaseUnusable, match="not a database"):
        Journal(path)
    assert path.read_bytes().startswith(b"not a database")


def test_a_full_disk_is_told_and_nothing_earlier_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    first = kept(journal, "one")
    pages = journal.execute("PRAGMA page_count").fetchone()[0]
    journal.execute(f"PRAGMA max_page_count={pages}")
    journal.commit()
    big = row(journal, "two")
    journal.insert(big)
    noise = random.Random(1).randbytes(100_000).hex()
    journal.append(big.id, 0, [started(f'"{noise}"')])
    with pytest.raises(JournalFull, match="nothing can be written: database or disk is full"):
        journal.commit()
    journal.rollback()
    reader = Reader(path)
    assert [one.id for one in reader.executions(MACHINE)] == [first.id]
    assert reader.first(first.id) == started()
    reader.close()
    journal.close()


def test_a_record_in_the_middle_that_is_gone_is_noticed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    made = kept(journal, "one", "RUNNING")
    journal.append(made.id, 2, [started()])
    journal.commit()
    reader = Reader(journal.path)
    with pytest.raises(JournalDamaged, match="some of its records are missing"):
        reader.records(made.id)
    reader.close()
    journal.close()


def test_a_number_is_given_once_even_where_no_row_was_left(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    given = [journal.next_id() for _ in range(3)]
    journal.commit()
    again = Journal(cut_off(path, journal))
    assert again.next_id() > max(given)
    again.close()


def test_names_are_taken_from_the_moment_they_are_given(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    one = row(journal, "one")
    assert journal.is_taken(one.revision, "one") is None
    journal.insert(one)
    assert journal.is_taken(one.revision, "one") == 0
    journal.commit()
    assert journal.is_taken(one.revision, "one") == one.id
    journal.close()


def test_names_of_a_machine_that_was_deleted_are_free(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    old = kept(journal, "one")
    journal.forget_machine(MACHINE)
    journal.commit()
    new = row(journal, "one")
    assert journal.is_taken(new.revision, "one") is None
    journal.insert(new)
    journal.commit()
    reader = Reader(journal.path)
    found = reader.execution(old.arn)
    assert found is not None
    assert found.id == new.id
    reader.close()
    journal.close()


def test_executions_are_listed_newest_first_page_by_page(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    made = [kept(journal, f"e{number}", ("SUCCEEDED", "FAILED", "RUNNING")[number % 3]).id for number in range(9)]
    reader = Reader(journal.path)
    page = reader.executions(MACHINE, limit=4)
    assert [one.id for one in page] == made[:4:-1]
    assert [one.id for one in reader.executions(MACHINE, before=page[-1].id)] == made[4::-1]
    assert [one.id for one in reader.executions(MACHINE, status="FAILED")] == [made[7], made[4], made[1]]
    assert reader.count_running(MACHINE) == 3
    assert reader.executions(f"{MACHINE}x") == []
    reader.close()
    journal.close()


def test_an_execution_is_found_by_its_arn_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    made = kept(journal, "one")
    reader = Reader(journal.path)
    found = reader.execution(made.arn)
    assert found == made
    assert reader.execution(made.arn.replace(":execution:", ":express:")) is None
    assert reader.execution(f"{made.arn}x") is None
    assert reader.execution("nonsense") is None
    reader.close()
    journal.close()


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("arn:aws:states:r:1:execution:m:n", ("arn:aws:states:r:1:stateMachine:m", "n")),
        ("arn:aws:states:r:1:express:m:n:u", ("arn:aws:states:r:1:stateMachine:m", "n:u")),
        ("arn:aws:states:r:1:execution:m/label:n", ("arn:aws:states:r:1:stateMachine:m/label", "n")),
        ("arn:aws:states:r:1:execution:m", None),
        ("arn:aws:states:r:1:stateMachine:m", None),
    ],
)
def test_an_arn_says_whose_execution_it_is(arn: str, expected: tuple[str, str] | None) -> None:
    assert machine_and_name(arn) == expected


def test_the_oldest_are_pruned_and_what_runs_is_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    running = kept(journal, "running", "RUNNING")
    old = kept(journal, "old", stopped=10.0)
    young = kept(journal, "young", stopped=100.0)
    assert journal.prune(before=50.0, keep=100, limit=100) == 1
    journal.commit()
    reader = Reader(journal.path)
    assert [one.id for one in reader.executions(MACHINE)] == [young.id, running.id]
    assert reader.records(old.id) == []
    assert journal.prune(before=50.0, keep=0, limit=100) == 1
    journal.commit()
    assert [one.id for one in reader.executions(MACHINE)] == [running.id]
    reader.close()
    journal.close()


def test_the_schema_has_one_version(tmp_path: Path) -> None:
    connection = schema.open_for_writing(tmp_path / "journal.sqlite")
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    connection.close()
