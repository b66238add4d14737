"""Lambda: a function named by its ARN in Resource, and `lambda:invoke`.

Source: the Developer Guide, "Invoke an AWS Lambda function with Step Functions"; AWS's recorded histories.
"""

import re
from collections.abc import Mapping
from typing import Any

from local.documents import Json
from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import MAX_BYTES, decode, encode, size
from local.stepfunctions.integrations import dialects, metadata, shapes
from local.stepfunctions.integrations.call import Action, Call
from local.stepfunctions.integrations.task import TaskError, Unreachable

MAX_ANSWER_BYTES = 6 * 1024 * 1024
"""Of a function's answer (Lambda quota)."""

_DIALECT = dialects.OPTIMIZED["lambda"]
_PARTIAL_ARN = re.compile(r"(?:(\d{12}):)?function:([^:]+)(?::([^:]+))?")
_QUALIFIED = re.compile(r"([^:]+):([^:]+)")
_NOT_FOUND = re.compile(r"(Function not found: arn:[^:]+:lambda:[^:]*:[^:]*:function:[^:\s]+)(?= \(Service)")


def lane(arguments: Any, arn: str) -> str:
    """Calls of the same function share their workers."""
    name = arguments.get("FunctionName") if isinstance(arguments, dict) else None
    return arn if ":function:" in arn else str(name).partition(":function:")[2] or str(name)


def direct(call: Call) -> str:
    """Returns the payload of the answer, as the function gave it."""
    response = _send(call, {"FunctionName": call.resource.arn, "Payload": encode(call.arguments)})
    payload = _payload(call, response)
    if "FunctionError" in response:
        raise _failure(payload, payload)
    if size(payload) > MAX_BYTES:
        # Before anybody asks whether it is JSON.
        raise _too_large(call)
    return payload or "null"


def invoke(call: Call) -> str:
    fields = call.fields
    response = _send(call, {**fields, **_function(fields.get("FunctionName")), "Payload": _sent(fields.get("Payload"))})
    payload = _payload(call, response)
    if "FunctionError" in response:
        raise _failure(payload, _compact(payload))
    told: dict[str, Json] = {
        name: response[name] for name in ("ExecutedVersion", "LogResult", "StatusCode") if name in response
    }
    told["Payload"] = _value(payload)
    told |= metadata.of("lambda", response, payload.encode())
    return encode(dict(sorted(told.items())))


def _send(call: Call, arguments: Mapping[str, Json]) -> dict[str, Json]:
    client = call.client("lambda")
    action = Action(client, client.meta.service_model.operation_model("Invoke"), _DIALECT)
    try:
        return action.perform(call, arguments)
    except TaskError as error:
        if error.cause is not None and not isinstance(error, Unreachable):
            # Step Functions asks for a version, and Lambda's message names what was asked for.
            error.cause = _NOT_FOUND.sub(r"\1:$LATEST", error.cause)
        raise


def _function(name: Any) -> dict[str, Json]:
    """Completes a function's name, which may hold a qualifier, or be the end of an ARN."""
    if not isinstance(name, str):
        return {}
    if partial := _PARTIAL_ARN.fullmatch(name):
        _, name, qualifier = partial.groups()
        return {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
    if qualified := _QUALIFIED.fullmatch(name):
        return {"FunctionName": qualified[1], "Qualifier": qualified[2]}
    return {}


def _sent(payload: Any) -> str:
    """Makes the payload: a text is the payload itself; nothing at all reaches the function as an empty object."""
    if payload is None:
        return "{}"
    if not isinstance(payload, str):
        return encode(payload)
    try:
        decode(payload)
    except ValueError as error:
        raise _DIALECT.named(
            "InvalidRequestContentException",
            "InvalidRequestContentException",
            f"Could not parse request body into json: {error}",
            {"HTTPStatusCode": 400},
        ) from error
    return payload


def _payload(call: Call, response: Mapping[str, Json]) -> str:
    try:
        held = shapes.body(response["Payload"], MAX_ANSWER_BYTES)
    except Unreachable as error:
        raise Unreachable("Lambda.SdkClientException", error.cause) from error
    if held is None:
        raise _too_large(call)
    return held.decode("utf-8", "replace")


def _too_large(call: Call) -> TaskError:
    return TaskError(
        errors.DATA_LIMIT_EXCEEDED,
        f"The state/task '{call.resource.service or call.resource.arn}' returned a result with a size exceeding the "
        "maximum number of bytes service limit.",
    )


def _failure(payload: str, cause: str) -> TaskError:
    """Makes the error of a function's: its exception's class."""
    value = _value(payload)
    kind = value.get("errorType") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind:
        return TaskError(kind, cause)
    return TaskError(
        "Lambda.Unknown",
        "The cause could not be determined because Lambda did not return an error type. "
        f"Returned payload: {payload or '{}'}",
    )


def _value(payload: str) -> Any:
    """Reads a payload; one that is no JSON is told as the text that it is."""
    try:
        return decode(payload)
    except ValueError:
        return payload


def _compact(payload: str) -> str:
    value = _value(payload)
    return payload if value is payload else encode(value)
