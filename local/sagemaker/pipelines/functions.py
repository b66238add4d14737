"""Lambda steps: one synchronous invocation, whose answer's members are the step's output parameters."""

import json
import threading
from collections.abc import Mapping, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Document, Json
from local.sagemaker.pipelines.run import Result, Run, StepFailed

SECONDS = 600.0
"""The most that AWS lets a Lambda step take."""


def run(run: Run, seconds: float = SECONDS) -> Result:
    """Raises StepFailed."""
    function = str(run.beside()["FunctionArn"])
    metadata: Document = {"Lambda": {"Arn": function, "OutputParameters": []}}
    text = _Invocation(run, function).answer(seconds, metadata)
    outputs = _outputs(run.step.body.get("OutputParameters") or [], text, function, metadata)
    metadata["Lambda"]["OutputParameters"] = listed(outputs)
    return Result({"OutputParameters": outputs}, metadata)


def listed(outputs: Mapping[str, Json]) -> list[Document]:
    """Returns the outputs as the Metadata of a step has them."""
    return [
        {"Name": name, "Value": value if isinstance(value, str) else json.dumps(value)}
        for name, value in outputs.items()
    ]


class _Invocation:
    """In a thread of its own: a function that never answers must not hold its step."""

    def __init__(self, run: Run, function: str) -> None:
        self._client = run.reach.machine.cloud.client("lambda")
        self._function = function
        self._payload = json.dumps(run.arguments()).encode()
        self._answer: tuple[str, bool] | ClientError | BotoCoreError | None = None
        self._thread = threading.Thread(target=self._invoke, name=f"lambda-{run.step.name}", daemon=True)
        self._thread.start()

    def _invoke(self) -> None:
        try:
            response = self._client.invoke(FunctionName=self._function, Payload=self._payload)
            self._answer = response["Payload"].read().decode("utf-8", "replace"), bool(response.get("FunctionError"))
        except (ClientError, BotoCoreError) as error:
            self._answer = error

    def answer(self, seconds: float, metadata: Document) -> str:
        self._thread.join(seconds)
        outcome = self._answer
        if outcome is None:
            reason = f"ClientError: Lambda function {self._function} did not answer within {seconds:g} seconds"
            raise StepFailed(reason, metadata, overdue=True)
        if isinstance(outcome, Exception):
            reason = f"ClientError: the function {self._function} could not be invoked: {outcome}"
            raise StepFailed(reason, metadata) from outcome
        text, failed = outcome
        if failed:
            raise StepFailed(f"ClientError: Lambda function {self._function} failed: {_said(text)}", metadata)
        return text


def _outputs(declared: Sequence[Mapping[str, Json]], text: str, function: str, metadata: Document) -> Document:
    """Returns the OutputParameters: the members of the function's answer that the step declares."""
    try:
        document = json.loads(text) if text else None
    except ValueError:
        document = None
    names = [parameter["OutputName"] for parameter in declared]
    members = document if isinstance(document, dict) else {}
    missing = [name for name in names if name not in members]
    if missing:
        raise StepFailed(
            f"ClientError: Lambda function {function} did not answer the output parameter(s) {', '.join(missing)}",
            metadata,
        )
    # AWS: what is nested becomes one text.
    return {name: json.dumps(v) if isinstance(v := members[name], dict | list) else v for name in names}


def _said(text: str) -> str:
    """Reads `<errorType>: <errorMessage>` out of a function's error answer."""
    try:
        error = json.loads(text)
        return f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return text
