"""The messages that SNS topics get about asynchronous inferences, in AWS's shape."""

import base64
from datetime import UTC, datetime

from local.documents import Document
from local.store import now

MAX_RESPONSE = 128_000
"""Bytes of a response that a message may carry. Source: AsyncInferenceNotificationConfig."""
_NOTE = "Check S3 path location(if configured) or Cloudwatch for additional details."


def succeeded(region: str, endpoint: str, request: Document, content_type: str, body: bytes | None) -> Document:
    """Returns the message of success. `body`: the response, where the topic is to get it."""
    parameters = {"contentType": content_type, "outputLocation": request.get("OutputLocation")}
    return {
        **_message(region, endpoint, request, "Completed"),
        "responseParameters": {name: value for name, value in parameters.items() if value is not None},
        **_response(body),
    }


def failed(region: str, endpoint: str, request: Document, reason: str, body: bytes | None) -> Document:
    return {"failureReason": reason, **_message(region, endpoint, request, "Failed"), **_response(body)}


def _message(region: str, endpoint: str, request: Document, status: str) -> Document:
    """Returns what both messages share."""
    asked = {
        "accept": request.get("Accept"),
        "contentType": request.get("ContentType"),
        "customAttributes": request.get("CustomAttributes"),
        "endpointName": endpoint,
        "inputLocation": request.get("InputLocation"),
    }
    return {
        "awsRegion": region,
        "eventTime": _iso(now()),
        "receivedTime": _iso(request["ReceivedTime"]),
        "invocationStatus": status,
        "requestParameters": {name: value for name, value in asked.items() if value is not None},
        "inferenceId": request["InferenceId"],
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


def _response(body: bytes | None) -> Document:
    if body is None:
        return {}
    content = base64.b64encode(body).decode() if len(body) <= MAX_RESPONSE else ""
    return {"responseBody": {"content": content, "message": _NOTE, "encoding": "BASE64"}}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
