"""Whether an execution can be redriven, and RedriveExecution."""

import time
from concurrent.futures import Future
from functools import partial

from local.documents import Document
from local.stepfunctions.api import arns, errors
from local.stepfunctions.api.context import Context, Later
from local.stepfunctions.api.errors import ApiError
from local.stepfunctions.executor.errors import NoSuchExecution, NotRedrivable
from local.stepfunctions.interpreter.redriving import why_not
from local.stepfunctions.journal.rows import ExecutionRow


def redrive_status(context: Context, row: ExecutionRow, events: int | None = None) -> Document:
    """Returns the members of DescribeExecution that say it. `events`: the id of the last, where it is known."""
    reason = _reason(context, row, events)
    if reason is not None:
        return {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}
    return {"redriveStatus": "REDRIVABLE" if row.map_run is None else "REDRIVABLE_BY_MAP_RUN"}


def _reason(context: Context, row: ExecutionRow, events: int | None) -> str | None:
    machine = context.machines.get(row.machine_name.partition("/")[0])
    if row.status not in ("RUNNING", "SUCCEEDED") and machine is not None and machine["status"] == "DELETING":
        return "State machine is in DELETING status"
    if events is None:
        events = 0 if row.status == "RUNNING" else context.reader.last(row.id).id
    return why_not(row.status, events, row.stopped, time.time())


def redrive(context: Context, request: Document) -> Document | Later:
    arn = arns.parse(request["executionArn"], arns.EXECUTION)
    token = request.get("clientToken")
    before = context.redrives.get(arn.text, token)
    if before is not None:
        return {"redriveDate": before}
    row = context.reader.execution(arn.text)
    if row is None:
        raise errors.no_execution(arn.text)
    reason = _reason(context, row, None)
    if reason is None and row.map_run is not None:
        reason = "Execution was started by a Map Run and is redriven by it"
    if reason is not None:
        raise ApiError("ExecutionNotRedrivable", f"{reason}: '{arn.text}'")
    return Later(context.executor.redrive_execution(arn.text), partial(_redriven, context, arn.text, token))


def _redriven(context: Context, arn: str, token: str | None, future: "Future[float]") -> Document:
    try:
        when = future.result()
    except NoSuchExecution:
        raise errors.no_execution(arn) from None
    except NotRedrivable as error:
        raise ApiError("ExecutionNotRedrivable", f"{error}: '{arn}'") from None
    context.redrives.keep(arn, token, when)
    return {"redriveDate": when}
