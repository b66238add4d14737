"""Whichever commit a kill follows, every execution ends as it would have ended, once."""

import random
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from local.errors import DatabaseUnusable
from local.stepfunctions.executor import executor
from local.stepfunctions.executor.errors import TaskOver
from local.stepfunctions.interpreter.events import Event, MarkType
from local.stepfunctions.journal.journal import Journal
from local.stepfunctions.journal.reading import Reader
from tests.crash import histories
from tests.crash.engines import SECONDS, End, Left, Running, running
from tests.crash.workload import JOBS, Job

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("appends")

_PAGE = 8192
_LOG_HEADER, _FRAME = 32, 24 + _PAGE
_SALTS = slice(16, 24)
"""Of a log's header; its frames have them too (https://www.sqlite.org/fileformat2.html#the_write_ahead_log)."""
_DOWN_SECONDS = (0.0, 0.0, 0.5, 2.75, 90.0)
"""How long nothing runs after a kill."""


class Whole:
    """What nobody disturbed: how each execution ended, and what a kill after each commit would have left."""

    def __init__(self, folder: Path) -> None:
        with running(folder, JOBS, keeps=True) as whole:
            whole.to_the_end()
            self.left = whole.left
            self.ends = dict(whole.ended)
            for job in JOBS:
                proven(whole, job)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    with pytest.MonkeyPatch.context() as patch:
        # Each step of an execution is committed alone, so that a kill can come between any two.
        patch.setattr(executor, "_TURN_POSTS", 1)
        return Whole(tmp_path_factory.mktemp("whole"))


def test_undisturbed_executions_end_as_they_are_meant_to(whole: Whole) -> None:
    assert {job.name: whole.ends[job.name].status for job in JOBS} == {job.name: job.status for job in JOBS}
    assert len(whole.left) > 60


def test_after_a_kill_behind_any_commit_every_execution_ends_as_it_would_have(whole: Whole, tmp_path: Path) -> None:
    draw = random.Random(7)
    for number, left in enumerate(whole.left):
        folder = tmp_path / str(number)
        left.put(folder)
        before = recorded(folder)
        down = draw.choice(_DOWN_SECONDS)
        with running(
            folder, JOBS, left.now + down, acknowledged=set(left.acknowledged), tokens=dict(left.tokens)
        ) as again:
            again.to_the_end()
            for job in JOBS:
                ended_as_it_would_have(again, job, whole.ends[job.name])
                proven(again, job)
            nothing_was_rewritten(again, before)
            nothing_finished_was_done_again(again, before)
            tokens_are_known(again, left)
            assert again.journal.running() == []
            assert again.timers() == 0


def test_a_second_kill_while_it_recovers_changes_nothing(whole: Whole, tmp_path: Path) -> None:
    draw = random.Random(11)
    for number, first in enumerate(draw.sample(whole.left, 12)):
        folders = [tmp_path / f"{number}.{times}" for times in range(2)]
        first.put(folders[0])
        with again_from(first, folders[0], keeps=True) as once:
            once.to_the_end()
        second = draw.choice(once.left)
        second.put(folders[1])
        with again_from(second, folders[1]) as twice:
            twice.to_the_end()
            for job in JOBS:
                ended_as_it_would_have(twice, job, whole.ends[job.name])
                proven(twice, job)


def test_a_log_cut_anywhere_leaves_what_some_commit_left_or_is_refused(whole: Whole, tmp_path: Path) -> None:
    states = [contents(left, tmp_path / f"state {number}") for number, left in enumerate(whole.left)]
    draw = random.Random(13)
    for number, left in enumerate(whole.left):
        log = left.files["journal.sqlite-wal"]
        in_file = states.index(contents(with_log(left, b""), tmp_path / f"file {number}"))
        least = copied_already(log, whole.left[in_file].files["journal.sqlite-wal"])
        for cut in {least, *(draw.randint(least, len(log)) for _ in range(3)), max(least, len(log) - 1)}:
            found = contents_or_refusal(with_log(left, log[:cut]), tmp_path / f"{number}.{cut}")
            if isinstance(found, str):
                assert "restore the file from a copy" in found
            else:
                assert found in states[in_file : number + 1], f"commit {number}, cut at {cut} of {len(log)}"


def test_a_kill_while_the_log_is_copied_into_the_file_loses_nothing(whole: Whole, tmp_path: Path) -> None:
    draw = random.Random(17)
    copied = [
        (before, after)
        for before, after in pairwise(whole.left)
        if before.files["journal.sqlite"] != after.files["journal.sqlite"]
    ]
    assert copied
    for number, (before, after) in enumerate(copied):
        expected = contents(after, tmp_path / f"state {number}")
        for part in range(4):
            mixed = replace(after, files={**after.files, "journal.sqlite": half_copied(before, after, draw)})
            assert contents(mixed, tmp_path / f"{number}.{part}") == expected


# The claims.


def again_from(left: Left, folder: Path, **given: Any) -> AbstractContextManager[Running]:
    return running(folder, JOBS, left.now, acknowledged=set(left.acknowledged), tokens=dict(left.tokens), **given)


def contents(left: Left, folder: Path) -> list[tuple[Any, ...]]:
    """What a journal that begins with these files has. Raises DatabaseUnusable."""
    left.put(folder)
    journal = Journal(folder / "journal.sqlite")
    try:
        return [
            row
            for table in ("executions", "records", "machines", "revisions")
            for row in journal.execute(f"SELECT '{table}', * FROM {table} ORDER BY id").fetchall()
        ]
    finally:
        journal.rollback()
        journal.close()


def contents_or_refusal(left: Left, folder: Path) -> list[tuple[Any, ...]] | str:
    try:
        return contents(left, folder)
    except DatabaseUnusable as error:
        return str(error)


def with_log(left: Left, log: bytes) -> Left:
    return replace(left, files={**left.files, "journal.sqlite-wal": log})


def copied_already(log: bytes, copied: bytes) -> int:
    """How much of the log is in the file. No crash takes that from the log: it is on the disk before it is copied."""
    if log[_SALTS] != copied[_SALTS]:
        # The log was begun anew since.
        return 0
    end = _LOG_HEADER
    while copied[end + 8 : end + 16] == log[_SALTS]:
        end += _FRAME
    return end


def half_copied(before: Left, after: Left, draw: random.Random) -> bytes:
    """The file, in which some pages are copied from the log and others are not yet."""
    old, new = before.files["journal.sqlite"], after.files["journal.sqlite"]
    size = draw.choice((len(old), len(new)))
    pages = (draw.choice((old, new))[start : start + _PAGE] or bytes(_PAGE) for start in range(0, size, _PAGE))
    return b"".join(pages)


def proven(run: Running, job: Job) -> None:
    """Its history holds together, and nothing in it happened early."""
    assert run.ended_times[job.name] <= (2 if job.redriven else 1), f"{job.name} ended more than once"
    if job.express:
        return
    row = run.row(job)
    assert row is not None
    children = run.children(job)
    for one in (row, *children):
        records = run.executor.reader.records(one.id)
        histories.check(histories.shown(records), one.status)
        never_early(records)
    # Each item has one child, but those of a map run that ended early may have none.
    items = [child.item for child in children]
    assert len(items) == len(set(items))
    assert "RUNNING" not in {child.status for child in children}


def ended_as_it_would_have(run: Running, job: Job, expected: End) -> None:
    if job.express and not run.ended_times[job.name]:
        # It was over before the kill, and nobody can ask for it any more.
        return
    assert run.ended[job.name] == expected, job.name


def nothing_was_rewritten(run: Running, before: Mapping[int, list[Event]]) -> None:
    for execution, records in before.items():
        # Of an Express execution that is over there is no row.
        if run.executor.reader.by_id(execution) is not None:
            assert run.executor.reader.records(execution)[: len(records)] == records


def nothing_finished_was_done_again(run: Running, before: Mapping[int, list[Event]]) -> None:
    for execution, records in before.items():
        row = run.executor.reader.by_id(execution)
        over = histories.tasks_over(records)
        again = {task for arn, task in run.performed if row is not None and arn == row.arn}
        assert not over & again, (row, over & again)


def tokens_are_known(run: Running, left: Left) -> None:
    for token in left.tokens:
        with pytest.raises(TaskOver):
            run.executor.answer(token, "1").result(SECONDS)


def never_early(records: list[Event]) -> None:
    due: dict[int, float] = {}
    deadlines: dict[int, float] = {}
    for record in records:
        if record.frame in due and record.id:
            assert record.time >= due.pop(record.frame) or _is_cut_off(record), record
        if record.type in (MarkType.DUE, MarkType.RETRY):
            due[record.frame] = record.details["due"]
        limits = [record.details[name] for name in ("timeoutInSeconds", "heartbeatInSeconds") if name in record.details]
        if limits:
            deadlines[record.frame] = record.time + min(limits)
        if record.type.endswith("TimedOut") and record.frame in deadlines and record.type != "ExecutionTimedOut":
            assert record.time >= deadlines[record.frame], record


def _is_cut_off(record: Event) -> bool:
    return record.type.endswith("Aborted")


def recorded(folder: Path) -> dict[int, list[Event]]:
    reader = Reader(folder / "journal.sqlite")
    try:
        return {row: reader.records(row) for (row,) in reader.select("SELECT id FROM executions")}
    finally:
        reader.close()
