"""100,000 executions in a Wait state: what they cost in memory, and how they go on after a kill -9."""

import shutil
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench import clouds
from bench.measure import Row, folder, megabytes
from bench.programs import Program

_COUNT = 100_000
_ROUNDS = 5
_LEAD_SECONDS = 45
"""Enough to start them all and to restart once before they fall due."""
_LATER_SECONDS = 3600


def run() -> Iterator[Row]:
    """Memory while they wait; after a kill: their timers again, their ends when due, and at once when overdue."""
    with folder() as name:
        place = Path(name)
        due = int(time.time()) + _LEAD_SECONDS
        rss = _filled(place / "first", due)
        yield Row(f"{_COUNT:,} executions in a Wait, resident memory of an engine alone", megabytes(rss), aim="200 MB")
        overdue = [_copy(place / "first", place / f"copy{number}") for number in range(_ROUNDS)]
        yield from _before_due(place / "first", due)
        time.sleep(max(0.0, due - time.time()))
        seconds = [_resumed_overdue(copy, due) for copy in overdue]
        yield Row(
            f"kill -9, and all {_COUNT:,} fell due meanwhile: from the process's start until all have ended",
            f"{statistics.median(seconds):.1f} s ({min(seconds):.1f}-{max(seconds):.1f})",
            aim="5 s",
        )
        yield from _whole_cloud(place / "cloud")


def _filled(place: Path, due: int) -> int:
    """Resident memory with all of them waiting. The process is killed."""
    with Program("waiting", str(place / "journal.sqlite")) as program:
        answer = program.ask(do="start", count=_COUNT, until=_timestamp(due))
        program.kill()
    return int(answer["rss"])


def _before_due(place: Path, due: int) -> Iterator[Row]:
    start = time.perf_counter()
    with Program("waiting", str(place / "journal.sqlite")) as program:
        program.ask(do="resume", count=_COUNT)
        seconds = time.perf_counter() - start
        yield Row(f"kill -9: from the process's start until all {_COUNT:,} wait again", f"{seconds:.1f} s", aim="5 s")
        was_early = time.time() < due
        rss = program.ask(do="ended")["rss"]
    late = _checked(place, due)
    if not was_early:
        # A slow machine: they fell due before all of them had their timers.
        return
    yield Row(
        f"all {_COUNT:,} fall due at one moment: how late is the last end (none is early)",
        f"{late:.1f} s",
        aim="5 s",
    )
    yield Row("resident memory after that", megabytes(rss))


def _resumed_overdue(place: Path, due: int) -> float:
    start = time.perf_counter()
    with Program("waiting", str(place / "journal.sqlite")) as program:
        program.ask(do="resume", count=_COUNT)
        program.ask(do="ended")
        seconds = time.perf_counter() - start
    _checked(place, due)
    return seconds


def _checked(place: Path, due: int) -> float:
    """How many seconds after it was due the last one ended. Raises AssertionError where one was early or is missing."""
    with closing(sqlite3.connect(f"file:{place / 'journal.sqlite'}?mode=ro", uri=True)) as connection:
        count, early, last = connection.execute(
            "SELECT count(*), sum(stopped < ?), max(stopped) FROM executions WHERE status = 'SUCCEEDED'", (due,)
        ).fetchone()
    assert count == _COUNT, f"{count} of {_COUNT} succeeded"
    assert early == 0, f"{early} ended before they were due"
    return float(last - due)


def _whole_cloud(place: Path) -> Iterator[Row]:
    """`headrace up` on a state directory without and with them."""
    journal = place / "stepfunctions" / "journal.sqlite"
    with clouds.headrace(place) as cloud:
        before = _resident(cloud.pid)
    with Program("waiting", str(journal)) as program:
        program.ask(do="start", count=_COUNT, until=_timestamp(int(time.time()) + _LATER_SECONDS))
        program.kill()
    with clouds.headrace(place) as cloud:
        after = _resident(cloud.pid)
    yield Row(
        f"headrace up: resident memory with {_COUNT:,} executions in a Wait, against without",
        megabytes(after),
        megabytes(before),
        after / before,
        "+200 MB",
    )


def _resident(pid: int) -> int:
    """Once it does not grow any more: timers are set while the cloud already answers."""
    process = psutil.Process(pid)
    seen = process.memory_info().rss
    while True:
        time.sleep(2)
        now = process.memory_info().rss
        if now < seen + 1_000_000:
            return int(now)
        seen = now


def _copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


def _timestamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
