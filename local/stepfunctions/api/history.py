"""GetExecutionHistory: an execution's events, a page at a time and without reading more than the page needs."""

from collections.abc import Iterator
from itertools import islice

from local.documents import Document
from local.stepfunctions.api import paging
from local.stepfunctions.api.context import Context
from local.stepfunctions.api.executions import row_of
from local.stepfunctions.interpreter.events import Event, as_history, details_key
from local.stepfunctions.journal import codec
from local.stepfunctions.journal.schema import BATCH_BITS

_BATCHES = 64
_DATA = frozenset({"input", "inputDetails", "output", "outputDetails"})


def history(context: Context, request: Document) -> Document:
    row = row_of(context, request["executionArn"])
    wanted, reverse = paging.size(request), request.get("reverseOrder", False)
    position = paging.after(request)
    ahead = _events(context, row.id, position, reverse=reverse)
    events = list(islice(ahead, wanted + 1))
    page: Document = {
        "events": [shown(event, data=request.get("includeExecutionData", True)) for _, event in events[:wanted]]
    }
    if len(events) > wanted:
        # The page after this one begins in the batch where this one ends, behind its last event.
        batch, event = events[wanted - 1]
        page["nextToken"] = paging.token(request, [batch, event.id])
    return page


def shown(event: Event, *, data: bool) -> Document:
    """Returns a HistoryEvent. `data`: with inputs and outputs."""
    said = as_history(event)
    if not data:
        key = details_key(event.type)
        if key in said:
            said[key] = {name: value for name, value in said[key].items() if name not in _DATA}
    return said


def _events(
    context: Context, execution: int, position: list[int] | None, *, reverse: bool
) -> Iterator[tuple[int, Event]]:
    """(number of the batch, event), marks left out."""
    first, seen = position if position is not None else (None, None)
    for batch, body in _batches(context, execution, first, reverse=reverse):
        records = codec.decode(body)
        for event in reversed(records) if reverse else records:
            if event.id and (seen is None or (event.id < seen if reverse else event.id > seen)):
                yield batch, event


def _batches(context: Context, execution: int, first: int | None, *, reverse: bool) -> Iterator[tuple[int, bytes]]:
    low, high = execution << BATCH_BITS, ((execution + 1) << BATCH_BITS) - 1
    if first is not None:
        low, high = (low, low + first) if reverse else (low + first, high)
    order = "DESC" if reverse else "ASC"
    while True:
        rows = context.reader.select(
            f"SELECT id, body FROM records WHERE id BETWEEN ? AND ? ORDER BY id {order} LIMIT ?", (low, high, _BATCHES)
        )
        for number, body in rows:
            yield number & ((1 << BATCH_BITS) - 1), body
        if len(rows) < _BATCHES:
            return
        low, high = (low, rows[-1][0] - 1) if reverse else (rows[-1][0] + 1, high)
