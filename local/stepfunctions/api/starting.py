"""StartExecution and StartSyncExecution: from an ARN and an input to an execution."""

import math
import random
from concurrent.futures import Future
from functools import partial

from local.documents import Document, Json
from local.stepfunctions.api import arns, errors, names
from local.stepfunctions.api.context import Context, Later
from local.stepfunctions.api.errors import ApiError
from local.stepfunctions.asl.documents import decode
from local.stepfunctions.executor.errors import AlreadyExists, ExecutorError
from local.stepfunctions.executor.new_execution import NewExecution
from local.stepfunctions.executor.over import Over
from local.stepfunctions.journal.rows import ExecutionRow

_SYNC_SECONDS = 300.0
_MARGIN_SECONDS = 5.0
"""The engine ends an Express execution by itself; this is for one that it cannot end."""
_BILLED_MEMORY_MB = 64
_BILLED_STEP_MS = 100


def start(context: Context, request: Document) -> Later:
    new = _new(context, request)
    return Later(context.executor.start_execution(new), partial(_started, context, new))


def start_sync(context: Context, request: Document) -> Later:
    new = _new(context, request)
    if not new.express:
        raise errors.type_not_supported()
    over: Future[Over] = Future()
    began = context.executor.start_execution(new, over.set_result)

    def not_begun(began: "Future[ExecutionRow]") -> None:
        error = began.exception()
        if error is not None:
            over.set_exception(error)

    began.add_done_callback(not_begun)
    return Later(over, partial(_sync_answer, context, request, new, began), _SYNC_SECONDS + _MARGIN_SECONDS)


def _new(context: Context, request: Document) -> NewExecution:
    arn = request["stateMachineArn"]
    machine, version, alias = resolve(context, arn)
    name = request.get("name")
    if name is not None:
        names.check(name)
    text = request.get("input", "{}")
    check_input(text)
    return NewExecution(
        machine_arn=machine["stateMachineArn"],
        definition=version["definition"],
        role_arn=version["roleArn"],
        input=text,
        name=name,
        express=machine["type"] == "EXPRESS",
        version_arn=version.get("stateMachineVersionArn"),
        alias_arn=arn if alias else None,
        logging=version["_logging"],
        trace_header=request.get("traceHeader"),
    )


def resolve(context: Context, text: str) -> tuple[Document, Document, bool]:
    """(state machine, what of it is to be run, whether an alias led there). Raises ApiError."""
    arn = arns.parse(text, arns.MACHINE)
    machine = context.machine(arn)
    if machine is None:
        raise errors.no_machine(text)
    if machine["status"] == "DELETING":
        raise errors.machine_deleting(text)
    if arn.rest is None:
        return machine, machine, False
    number: str = arn.rest
    alias = context.machines.alias(arn.name, number)
    if alias is not None:
        number = _chosen(alias["routingConfiguration"]).rpartition(":")[2]
    version = context.machines.version(arn.name, number)
    if version is None:
        raise errors.no_machine(text)
    return machine, version, alias is not None


def _chosen(routes: list[Document]) -> str:
    if len(routes) == 1:
        return str(routes[0]["stateMachineVersionArn"])
    weights = [route["weight"] for route in routes]
    return str(random.choices(routes, weights)[0]["stateMachineVersionArn"])


def check_input(text: str) -> None:
    """Checks that an input is JSON; its size is the model's to check. Raises ApiError."""
    try:
        decode(text)
    except ValueError as error:
        raise ApiError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'") from None


def _started(context: Context, new: NewExecution, future: "Future[ExecutionRow]") -> Document:
    try:
        row = future.result()
    except AlreadyExists as error:
        row = _same(context, new, str(error))
    return {"executionArn": row.arn, "startDate": row.started}


def _same(context: Context, new: NewExecution, arn: str) -> ExecutionRow:
    """Returns the execution that runs under the name, where it was started with this very input."""
    row = context.reader.execution(arn)
    if row is None or row.status != "RUNNING" or context.reader.first(row.id).details["input"] != new.input:
        raise ApiError("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
    return row


def _sync_answer(
    context: Context, request: Document, new: NewExecution, began: "Future[ExecutionRow]", future: "Future[Over]"
) -> Document:
    if not future.done():
        return _too_long(context, request, new, began)
    over = future.result()
    document = _sync_document(request, new, over.row)
    document |= {"status": over.row.status, "output": over.output, "error": over.error, "cause": over.cause}
    if over.output is not None:
        document["outputDetails"] = {"included": True}
    if over.row.status == "ABORTED":
        # The answer has no such status.
        document["status"] = "FAILED"
    return _without_data(document) if request.get("includedData") == "METADATA_ONLY" else document


def _too_long(context: Context, request: Document, new: NewExecution, began: "Future[ExecutionRow]") -> Document:
    """Answers that it took too long: after five minutes AWS ends a synchronous execution."""
    try:
        row = began.result(0)
    except TimeoutError:
        raise errors.unavailable() from None
    stopped = context.executor.stop_execution(row.arn, "States.Timeout")
    row.stopped = row.started + _SYNC_SECONDS
    stopped.add_done_callback(_seen)
    return {**_sync_document(request, new, row), "status": "TIMED_OUT", "error": "States.Timeout"}


def _seen(stopped: "Future[float]") -> None:
    # It may have ended by itself.
    error = stopped.exception()
    if error is not None and not isinstance(error, ExecutorError):
        raise error


def _sync_document(request: Document, new: NewExecution, row: ExecutionRow) -> dict[str, Json]:
    stopped = row.stopped if row.stopped is not None else row.started
    steps = max(1, math.ceil((stopped - row.started) * 1000 / _BILLED_STEP_MS))
    return {
        "executionArn": row.arn,
        "stateMachineArn": row.machine_arn,
        "name": row.name.partition(":")[0],
        "startDate": row.started,
        "stopDate": stopped,
        "input": new.input,
        "inputDetails": {"included": True},
        "traceHeader": request.get("traceHeader"),
        "billingDetails": {
            "billedDurationInMilliseconds": steps * _BILLED_STEP_MS,
            "billedMemoryUsedInMB": _BILLED_MEMORY_MB,
        },
    }


def _without_data(document: Document) -> Document:
    shown = {name: value for name, value in document.items() if name not in ("input", "output", "error", "cause")}
    return {**shown, "inputDetails": {"included": False}, "outputDetails": {"included": False}}
