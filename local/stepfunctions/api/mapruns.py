"""Map runs: describe, list, update."""

from concurrent.futures import Future
from functools import partial

from local.documents import Document
from local.stepfunctions.api import arns, errors, paging
from local.stepfunctions.api.context import Context, Later
from local.stepfunctions.api.executions import row_of
from local.stepfunctions.executor.turn import Turn
from local.stepfunctions.journal import mapruns as rows
from local.stepfunctions.journal.mapruns import Counts, MapRunRow
from local.stepfunctions.mapruns.runs import NotRunning

_SETTINGS = {
    "maxConcurrency": "max_concurrency",
    "toleratedFailureCount": "tolerated_count",
    "toleratedFailurePercentage": "tolerated_percentage",
}


def existing(context: Context, text: str) -> MapRunRow:
    """Raises ApiError."""
    arn = arns.parse(text, arns.MAP_RUN)
    row = rows.map_run(context.reader.select, arn.text)
    if row is None:
        raise errors.no_resource(arn.text)
    return row


def describe(context: Context, request: Document) -> Document:
    row = existing(context, request["mapRunArn"])
    execution = context.reader.by_id(row.execution)
    if execution is None:
        raise errors.no_resource(row.arn)
    items, executions = rows.counts(context.reader.select, row)
    settings = row.settings
    return {
        "mapRunArn": row.arn,
        "executionArn": execution.arn,
        "status": row.status,
        "startDate": row.started,
        "stopDate": row.stopped,
        "maxConcurrency": settings.max_concurrency,
        "toleratedFailurePercentage": settings.tolerated_percentage or 0.0,
        "toleratedFailureCount": settings.tolerated_count or 0,
        "itemCounts": _counts(items),
        "executionCounts": _counts(executions),
        "redriveCount": row.redrives,
        "redriveDate": row.redriven,
    }


def _counts(counts: Counts) -> Document:
    return {
        "pending": counts.pending,
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "timedOut": counts.timed_out,
        "aborted": counts.aborted,
        "total": counts.total,
        "resultsWritten": counts.results_written,
        "failuresNotRedrivable": counts.failures_not_redrivable,
        "pendingRedrive": counts.pending_redrive,
    }


def listed(context: Context, request: Document) -> Document:
    """Lists those of an execution, in the order in which they began."""
    execution = row_of(context, request["executionArn"])
    size = paging.size(request)
    runs = rows.map_runs(context.reader.select, execution.id, paging.after(request) or 0, size + 1)
    page: Document = {
        "mapRuns": [
            {
                "executionArn": execution.arn,
                "mapRunArn": row.arn,
                "stateMachineArn": execution.machine_arn,
                "startDate": row.started,
                "stopDate": row.stopped,
            }
            for row in runs[:size]
        ]
    }
    if len(runs) > size:
        page["nextToken"] = paging.token(request, runs[size - 1].id)
    return page


def update(context: Context, request: Document) -> Later:
    row = existing(context, request["mapRunArn"])
    changes = {ours: request[name] for name, ours in _SETTINGS.items() if name in request}
    if not changes:
        raise errors.validation(f"One of {', '.join(_SETTINGS)} must be specified")

    def change(turn: Turn) -> None:
        context.map_runs.update(turn, row.arn, **changes)

    return Later(context.executor.ask(change), partial(_updated, row.arn))


def _updated(arn: str, future: "Future[None]") -> Document:
    try:
        future.result()
    except NotRunning:
        raise errors.validation(f"The Map Run is not running: '{arn}'") from None
    return {}
