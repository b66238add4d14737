"""Callback steps: a message with a token on a queue, and the answer that comes back by that token.

Both are stored. A step that waits when the local cloud ends waits on at the next start, under the same token and
without a second message; an answer that came meanwhile is found.
"""

import json
import threading
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Document, Json
from local.sagemaker.pipelines import names
from local.sagemaker.pipelines.functions import listed
from local.sagemaker.pipelines.run import Hold, Result, Run, StepFailed
from local.store import now

KIND = "pipeline-callback"
SECONDS = 7 * 86_400.0
"""How long AWS waits for the answer."""


def run(run: Run, seconds: float = SECONDS) -> Result:
    """Raises StepFailed."""
    stored = run.stored.get("Metadata", {}).get("Callback", {})
    queue = str(stored.get("SqsQueueUrl") or run.beside()["SqsQueueUrl"])
    token = stored.get("CallbackToken") or _open(run, queue)
    metadata: Document = {"Callback": {"CallbackToken": token, "SqsQueueUrl": queue, "OutputParameters": []}}
    event = run.reach.waiting.event(token)
    run.watch.executing(metadata, Hold(stop=lambda: _say(run, queue, token, stopping=True), leave=event.set))
    try:
        if not stored:
            # Told only now: an answer that comes at once finds the step as it will be.
            _say(run, queue, token)
        sent = _answer(run, token, event, seconds, metadata)
    finally:
        run.reach.waiting.forget(token)
    return _result(run, sent, metadata)


def _open(run: Run, queue: str) -> str:
    token = names.callback_token()
    document = {
        "PipelineExecutionArn": run.execution_arn,
        "StepName": run.step.name,
        "SqsQueueUrl": queue,
        "Opened": now(),
    }
    run.reach.machine.store.insert(KIND, token, document)
    return token


def _say(run: Run, queue: str, token: str, *, stopping: bool = False) -> None:
    """Sends the message. Source of the body: "Callback step" in the developer guide."""
    body = {
        "token": token,
        "pipelineExecutionArn": run.execution_arn,
        "arguments": run.arguments(),
        "status": "Stopping" if stopping else "Executing",
    }
    try:
        run.reach.machine.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(body))
    except (ClientError, BotoCoreError) as error:
        raise StepFailed(f"ClientError: Failed to invoke sqs:SendMessage. Error Details: {error}") from error


def _answer(run: Run, token: str, event: threading.Event, seconds: float, metadata: Document) -> Document:
    stored = run.reach.machine.store.get(KIND, token) or {}
    left = stored.get("Opened", now()) + seconds - now()
    if "Answer" not in stored:
        # Set by the answer, which is stored before; or by the end of the local cloud.
        event.wait(max(0.0, left))
        stored = run.reach.machine.store.get(KIND, token) or {}
    sent: Document | None = stored.get("Answer")
    if sent is None:
        raise StepFailed(f"ClientError: no answer to the callback came within {seconds:g} seconds", metadata)
    return sent


def _result(run: Run, sent: Document, metadata: Document) -> Result:
    if sent["Status"] == "Failed":
        raise StepFailed(sent.get("FailureReason") or "The callback step was failed.", metadata)
    outputs = _outputs(run.step.body.get("OutputParameters") or [], sent.get("OutputParameters", []), metadata)
    metadata["Callback"]["OutputParameters"] = listed(outputs)
    return Result({"OutputParameters": outputs}, metadata)


def _outputs(declared: list[Mapping[str, Json]], sent: list[Document], metadata: Document) -> Document:
    """Returns the texts that were sent, as the types that the step declares."""
    texts = {parameter["Name"]: parameter["Value"] for parameter in sent}
    outputs: Document = {}
    for parameter in declared:
        name, kind = parameter["OutputName"], parameter.get("OutputType", "String")
        if name not in texts:
            raise StepFailed(f"ClientError: the callback did not give the output parameter {name}", metadata)
        outputs[name] = _typed(texts[name], name, kind, metadata)
    return outputs


def _typed(text: str, name: str, kind: str, metadata: Document) -> Json:
    readers: Mapping[str, Any] = {
        "Integer": int, "Float": float, "Boolean": lambda text: {"true": True, "false": False}[text.lower()],
    }  # fmt: skip
    try:
        return readers.get(kind, str)(text)
    except (ValueError, KeyError) as error:
        raise StepFailed(f"ClientError: the output parameter {name} is no {kind}: {text!r}", metadata) from error
