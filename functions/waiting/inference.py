"""One asynchronous inference for one photo: sending it, and reading the message that tells its end."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.exceptions import ClientError

from functions.aws import locations
from functions.aws.log import about
from functions.aws.services import error_code, error_message, is_no_object
from functions.images import images
from functions.jobs import jobs
from functions.jobs.errors import EndpointNotFound, EndpointNotReady, ImageRejected
from functions.jobs.jobs import Progress
from functions.waiting import endpoints, waits
from functions.waiting.waits import Failed, Resolution, Succeeded, Wait, WaitKind

if TYPE_CHECKING:
    from functions.aws.services import Services

AsJpeg: TypeAlias = "Callable[[str, str, Services], str]"
"""Given a photo's location and its job, returns where it lies as JPEG. Handed in: others here do without Pillow."""

INVOCATION_SECONDS = 900
TTL_SECONDS = 3600


def start(job: Mapping[str, Any], token: str, services: Services, as_jpeg: AsJpeg) -> None:
    """Parks the token and sends a claimed photo to the endpoint.

    The token is stored first, so the answer cannot come too early. A repeat after a crash may send the photo a second
    time; both answers carry the job id, the first resolves the wait and the second finds none.

    Raises:
        ImageRejected: the object is gone, empty, too large, or no image that is accepted.
        EndpointNotReady, EndpointNotFound: there is nobody to send it to.
    """
    job_id, endpoint, location = job["job_id"], job["endpoint"], job["input_uri"]
    content_type = _check_image(location, services)
    if content_type not in images.FOR_MODELS:
        location, content_type = as_jpeg(location, job_id, services), images.JPEG
    wait = waits.park(services, WaitKind.INFERENCE, job_id, token)
    jobs.note(services, job_id, Progress(step="StartInference", links={"endpoint": endpoint}))
    try:
        response = services.sagemaker_runtime.invoke_endpoint_async(
            EndpointName=endpoint,
            InputLocation=location,
            InferenceId=job_id,
            ContentType=content_type,
            Accept="application/x-npy",
            InvocationTimeoutSeconds=INVOCATION_SECONDS,
            RequestTTLSeconds=TTL_SECONDS,
        )
    except ClientError as error:
        waits.forget(services, wait)
        if error_code(error) not in {"ValidationError", "ValidationException"}:
            raise
        raise _explain(endpoint, error, services) from error
    waits.note_locations(services, wait, response.get("OutputLocation"), response.get("FailureLocation"))


def _check_image(location: str, services: Services) -> str:
    """Returns the content type of the job's own copy of the image, read from its first bytes."""
    bucket, key = locations.split_uri(location)
    name = key.rsplit("/", 1)[-1]
    try:
        size = services.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        images.check_size(name, size)
        head = services.s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{images.HEAD_BYTES - 1}")
    except ClientError as error:
        if not is_no_object(error):
            raise
        raise ImageRejected(f"the image '{name}' is no longer in the bucket") from error
    return images.content_type(name, head["Body"].read())


def _explain(endpoint: str, error: ClientError, services: Services) -> EndpointNotFound | EndpointNotReady:
    """Returns why InvokeEndpointAsync refused: the runtime says only ValidationError, whatever is wrong with the
    endpoint.
    """
    state = endpoints.describe(services, endpoint)
    if state is None:
        return EndpointNotFound(f"the endpoint {endpoint} does not exist; train or publish its algorithm first")
    if state.at_rest:
        return EndpointNotReady(f"the endpoint {endpoint} refused the request: {error_message(error)}")
    return EndpointNotReady(f"the endpoint {endpoint} is {state.status}; try again when it is InService")


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one inference, as its SNS message tells it."""

    job_id: str
    resolution: Resolution


def read_message(message: Mapping[str, Any]) -> Answer:
    """Reads a message of the success or the error topic.

    https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html
    """
    job_id = str(message["inferenceId"])
    if message.get("invocationStatus") == "Completed":
        return Answer(job_id, completed(str(message["responseParameters"]["outputLocation"])))
    return Answer(job_id, failed(str(message.get("failureReason") or "")))


_REFUSED = re.compile(r"client error \((400|413|415|422)\)")
"""Statuses with which a model says that it is the photo, and not the model, with which something is wrong."""


def failed(told: str) -> Failed:
    """Returns the failure that SageMaker tells of: the same code for a photo whether we refuse it or the model does."""
    return Failed("ImageRejected" if _REFUSED.search(told) else "InferenceFailed", reason(told))


def completed(location: str) -> Succeeded:
    """Returns what the waiting state gets for a result at `location` (s3:// URI)."""
    bucket, key = locations.split_uri(location)
    return Succeeded({"output": {"bucket": bucket, "key": key}})


_WRAPPED = re.compile(r'with message "(.*)"(?:\. See .*|\.?\s*)$', re.DOTALL)


def reason(text: str) -> str:
    """Returns the container's own words out of a failure reason, e.g. `No face found in the photo`.

    SageMaker wraps them: `Received client error (400) from primary with message "No face found in the photo". See
    https://... for more information.` A container may itself answer JSON with a message or an error in it.
    """
    wrapped = _WRAPPED.search(text)
    inner = (wrapped.group(1) if wrapped else text).strip()
    return (_from_json(inner) or inner or "the model gave no answer and no reason")[:4000]


def _from_json(text: str) -> str | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return None
    told: Any = next((value[name] for name in ("message", "error", "detail", "errorMessage") if value.get(name)), None)
    if isinstance(told, dict):
        told = told.get("message")
    return str(told) if told else None


def track(message: Mapping[str, Any], services: Services) -> str:
    """Resolves the wait one message is about; returns a word for the log. SNS may deliver a message more than once."""
    end = read_message(message)
    about(end.job_id)
    wait = waits.get(services, WaitKind.INFERENCE, end.job_id)
    if wait is None:
        return "nobody waits"
    resolve(services, wait, end.resolution)
    return "resolved"


def resolve(services: Services, wait: Wait, resolution: Resolution) -> None:
    """Notes the progress, then answers the waiting state."""
    if isinstance(resolution, Succeeded):
        jobs.note(services, wait.job_id, Progress(step="SplitResult", done=frozenset({"StartInference"})))
    waits.resolve(services, wait, resolution)
