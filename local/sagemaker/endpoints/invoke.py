"""InvokeEndpoint: one request to a container, answered as the runtime answers it."""

import io
from collections.abc import Mapping
from typing import Any

from local.sagemaker import wire
from local.sagemaker.context import Context
from local.sagemaker.endpoints.http import Answer, NoAnswer, TooLate
from local.sagemaker.endpoints.state import KIND
from local.sagemaker.errors import EndpointValidationError, ModelError, ValidationException
from local.store import Document

SECONDS = 60.0
"""AWS's limit for a synchronous invocation."""
_MAX_BODY = 25 << 20
_PREFIX = "x-amzn-sagemaker-"
_FORWARDED = (
    "content-type",
    "accept",
    f"{_PREFIX}custom-attributes",
    f"{_PREFIX}inference-id",
    f"{_PREFIX}target-model",
    f"{_PREFIX}session-id",
)
_LATE = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)


def invoke(context: Context, name: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    """`headers` have names in small letters. Raises EndpointValidationError, ModelError."""
    check("InvokeEndpoint", name, headers)
    document = endpoint(context, name)
    if "AsyncInferenceConfig" in document:
        raise EndpointValidationError(f"Endpoint {name} of account {context.settings.account} is asynchronous.")
    if len(body) > _MAX_BODY:
        raise EndpointValidationError(f"The body is longer than {_MAX_BODY} bytes.")
    deployment = context.endpoints.live(name, SECONDS)
    if deployment is None:
        raise not_in_service(context, document)
    variant = deployment.pick(headers.get(f"{_PREFIX}target-variant"))
    if variant is None:
        raise EndpointValidationError(f"Variant {headers[f'{_PREFIX}target-variant']} not found for Request.")
    forwarded = {field: headers[field] for field in _FORWARDED if field in headers}
    sink = io.BytesIO()
    try:
        answer = variant.pick().invoke(forwarded, io.BytesIO(body), sink, SECONDS)
    except TooLate as error:
        raise model_error(context, name, 0, _LATE) from error
    except NoAnswer as error:
        raise model_error(context, name, 0, f"{error}") from error
    if not 200 <= answer.status < 300:
        raise model_error(context, name, answer.status, sink.getvalue().decode("utf-8", "replace"))
    return 200, _answered(answer, variant.name), sink.getvalue()


def _answered(answer: Answer, variant: str) -> dict[str, str]:
    fields = {
        "Content-Type": answer.headers.get("content-type", "application/octet-stream"),
        "x-Amzn-Invoked-Production-Variant": variant,
    }
    attributes = answer.headers.get(f"{_PREFIX}custom-attributes")
    if attributes is not None:
        fields["X-Amzn-SageMaker-Custom-Attributes"] = attributes
    return fields


def check(operation: str, name: str, headers: Mapping[str, str]) -> Document:
    """The request's members out of path and headers. Raises EndpointValidationError."""
    shape: Any = wire.model("sagemaker-runtime").operation_model(operation).input_shape
    members: Document = {}
    for member, of in shape.members.items():
        value = headers.get(of.serialization.get("name", "").lower())
        if of.serialization.get("location") == "header" and value is not None:
            members[member] = int(value) if of.type_name == "integer" and value.isdigit() else value
    # The body is not copied into the check; its length is looked at where it is read.
    members |= {"EndpointName": name, "Body": ""}
    try:
        wire.check(shape, members)
    except ValidationException as error:
        raise EndpointValidationError(error.message) from error
    return members


def endpoint(context: Context, name: str) -> Document:
    document = context.store.get(KIND, name)
    if document is None:
        raise EndpointValidationError(f"Endpoint {name} of account {context.settings.account} not found.")
    return document


def not_in_service(context: Context, document: Document) -> EndpointValidationError:
    return EndpointValidationError(
        f"Endpoint {document['EndpointName']} of account {context.settings.account} is not in service: its status is "
        f"{document['EndpointStatus']}."
    )


def received(status: int, message: str) -> str:
    """AWS's sentence about a container's error."""
    side = "client" if 400 <= status < 500 else "server"
    return f'Received {side} error ({status}) from primary with message "{message.strip()}".'


def model_error(context: Context, name: str, status: int, message: str) -> ModelError:
    group = f"/aws/sagemaker/Endpoints/{name}"
    settings = context.settings
    arn = f"arn:{settings.partition}:logs:{settings.region}:{settings.account}:log-group:{group}"
    return ModelError(
        f"{received(status, message)} See the CloudWatch log group {group} in account {settings.account} for more "
        "information.",
        {"OriginalStatusCode": status, "OriginalMessage": message, "LogStreamArn": arn},
    )
