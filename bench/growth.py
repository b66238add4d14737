"""What a journal full of finished executions costs: speed, disk, reading, and forgetting the old ones.

300,000 executions; BENCH_FULL=1 gives 1,000,000.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.engines import MACHINE, PASSES, Engine
from bench.measure import Row, compare, compare_rates, folder, in_turn, milliseconds, pairs, per_second
from local.stepfunctions.executor.upkeep import Retention
from local.stepfunctions.journal.journal import Journal
from local.stepfunctions.journal.reading import Reader
from local.stepfunctions.journal.rows import ExecutionRow

_FULL = 1_000_000 if os.environ.get("BENCH_FULL") else 300_000
_SHOWN = (1_000, 10_000, 100_000, 1_000_000)
_AT_ONCE = 5000
_PAIR = 2500
_ROUNDS = 7
_READS = 200
_RETAINED_ROUNDS = 12
_PRUNED_AT_ONCE = 500
_PRUNED = 20_000


def run() -> Iterator[Row]:
    """The rate on the way, then pairs of the full journal and an empty one."""
    with folder() as name:
        full, empty = Path(name) / "full.sqlite", Path(name) / "empty.sqlite"
        with Engine(full) as engine:
            yield from _filled(engine)
            size = _size(full)
            yield Row("journal on disk, for each 10-Pass execution", f"{size / _FULL:,.0f} bytes")
            with Engine(empty) as small:
                small.run(PASSES, 1000)
                yield from _pairs(engine, small)
        yield from _retained(full)
        yield from _pruned(full)


def _filled(engine: Engine) -> Iterator[Row]:
    done = 0
    for shown in sorted({*(count for count in _SHOWN if count < _FULL), _FULL}):
        rates: list[float] = []
        while done < shown:
            some = min(_AT_ONCE, shown - done)
            rates.append(engine.run(PASSES, some))
            done += some
        yield Row(f"10-Pass executions in process, on the way to {shown:,} in the journal", per_second(rates[-5:]))


def _pairs(full: Engine, empty: Engine) -> Iterator[Row]:
    mine, theirs = pairs(lambda: full.run(PASSES, _PAIR), lambda: empty.run(PASSES, _PAIR), _ROUNDS)
    yield compare_rates(
        f"10-Pass executions in process with {_FULL:,} in the journal, against a new one", mine, theirs, "1.0x"
    )
    readers = full.executor.reader, empty.executor.reader
    chosen = [reader.executions(MACHINE, status="SUCCEEDED", limit=1000)[-1] for reader in readers]
    for what, read in (
        ("what DescribeExecution reads", _describe),
        ("what a page of 100 of ListExecutions reads", _list),
        ("what GetExecutionHistory reads", _history),
    ):
        runs: list[Callable[[], float]] = [
            partial(_mean, partial(read, reader, row)) for reader, row in zip(readers, chosen, strict=True)
        ]
        ours, peers = in_turn(_ROUNDS, *runs)
        row = compare(f"{what} with {_FULL:,} in the journal, against a new one", ours, peers, "1.0x")
        yield Row(row.what, _microseconds(ours), _microseconds(peers), row.ratio, row.aim)


def _mean(read: Callable[[], object]) -> float:
    return statistics.mean(milliseconds(read) for _ in range(_READS))


def _microseconds(values: list[float]) -> str:
    return f"{statistics.median(values) * 1000:,.0f} us ({min(values) * 1000:,.0f}-{max(values) * 1000:,.0f})"


def _describe(reader: Reader, row: ExecutionRow) -> None:
    reader.execution(row.arn)
    reader.first(row.id)
    reader.last(row.id)


def _list(reader: Reader, _row: ExecutionRow) -> None:
    assert len(reader.executions(MACHINE, limit=100)) == 100


def _history(reader: Reader, row: ExecutionRow) -> None:
    assert reader.records(row.id)


def _retained(file: Path) -> Iterator[Row]:
    """Each new execution has an old one forgotten."""
    before = _size(file)
    with Engine(file, retention=Retention(seconds=1e9, executions=_FULL)) as engine:
        rates = [engine.run(PASSES, _AT_ONCE) for _ in range(_RETAINED_ROUNDS)]
    added = len(rates) * _AT_ONCE
    yield Row(f"10-Pass executions in process while retention keeps {_FULL:,}", per_second(rates))
    yield Row(f"growth of the file meanwhile, after {added:,} more", f"{(_size(file) - before) / 1e6:,.1f} MB")


def _pruned(file: Path) -> Iterator[Row]:
    journal = Journal(file)
    start, forgotten = time.perf_counter(), 0
    while forgotten < _PRUNED:
        forgotten += journal.prune(time.time(), 0, _PRUNED_AT_ONCE)
        journal.commit()
    rate = forgotten / (time.perf_counter() - start)
    journal.close()
    yield Row(f"executions forgotten, {_PRUNED_AT_ONCE} at a time", f"{rate:,.0f}/s")


def _size(file: Path) -> int:
    return sum(part.stat().st_size for part in file.parent.glob(f"{file.name}*"))
