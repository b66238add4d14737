"""Executions: stop, describe, list. Starting them is in `starting.py`, their events are in `history.py`."""

import json
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any

from local.documents import Document
from local.stepfunctions.api import arns, errors, paging
from local.stepfunctions.api.arns import Arn
from local.stepfunctions.api.context import Context, Later
from local.stepfunctions.api.logdestinations import OFF
from local.stepfunctions.api.redriving import redrive_status
from local.stepfunctions.api.variables import references
from local.stepfunctions.executor.errors import NoSuchExecution
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.journal import mapruns
from local.stepfunctions.journal.rows import ExecutionRow

_DATA = ("input", "output", "error", "cause")
_NO_LOGGING: Document = {"level": OFF, "includeExecutionData": False}
_SOME = 100


def row_of(context: Context, text: str, *, express: bool = False) -> ExecutionRow:
    """`express`: of a map run's Express executions, too; others cannot be asked about. Raises ApiError."""
    arn = arns.parse(text, *((arns.EXECUTION, arns.EXPRESS) if express else (arns.EXECUTION,)))
    row = context.reader.execution(text)
    if arn.kind == arns.EXPRESS and (row is None or row.map_run is None):
        raise errors.invalid_arn(f"Resource type not valid in this context: {arn.kind}")
    if row is None:
        raise errors.no_execution(text)
    return row


def stop(context: Context, request: Document) -> Later:
    row = row_of(context, request["executionArn"])
    future = context.executor.stop_execution(row.arn, request.get("error"), request.get("cause"))
    return Later(future, partial(_stopped, row.arn))


def _stopped(arn: str, future: "Future[float]") -> Document:
    try:
        return {"stopDate": future.result()}
    except NoSuchExecution:
        raise errors.no_execution(arn) from None


def describe(context: Context, request: Document) -> Document:
    row = row_of(context, request["executionArn"], express=True)
    # The row was read first: where it says that the execution is over, the event that ended it is there.
    over = row.status != "RUNNING"
    last = context.reader.last(row.id) if over else None
    document = described(row, context.reader.first(row.id), last)
    document |= redrive_status(context, row, None if last is None else last.id)
    if request.get("includedData") == "METADATA_ONLY":
        document = {name: value for name, value in document.items() if name not in _DATA}
        document |= {name: {"included": False} for name in ("inputDetails", "outputDetails") if name in document}
    return document


def described(row: ExecutionRow, first: Event, last: Event | None) -> Document:
    """Describes as DescribeExecution does, but for whether it can be redriven. `last`: the event that ended it."""
    details: Any = {} if last is None else last.details
    document: Document = {
        "executionArn": row.arn,
        "stateMachineArn": row.machine_arn,
        "name": row.name,
        "status": row.status,
        "startDate": row.started,
        "stopDate": row.stopped,
        "input": first.details["input"],
        "inputDetails": {"included": True},
        "output": details.get("output"),
        "error": details.get("error"),
        "cause": details.get("cause"),
        "traceHeader": row.trace_header,
        "mapRunArn": row.map_run,
        "stateMachineVersionArn": row.version_arn,
        "stateMachineAliasArn": row.alias_arn,
        "redriveCount": row.redrives,
        "redriveDate": row.redriven,
    }
    if "output" in details:
        document["outputDetails"] = {"included": True}
    return document


def listed(context: Context, request: Document) -> Document:
    arn = _whose(context, request)
    start, wanted = paging.after(request), paging.size(request)
    rows = [row for row, _ in zip(_rows(context, request, arn, start), range(wanted + 1), strict=False)]
    page: Document = {"executions": [_item(row) for row in rows[:wanted]]}
    if len(rows) > wanted:
        page["nextToken"] = paging.token(request, rows[wanted - 1].id)
    return page


def _whose(context: Context, request: Document) -> Arn:
    """Returns the state machine, version, alias or map run."""
    if ("stateMachineArn" in request) == ("mapRunArn" in request):
        raise errors.validation("Exactly one of stateMachineArn and mapRunArn must be specified")
    if "mapRunArn" in request:
        arn = arns.parse(request["mapRunArn"], arns.MAP_RUN)
        if mapruns.map_run(context.reader.select, arn.text) is None:
            raise errors.no_resource(arn.text)
        return arn
    arn = arns.parse(request["stateMachineArn"], arns.MACHINE)
    machine = context.machine(arn)
    if machine is None:
        raise errors.no_machine(arn.text)
    if machine["type"] == "EXPRESS":
        raise errors.type_not_supported()
    if arn.rest is not None and not (
        context.machines.version(arn.name, arn.rest) or context.machines.alias(arn.name, arn.rest)
    ):
        raise errors.no_resource(arn.text)
    if "redriveFilter" in request and arn.rest is not None:
        raise errors.validation("A redriveFilter cannot be used with a version or an alias")
    return arn


def _rows(context: Context, request: Document, arn: Arn, before: int | None) -> Iterator[ExecutionRow]:
    """Newest first."""
    machine = context.machine(arn) if arn.kind == arns.MACHINE else None
    redriven = {"REDRIVEN": True, "NOT_REDRIVEN": False}.get(request.get("redriveFilter", ""))
    while True:
        several = context.reader.executions(
            arn.base if machine is not None else None,
            map_run=arn.text if machine is None else None,
            status=request.get("statusFilter"),
            redriven=redriven,
            before=before,
            limit=_SOME,
        )
        for row in several:
            if machine is not None and row.started < machine["creationDate"]:
                # Of a state machine that had the name before and was deleted.
                return
            if machine is None or arn.rest is None or arn.text in (row.version_arn, row.alias_arn):
                yield row
        if len(several) < _SOME:
            return
        before = several[-1].id


def _item(row: ExecutionRow) -> Document:
    return {
        "executionArn": row.arn,
        "stateMachineArn": row.machine_arn,
        "name": row.name,
        "status": row.status,
        "startDate": row.started,
        "stopDate": row.stopped,
        "mapRunArn": row.map_run,
        "stateMachineVersionArn": row.version_arn,
        "stateMachineAliasArn": row.alias_arn,
        "redriveCount": row.redrives,
        "redriveDate": row.redriven,
    }


def describe_machine(context: Context, request: Document) -> Document:
    """DescribeStateMachineForExecution: as it was when the execution started."""
    row = row_of(context, request["executionArn"], express=True)
    name, _, label = row.machine_name.partition("/")
    machine = context.machines.get(name) or {}
    logging = row.revision.logging
    document: Document = {
        "stateMachineArn": row.machine_arn,
        "name": row.machine_name,
        "definition": row.definition,
        "roleArn": row.role_arn,
        "updateDate": min(machine.get("_updated", row.started), row.started),
        "loggingConfiguration": _NO_LOGGING if logging is None else json.loads(logging),
        "tracingConfiguration": machine.get("tracingConfiguration", {"enabled": False}),
        "encryptionConfiguration": machine.get("encryptionConfiguration", {"type": "AWS_OWNED_KEY"}),
    }
    if machine.get("definition") == row.definition:
        document["revisionId"] = machine.get("revisionId")
    if label:
        document |= {"label": label, "mapRunArn": row.map_run}
    if request.get("includedData") == "METADATA_ONLY":
        document["definition"] = ""
    else:
        document["variableReferences"] = references(row.definition) or None
    return document
