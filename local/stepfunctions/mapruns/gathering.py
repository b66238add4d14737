"""What a map run does on a thread of its own: reading items, putting results together. The engine hears by posts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.documents import Json
from local.stepfunctions.asl.errors import RUNTIME
from local.stepfunctions.interpreter.commands import Part, Status
from local.stepfunctions.journal import mapruns as rows
from local.stepfunctions.journal.reading import Reader
from local.stepfunctions.mapruns import reading, writing
from local.stepfunctions.mapruns.errors import MapRunFailed
from local.stepfunctions.mapruns.run import Phase, Run
from local.stepfunctions.mapruns.writing import ResultFiles

if TYPE_CHECKING:
    from local.stepfunctions.mapruns.workers import Workers

PART_ITEMS = 1000
_PARTS_AHEAD = 4
"""Of the engine: a source of any size takes little memory."""
_LOOK_SECONDS = 0.2

Client = Callable[[str], Any]
Failed = Callable[[MapRunFailed], None]
Gather = Callable[[Reader, Client, Run], tuple[str, int]]
"""(the Map state's result, how many results were written to S3). Raises MapRunFailed."""


@dataclass(frozen=True, slots=True)
class Answers:
    part: Callable[[Part, Callable[[], None]], None]
    """The second is called when the engine has the part, or does not want it."""
    done: Callable[[], None]
    failed: Failed


def prepare(workers: Workers, client: Client, run: Run, answers: Answers) -> None:
    try:
        if run.writes:
            _files(client, run).check()
        if run.command.inputs is None:
            _read(workers, client, run, answers)
        answers.done()
    except MapRunFailed as failure:
        answers.failed(failure)
    except Exception as error:  # noqa: BLE001 - the edge of a thread: the map run fails with what went wrong
        answers.failed(_unexpected(error))


def _read(workers: Workers, client: Client, run: Run, answers: Answers) -> None:
    command, distribution = run.command, run.command.state.distribution
    reader = {} if distribution is None or distribution.reader is None else distribution.reader
    items = reading.read(
        client("s3"), str(reader.get("Resource")), command.reader_arguments or {}, command.reader_config or {}
    )
    ahead = threading.Semaphore(_PARTS_AHEAD)
    part: list[Json] = []
    first = 0
    for item in items:
        part.append(item)
        if len(part) == PART_ITEMS:
            while not ahead.acquire(timeout=_LOOK_SECONDS):
                if workers.closed.is_set():
                    return
            if run.phase is not Phase.READING:
                return
            answers.part(Part(part, first), ahead.release)
            first += len(part)
            part = []
    answers.part(Part(part, first, is_last=True), ahead.release)


def carry_out(
    how: Gather,
    reader: Reader,
    client: Client,
    run: Run,
    *,
    done: Callable[[str, int], None],
    failed: Failed,
) -> None:
    try:
        done(*how(reader, client, run))
    except MapRunFailed as failure:
        failed(failure)
    except Exception as error:  # noqa: BLE001 - the edge of a thread: the map run fails with what went wrong
        failed(_unexpected(error))


def _unexpected(error: Exception) -> MapRunFailed:
    return MapRunFailed(RUNTIME, f"The map run failed: {type(error).__name__}: {error}")


def gather(reader: Reader, _client: Client, run: Run) -> tuple[str, int]:
    executions = [execution for execution, _, _ in rows.children(reader.select, run.row.arn)]
    children = writing.read_children(reader, executions)
    texts = (text for child in children for text in run.format.shown(child))
    return writing.result(run.command.state.name, texts), 0


def write(reader: Reader, client: Client, run: Run) -> tuple[str, int]:
    files = _files(client, run)
    started = rows.children(reader.select, run.row.arn)
    is_done = Status.SUCCEEDED.value
    for kind, wanted in (("SUCCEEDED", True), ("FAILED", False)):
        executions = [execution for execution, _, status in started if (status == is_done) is wanted]
        children = writing.read_children(reader, executions)
        files.add(kind, (text for child in children for text in run.format.shown(child)))
    not_started = (run.input(child, reader.select) for child in range(run.next, run.children))
    files.add("PENDING", (writing.pending(run.machine_arn, text) for text in not_started))
    return files.finish(), files.written


def _files(client: Client, run: Run) -> ResultFiles:
    return ResultFiles(client("s3"), run.command.writer_arguments or {}, run.row.arn, run.format)
