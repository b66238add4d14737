"""Callback steps: a message with a token on a queue, and the answer that comes back by that token.

Both are stored. A step that waits when the local cloud ends waits on at the next start, under the same token and
without a second message; an answer that came meanwhile is found.
"""

import json
import threading
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Document
from local.sagemaker.machine.machine import Context
from local.sagemaker.pipelines import names
from local.sagemaker.pipelines.functions import listed
from local.sagemaker.pipelines.run import Hold, Result, Run, StepFailed
from local.sagemaker.wire.errors import ResourceNotFound, ValidationException
from local.store import now

KIND = "pipeline-callback"
SECONDS = 7 * 86_400.0
"""How long AWS waits for the answer."""


class Waiting:
    """The callback steps that wait in this process, by token."""

    def __init__(self) -> None:
        self._events: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def event(self, token: str) -> threading.Event:
        with self._lock:
            return self._events.setdefault(token, threading.Event())

    def forget(self, token: str) -> None:
        with self._lock:
            self._events.pop(token, None)

    def wake(self, token: str) -> None:
        with self._lock:
            event = self._events.get(token)
        if event is not None:
            event.set()


# The step.


def run(given: Run, seconds: float = SECONDS) -> Result:
    """Raises StepFailed."""
    stored = given.stored.get("Metadata", {}).get("Callback", {})
    queue = str(stored.get("SqsQueueUrl") or given.beside()["SqsQueueUrl"])
    token = stored.get("CallbackToken") or _open(given, queue)
    metadata: Document = {"Callback": {"CallbackToken": token, "SqsQueueUrl": queue, "OutputParameters": []}}
    event = given.context.executions.waiting.event(token)
    given.watch.executing(metadata, Hold(stop=lambda: _say(given, queue, token, stopping=True), leave=event.set))
    try:
        if not stored:
            # Told only now: an answer that comes at once finds the step as it will be.
            _say(given, queue, token)
        answer = _answer(given, token, event, seconds, metadata)
    finally:
        given.context.executions.waiting.forget(token)
    return _result(given, answer, metadata)


def _open(given: Run, queue: str) -> str:
    token = names.callback_token()
    document = {
        "PipelineExecutionArn": given.execution_arn,
        "StepName": given.step.name,
        "SqsQueueUrl": queue,
        "Opened": now(),
    }
    given.context.store.insert(KIND, token, document)
    return token


def _say(given: Run, queue: str, token: str, *, stopping: bool = False) -> None:
    """Source of the body: "Callback step" in the developer guide."""
    body = {
        "token": token,
        "pipelineExecutionArn": given.execution_arn,
        "arguments": given.arguments(),
        "status": "Stopping" if stopping else "Executing",
    }
    try:
        given.context.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(body))
    except (ClientError, BotoCoreError) as error:
        raise StepFailed(f"ClientError: Failed to invoke sqs:SendMessage. Error Details: {error}") from error


def _answer(given: Run, token: str, event: threading.Event, seconds: float, metadata: Document) -> Document:
    stored = given.context.store.get(KIND, token) or {}
    left = stored.get("Opened", now()) + seconds - now()
    if "Answer" not in stored:
        # Set by the answer, which is stored before; or by the end of the local cloud.
        event.wait(max(0.0, left))
        stored = given.context.store.get(KIND, token) or {}
    answer: Document | None = stored.get("Answer")
    if answer is None:
        raise StepFailed(f"ClientError: no answer to the callback came within {seconds:g} seconds", metadata)
    return answer


def _result(given: Run, answer: Document, metadata: Document) -> Result:
    if answer["Status"] == "Failed":
        raise StepFailed(answer.get("FailureReason") or "The callback step was failed.", metadata)
    outputs = _outputs(given.step.body.get("OutputParameters") or [], answer.get("OutputParameters", []), metadata)
    metadata["Callback"]["OutputParameters"] = listed(outputs)
    return Result({"OutputParameters": outputs}, metadata)


def _outputs(declared: list[Mapping[str, Any]], given: list[Document], metadata: Document) -> Document:
    """The texts that were sent, as the types that the step declares."""
    texts = {one["Name"]: one["Value"] for one in given}
    outputs: Document = {}
    for one in declared:
        name, kind = one["OutputName"], one.get("OutputType", "String")
        if name not in texts:
            raise StepFailed(f"ClientError: the callback did not give the output parameter {name}", metadata)
        outputs[name] = _typed(texts[name], name, kind, metadata)
    return outputs


def _typed(text: str, name: str, kind: str, metadata: Document) -> Any:
    readers: Mapping[str, Any] = {
        "Integer": int, "Float": float, "Boolean": lambda given: {"true": True, "false": False}[given.lower()],
    }  # fmt: skip
    try:
        return readers.get(kind, str)(text)
    except (ValueError, KeyError) as error:
        raise StepFailed(f"ClientError: the output parameter {name} is no {kind}: {text!r}", metadata) from error


# The operations.


def succeed(context: Context, request: Document) -> Document:
    answer = {"Status": "Succeeded", "OutputParameters": request.get("OutputParameters", [])}
    return _send(context, request, answer)


def fail(context: Context, request: Document) -> Document:
    return _send(context, request, {"Status": "Failed", "FailureReason": request.get("FailureReason", "")})


def _send(context: Context, request: Document, answer: Document) -> Document:
    token = request["CallbackToken"]

    def change(document: Document) -> bool:
        known = document.get("Answer")
        if known is not None:
            again = request.get("ClientRequestToken")
            if again is not None and again == document.get("ClientRequestToken") and known == answer:
                return False
            # AWS's words, as far as they are known.
            raise ValidationException(f"Step {document['StepName']} is already in a terminal status.")
        document["Answer"] = answer
        document["ClientRequestToken"] = request.get("ClientRequestToken")
        return True

    document = context.store.change(KIND, token, change)
    if document is None:
        raise ResourceNotFound(f"Pipeline execution step with callback token {token} does not exist.")
    context.executions.waiting.wake(token)
    return {"PipelineExecutionArn": document["PipelineExecutionArn"]}
