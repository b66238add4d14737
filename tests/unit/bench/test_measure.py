"""What the figures of `make bench` rest on: turns, shares, and that what is measured is what is said."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bench import waiting
from bench.engines import MACHINE, PASSES, TASKS, Engine
from bench.measure import in_turn, percentile
from bench.programs import Program


def test_another_one_begins_each_round() -> None:
    order: list[str] = []

    def run(name: str) -> float:
        order.append(name)
        return float(len(order))

    measured = in_turn(3, lambda: run("a"), lambda: run("b"))

    assert order == ["a", "b", "b", "a", "a", "b"]
    assert measured == [[1.0, 4.0, 5.0], [2.0, 3.0, 6.0]]


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 3.0
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.99) == 4.0


@pytest.mark.parametrize("definition", [PASSES, TASKS])
def test_what_is_timed_has_succeeded_and_is_on_the_disk(tmp_path: Path, definition: str) -> None:
    with Engine(tmp_path / "journal.sqlite") as engine:
        assert engine.run(definition, 20) > 0
        rows = engine.executor.reader.executions(MACHINE, status="SUCCEEDED")

    assert len(rows) == 20


def test_an_execution_that_ends_early_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_COUNT", 1)
    with Engine(tmp_path / "journal.sqlite") as engine:
        engine.run(PASSES, 1)
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection:
        ended: float = connection.execute("SELECT stopped FROM executions").fetchone()[0]

    assert waiting._checked(tmp_path, int(ended)) < 1
    with pytest.raises(AssertionError, match="before they were due"):
        waiting._checked(tmp_path, int(ended) + 60)


def test_a_program_that_ended_is_an_error(tmp_path: Path) -> None:
    with (
        Program("waiting", str(tmp_path / "journal.sqlite"), python=sys.executable) as program,
        pytest.raises(RuntimeError, match="ended with code 1"),
    ):
        program.ask(do="nothing of the kind")
