"""Map runs in the journal: one row each, and the inputs of children that a reader's items were made into.

The statements are carried out by the engine's turn (`Execute`) or by a reader of what is committed (`Select`).
"""

import json
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.journal import codec
from local.stepfunctions.journal.errors import JournalDamaged
from local.stepfunctions.journal.schema import BATCH_BITS

Execute = Callable[[str, Sequence[Any]], Any]
Select = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
_COLUMNS = "id, arn, execution, task, status, started, stopped, items, settings, redrives, redriven"
_LATEST = "SELECT max(id) FROM executions WHERE map_run = ? GROUP BY item"
"""Of a child that was started once more, only the last start counts."""


@dataclass(slots=True)
class Settings:
    max_concurrency: int
    """0: as many as there may be."""
    tolerated_count: int | None = None
    tolerated_percentage: float | None = None
    express: bool = False
    """What the children are."""
    batched: bool = False
    children: int | None = None
    """How many there are to be; None until all items are read, as `MapRunRow.items`."""
    results_written: int = 0
    not_redrivable: int = 0
    """Children that a redrive had to leave as they were."""


@dataclass(slots=True)
class MapRunRow:
    id: int
    arn: str
    execution: int
    """Whose Map state it is."""
    task: int
    status: str
    started: float
    stopped: float | None
    items: int | None
    settings: Settings
    redrives: int = 0
    redriven: float | None = None


@dataclass(slots=True)
class Counts:
    """As DescribeMapRun has them, of items or of executions."""

    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    aborted: int = 0
    total: int = 0
    results_written: int = 0
    failures_not_redrivable: int = 0
    pending_redrive: int = 0


@dataclass(slots=True)
class Chunk:
    """Inputs of children, from the `first` on."""

    first: int
    inputs: list[str]
    """Each JSON."""
    sizes: list[int] | None = None
    """How many items each has; None: one."""


_STATUS_FIELDS = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timed_out",
    "ABORTED": "aborted",
    "WAITING": "pending_redrive",
}


def insert(execute: Execute, row: MapRunRow) -> None:
    """Sets the row's id."""
    cursor = execute(
        "INSERT INTO map_runs (arn, execution, task, status, started, stopped, items, settings, redrives, redriven)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (row.arn, row.execution, row.task, *_changing(row)),
    )
    row.id = cursor.lastrowid


def update(execute: Execute, row: MapRunRow) -> None:
    execute(
        "UPDATE map_runs SET task = ?, status = ?, started = ?, stopped = ?, items = ?, settings = ?, redrives = ?,"
        " redriven = ? WHERE id = ?",
        (row.task, *_changing(row), row.id),
    )


def _changing(row: MapRunRow) -> tuple[Any, ...]:
    return row.status, row.started, row.stopped, row.items, json.dumps(asdict(row.settings)), row.redrives, row.redriven


def map_run(select: Select, arn: str) -> MapRunRow | None:
    rows = select(f"SELECT {_COLUMNS} FROM map_runs WHERE arn = ?", (arn,))
    return _row(rows[0]) if rows else None


def map_runs(select: Select, execution: int, after: int = 0, limit: int = 1000) -> list[MapRunRow]:
    """Returns those of an execution, in the order in which they began; `after` is the id of the last one seen."""
    rows = select(
        f"SELECT {_COLUMNS} FROM map_runs WHERE execution = ? AND id > ? ORDER BY id LIMIT ?", (execution, after, limit)
    )
    return [_row(row) for row in rows]


def abandoned(select: Select) -> list[str]:
    """ARNs of map runs that run, though their execution does not."""
    rows = select(
        "SELECT arn FROM map_runs JOIN executions ON executions.id = map_runs.execution"
        " WHERE map_runs.status = 'RUNNING' AND executions.status != 'RUNNING'",
        (),
    )
    return [arn for (arn,) in rows]


def _row(row: tuple[Any, ...]) -> MapRunRow:
    *before, settings, redrives, redriven = row
    identity, arn, execution, task, status, started, stopped, items = before
    made = Settings(**json.loads(settings))
    return MapRunRow(identity, arn, execution, task, status, started, stopped, items, made, redrives, redriven)


# Inputs.


def keep_inputs(execute: Execute, map_run: int, chunk: Chunk) -> None:
    body = zlib.compress(json.dumps([chunk.inputs, chunk.sizes]).encode(), 1)
    execute("INSERT OR REPLACE INTO map_items VALUES (?, ?, ?)", (map_run, chunk.first, body))


def forget_inputs(execute: Execute, map_run: int) -> None:
    execute("DELETE FROM map_items WHERE map_run = ?", (map_run,))


def inputs_at(select: Select, map_run: int, child: int) -> Chunk | None:
    """Returns the chunk that this child is in."""
    rows = select(
        "SELECT first, body FROM map_items WHERE map_run = ? AND first <= ? ORDER BY first DESC LIMIT 1",
        (map_run, child),
    )
    return _chunk(*rows[0]) if rows else None


def _chunk(first: int, body: bytes) -> Chunk:
    inputs, sizes = json.loads(zlib.decompress(body))
    return Chunk(first, inputs, sizes)


def sizes(select: Select, map_run: int) -> list[int] | None:
    """Returns how many items each child has; None where each has one, or nobody knows."""
    sizes: list[int] = []
    for first, body in select("SELECT first, body FROM map_items WHERE map_run = ? ORDER BY first", (map_run,)):
        chunk = _chunk(first, body)
        if chunk.sizes is None:
            return None
        sizes += chunk.sizes
    return sizes or None


# Children.


def children(select: Select, arn: str) -> list[tuple[int, int, str]]:
    """(execution, which child, status) of each that was started, in the order of the items."""
    children: list[tuple[int, int, str]] = [
        (execution, item, status)
        for execution, item, status in select(
            f"SELECT id, item, status FROM executions WHERE id IN ({_LATEST}) ORDER BY item", (arn,)
        )
    ]
    return children


def ends(select: Select, execution: int) -> tuple[Event, Event]:
    """Returns its first and its last event; most children have only one batch of records. Raises JournalDamaged."""
    least, most = execution << BATCH_BITS, (execution + 1) << BATCH_BITS
    batches = select(
        "SELECT body FROM records WHERE id = (SELECT min(id) FROM records WHERE id >= ? AND id < ?)"
        " OR id = (SELECT max(id) FROM records WHERE id >= ? AND id < ?) ORDER BY id",
        (least, most, least, most),
    )
    if not batches:
        raise JournalDamaged(f"execution {execution} has no records")
    first = codec.decode(batches[0][0])
    last = first if len(batches) == 1 else codec.decode(batches[-1][0])
    return first[0], last[-1]


def _waiting(select: Select, row: MapRunRow) -> set[int]:
    """Children that a redrive has not come to yet."""
    if row.status != "RUNNING" or row.redriven is None:
        return set()
    rows = select(
        f"SELECT item FROM executions WHERE id IN ({_LATEST}) AND status NOT IN ('RUNNING', 'SUCCEEDED')"
        " AND coalesce(redriven, started) < ?",
        (row.arn, row.redriven),
    )
    return {item for (item,) in rows}


def counts(select: Select, row: MapRunRow) -> tuple[Counts, Counts]:
    """Returns the counts (of items, of child executions)."""
    waiting = _waiting(select, row)
    started = [
        (execution, child, "WAITING" if child in waiting else status)
        for execution, child, status in children(select, row.arn)
    ]
    each = sizes(select, row.id) if row.settings.batched else None
    return (
        _counted(row, started, row.items or 0, lambda child: 1 if each is None else each[child]),
        _counted(row, started, row.settings.children or 0, lambda _child: 1),
    )


def _counted(row: MapRunRow, started: list[tuple[int, int, str]], total: int, size: Callable[[int], int]) -> Counts:
    by_field: Counter[str] = Counter()
    for _, child, status in started:
        by_field[_STATUS_FIELDS[status]] += size(child)
    settings = row.settings
    counts = Counts(
        **by_field,
        total=total,
        results_written=settings.results_written,
        failures_not_redrivable=settings.not_redrivable,
    )
    if row.status == "RUNNING":
        counts.pending = total - sum(by_field.values())
    return counts
