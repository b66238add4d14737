"""`states:startExecution`: an execution that a task starts, and waits for with .sync.

Source: the Developer Guide, "Start a new AWS Step Functions workflow from a running execution"; AWS's recorded
histories. An execution that is given no name gets one made of the task's key, so that a repeat starts nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from local.documents import Json
from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import decode, encode
from local.stepfunctions.asl.resources import Pattern
from local.stepfunctions.integrations import dialects, metadata, naming, shapes
from local.stepfunctions.integrations.call import Action, Call
from local.stepfunctions.integrations.job import Job
from local.stepfunctions.integrations.task import TaskError

_DIALECT = dialects.OPTIMIZED["states"]


def start_execution(call: Call) -> str:
    """Started; its result tells the ARN."""
    request = _request(call)
    arn, started = _started(call, request)
    body = {"executionArn": arn, "startDate": started / 1000}
    told = {"ExecutionArn": arn, "StartDate": started, **metadata.of("states", {}, encode(body).encode())}
    return encode(dict(sorted(told.items())))


def job(call: Call, started: Mapping[str, Json]) -> Job:
    """Returns the execution that was started, by what starting it answered."""
    arn = str(started["ExecutionArn"])
    return Job(lambda: _ending(call, arn), lambda: call.world.stop_execution(arn), execution=arn)


# Starting it.


def _action(call: Call, operation: str) -> Action:
    client = call.client("stepfunctions")
    return Action(client, client.meta.service_model.operation_model(operation), _DIALECT)


def _request(call: Call) -> dict[str, Json]:
    fields = {name: value for name, value in call.fields.items() if value is not None}
    fields["Input"] = _input(fields.get("Input"))
    fields.setdefault("Name", call.key)
    return _action(call, "StartExecution").parameters(call, fields)


def _input(value: Any) -> str:
    """Makes the input: a text that is JSON is the input itself."""
    if value is None:
        return "{}"
    if isinstance(value, str):
        try:
            decode(value)
        except ValueError:
            return encode(value)
        return value
    return encode(value)


def _started(call: Call, request: Mapping[str, Json]) -> tuple[str, int]:
    """Returns the ARN, and when it started in milliseconds."""
    try:
        started = _start(call, request)
    except TaskError as error:
        if error.error != "StepFunctions.ExecutionAlreadyExistsException":
            raise
        there = _of_this_task(call, request)
        if there is None:
            raise
        started = there
    return str(started["executionArn"]), shapes.milliseconds(started["startDate"])


def _start(call: Call, request: Mapping[str, Json]) -> Mapping[str, Json]:
    action = _action(call, "StartExecution")
    if call.credentials is not None:
        return action.send(request)
    try:
        return call.world.start_execution(request)
    except ClientError as error:
        raise _DIALECT.failure(action.model, error) from error
    except Exception as error:
        code, message = getattr(error, "code", None), getattr(error, "message", None)
        if not isinstance(code, str):
            raise
        raise _DIALECT.named(naming.exception(code), code, str(message), {"HTTPStatusCode": 400}) from error


def _of_this_task(call: Call, request: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """Returns the execution of this name, where an earlier try of this very task started it."""
    is_ours = request["name"] == call.key
    if not is_ours and not call.repeated:
        return None
    there = _action(call, "DescribeExecution").send({"executionArn": _arn(request)})
    # A name that the definition gives is no proof; that this task was interrupted and meant the same input is.
    return there if is_ours or there.get("input") == request["input"] else None


def _arn(request: Mapping[str, Json]) -> str:
    """Makes the execution's ARN; the machine may be named with a version or an alias."""
    head = str(request["stateMachineArn"]).split(":")[:7]
    if len(head) == 7 and head[5] == "stateMachine":
        head[5] = "execution"
    return ":".join([*head, str(request["name"])])


# Its end.


def _ending(call: Call, arn: str) -> str | None:
    describe = _action(call, "DescribeExecution")
    description = describe.send({"executionArn": arn})
    status = description["status"]
    if status in ("RUNNING", "PENDING_REDRIVE"):
        return None
    told = {
        naming.capitalized(name): _shown(value) for name, value in description.items() if name != "ResponseMetadata"
    }
    told = dict(sorted(told.items()))
    if status != "SUCCEEDED":
        raise TaskError(errors.TASK_FAILED, encode(told))
    if call.resource.pattern is Pattern.SYNC_2:
        told |= {name: decode(told[name]) for name in ("Input", "Output") if isinstance(told.get(name), str)}
    return encode(told)


def _shown(value: Any) -> Any:
    if isinstance(value, datetime):
        return shapes.milliseconds(value)
    if isinstance(value, Mapping):
        return {naming.capitalized(name): inner for name, inner in value.items()}
    return value
