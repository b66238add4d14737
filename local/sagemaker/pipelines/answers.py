"""The operations that answer a callback step (`callbacks.py`), by its token."""

from local.documents import Document
from local.sagemaker.pipelines.callbacks import KIND
from local.sagemaker.pipelines.executions import Executions
from local.sagemaker.wire.errors import ResourceNotFound, ValidationException


def succeed(executions: Executions, request: Document) -> Document:
    outputs = request.get("OutputParameters", [])
    return _send(executions, request, {"Status": "Succeeded", "OutputParameters": outputs})


def fail(executions: Executions, request: Document) -> Document:
    return _send(executions, request, {"Status": "Failed", "FailureReason": request.get("FailureReason", "")})


def _send(executions: Executions, request: Document, sent: Document) -> Document:
    token = request["CallbackToken"]

    def change(document: Document) -> bool:
        known = document.get("Answer")
        if known is not None:
            again = request.get("ClientRequestToken")
            if again is not None and again == document.get("ClientRequestToken") and known == sent:
                return False
            # AWS's words, as far as they are known.
            raise ValidationException(f"Step {document['StepName']} is already in a terminal status.")
        document["Answer"] = sent
        document["ClientRequestToken"] = request.get("ClientRequestToken")
        return True

    document = executions.machine.store.change(KIND, token, change)
    if document is None:
        raise ResourceNotFound(f"Pipeline execution step with callback token {token} does not exist.")
    executions.waiting.wake(token)
    return {"PipelineExecutionArn": document["PipelineExecutionArn"]}
