"""Durable executions per second in process, against DBOS and against what this machine's SQLite can insert.

Ten Pass states ask nothing of the outside, so the engine writes them down with one commit. DBOS commits each step, as
the engine does with each Task state: that is the second comparison.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from bench.engines import PASSES, TASKS, Engine
from bench.measure import Row, compare_rates, folder, in_turn
from bench.programs import Program, peers_python
from local.stepfunctions.journal import journal, schema
from local.stepfunctions.journal.rows import ExecutionRow

_ROUNDS = 7
_EXECUTIONS, _TASK_EXECUTIONS, _WORKFLOWS = 5000, 1000, 40

_Rows = list[tuple[object, ...]]


class _Counted(journal.Journal):
    """Knows how many executions each commit wrote."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.sizes: list[int] = []
        self._new: set[int] = set()

    def insert(self, row: ExecutionRow) -> None:
        self._new.add(row.id)
        super().insert(row)

    def commit(self) -> None:
        super().commit()
        if self._new:
            self.sizes.append(len(self._new))
            self._new.clear()


def run() -> Iterator[Row]:
    """Rates; the ratio is ours over the peer's."""
    python = peers_python()
    with folder() as name:
        place = Path(name)
        commits = _commits(place / "recorded.sqlite")
        with (
            Engine(place / "ours.sqlite") as ours,
            Program("dbos_steps", str(place / "dbos.sqlite"), python=python) as shipped,
            Program("dbos_steps", str(place / "tuned.sqlite"), "tuned", python=python) as tuned,
        ):
            ours.run(PASSES, 500)
            ours.run(TASKS, 100)
            passes, tasks, dbos, dbos_tuned, inserts = in_turn(
                _ROUNDS,
                lambda: ours.run(PASSES, _EXECUTIONS),
                lambda: ours.run(TASKS, _TASK_EXECUTIONS),
                lambda: float(shipped.ask(count=_WORKFLOWS)),
                lambda: float(tuned.ask(count=_WORKFLOWS)),
                lambda: _inserted(place / "plain.sqlite", commits),
            )
    yield compare_rates("10-Pass executions in process against DBOS on SQLite, ten steps", passes, dbos, "5,000/s")
    yield compare_rates("10-Pass executions in process against DBOS with our SQLite settings", passes, dbos_tuned, "")
    yield compare_rates("10-Task executions in process (a commit a step) against DBOS on SQLite", tasks, dbos, "")
    yield compare_rates("10-Task executions in process against DBOS with our SQLite settings", tasks, dbos_tuned, "")
    yield compare_rates("10-Pass executions in process against inserting the same rows alone", passes, inserts, "")


def _commits(file: Path) -> list[tuple[_Rows, _Rows]]:
    """The rows of 10-Pass executions, in the batches that the engine's turns wrote them in."""
    counted: list[_Counted] = []

    def make(path: Path) -> _Counted:
        counted.append(_Counted(path))
        return counted[0]

    with Engine(file, journal=make) as engine:
        engine.run(PASSES, _EXECUTIONS)
    with closing(schema.open_for_reading(file)) as connection:
        # A 10-Pass execution is one row of either table.
        executions = iter(connection.execute("SELECT * FROM executions ORDER BY id").fetchall())
        records = iter(connection.execute("SELECT * FROM records ORDER BY id").fetchall())
    return [(list(islice(executions, size)), list(islice(records, size))) for size in counted[0].sizes]


def _inserted(file: Path, commits: list[tuple[_Rows, _Rows]]) -> float:
    """Executions per second, where all there is to do is to insert what they wrote."""
    with closing(schema.open_for_writing(file.with_name("inserted.sqlite"))) as connection:
        start = time.perf_counter()
        for executions, records in commits:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(journal._INSERT, executions)
            connection.executemany(journal._APPEND, records)
            connection.execute("COMMIT")
        return sum(len(executions) for executions, _ in commits) / (time.perf_counter() - start)
