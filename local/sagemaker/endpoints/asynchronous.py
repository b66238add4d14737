"""InvokeEndpointAsync: a request is stored, and acknowledged; `backlog.py` has it worked on."""

import base64
import json
import uuid

from local.documents import Document
from local.sagemaker.endpoints import backlog, runtime
from local.sagemaker.endpoints.headers import Headers
from local.sagemaker.endpoints.hosting import Endpoints
from local.sagemaker.machine import storage
from local.sagemaker.wire.errors import EndpointValidationError
from local.store import now

_MAX_INLINE = 128_000
_PREFIX = "X-Amzn-SageMaker-"


def invoke_async(
    endpoints: Endpoints, name: str, headers: Headers, body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """Answers 202 once the request is stored. Raises EndpointValidationError."""
    request = runtime.check("InvokeEndpointAsync", name, headers)
    config = _config(endpoints, name)
    _check_input(request, body)
    output = config["OutputConfig"]
    unique = str(uuid.uuid4())
    extension, fields = request.get("S3OutputPathExtension", ""), {"Content-Type": "application/json"}
    stored: Document = {
        **request,
        "InferenceId": request.get("InferenceId", unique),
        "ReceivedTime": now(),
    }
    # One given name decides both objects; without one the name is AWS's: a fresh identity, not the InferenceId.
    for member, path, file in (
        ("OutputLocation", "S3OutputPath", f"{unique}.out"),
        ("FailureLocation", "S3FailurePath", f"{unique}-error.out"),
    ):
        if path in output:
            stored[member] = _located(output[path], extension, request.get("Filename", file))
            fields[f"{_PREFIX}{member}"] = stored[member]
    if "InputLocation" not in request:
        stored["_Body"] = base64.b64encode(body).decode()
    # Stored before the queue is looked for: one that is being made now reads it from the store.
    endpoints.machine.store.insert(backlog.KIND, f"{name}/{unique}", stored)
    pending = endpoints.queue(name)
    if pending is not None:
        pending.add(f"{name}/{unique}")
    return 202, fields, json.dumps({"InferenceId": stored["InferenceId"]}).encode()


def _config(endpoints: Endpoints, name: str) -> Document:
    """Returns the endpoint's AsyncInferenceConfig. Raises EndpointValidationError."""
    hosted = endpoints.live(name, 0)
    fleets = hosted.traffic.fleets if hosted is not None else []
    config: Document | None = fleets[-1].asynchronous if fleets else None
    if config is not None:
        return config
    # Nothing serves it now, which an asynchronous endpoint need not wait for.
    machine = endpoints.machine
    document = runtime.described(machine, name)
    stored: Document | None = document.get("AsyncInferenceConfig")
    if stored is not None:
        return stored
    if document["EndpointStatus"] == "InService":
        raise EndpointValidationError(f"Endpoint {name} of account {machine.settings.account} is not asynchronous.")
    raise runtime.not_in_service(machine, document)


def _check_input(request: Document, body: bytes) -> None:
    location = request.get("InputLocation", "")
    if bool(location) == bool(body):
        raise EndpointValidationError("The request needs either an InputLocation or a Body.")
    if location and not location.startswith("s3://"):
        raise EndpointValidationError("InputLocation must be an S3 location (s3://bucket/key).")
    if len(body) > _MAX_INLINE:
        raise EndpointValidationError(f"The body is longer than {_MAX_INLINE} bytes: put it into S3.")


def _located(path: str, extension: str, file: str) -> str:
    return storage.joined(path, *([extension] if extension else []), file)
