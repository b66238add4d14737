"""InvokeEndpointAsync: a durable queue per endpoint, and the workers that empty it.

A request is stored before it is acknowledged and forgotten after its result and its message are out. A crash in
between runs it again, which writes the same objects again: at least once, as on AWS.
"""

import contextlib
import json
import logging
import queue
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker import storage
from local.sagemaker.context import Context
from local.sagemaker.endpoints import invoke
from local.sagemaker.endpoints.http import Answer, NoAnswer, TooLate
from local.sagemaker.errors import EndpointValidationError, StorageError
from local.store import Document, StoreClosed, now

if TYPE_CHECKING:
    from local.sagemaker.endpoints.fleet import Deployment

logger = logging.getLogger(__name__)

_KIND = "inference-request"
_DEFAULT_CONCURRENCY = 4
_DEFAULT_TTL_SECONDS = 21_600
_DEFAULT_TIMEOUT_SECONDS = 900
_IN_MEMORY = 8 << 20
_PREFIX = "X-Amzn-SageMaker-"
_STOP = ""


def invoke_async(context: Context, name: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Answers 202 once the request is stored. Raises EndpointValidationError."""
    request = invoke.check("InvokeEndpointAsync", name, headers)
    document = invoke.endpoint(context, name)
    config = document.get("AsyncInferenceConfig")
    if config is None and document["EndpointStatus"] == "InService":
        raise EndpointValidationError(f"Endpoint {name} of account {context.settings.account} is not asynchronous.")
    if config is None:
        raise invoke.not_in_service(context, document)
    if not request.get("InputLocation", "").startswith("s3://"):
        raise EndpointValidationError("InputLocation must be an S3 location (s3://bucket/key).")
    output = config["OutputConfig"]
    unique = str(uuid.uuid4())
    # One given name decides both objects; without one the name is AWS's: a fresh identity, not the InferenceId.
    file = request.get("Filename", f"{unique}.out")
    extension = request.get("S3OutputPathExtension", "")
    stored: Document = {
        **request,
        "InferenceId": request.get("InferenceId", unique),
        "OutputLocation": _located(output.get("S3OutputPath", ""), extension, file),
        "ReceivedTime": now(),
    }
    answer = {f"{_PREFIX}OutputLocation": stored["OutputLocation"], "Content-Type": "application/json"}
    if "S3FailurePath" in output:
        failed = request.get("Filename", f"{unique}-error.out")
        stored["FailureLocation"] = _located(output["S3FailurePath"], extension, failed)
        answer[f"{_PREFIX}FailureLocation"] = stored["FailureLocation"]
    # Stored before the queue is looked for: one that is being made now reads it from the store.
    context.store.insert(_KIND, f"{name}/{unique}", stored)
    pending = context.endpoints.queue(name)
    if pending is not None:
        pending.add(f"{name}/{unique}")
    return 202, answer, json.dumps({"InferenceId": stored["InferenceId"]}).encode()


def _located(path: str, extension: str, file: str) -> str:
    return storage.joined(path, *([extension] if extension else []), file)


class _Failed(Exception):
    """A request came to nothing; `reason` as the error message carries it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class AsyncQueue:
    """One endpoint's backlog and its workers."""

    def __init__(self, context: Context, name: str) -> None:
        self._context = context
        self._name = name
        self._pending: queue.Queue[str] = queue.Queue()
        self._known: set[str] = set()
        self._lock = threading.Lock()
        self._workers = 0
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._deployment: Deployment | None = None
        for key, _ in context.store.items(_KIND, f"{name}/"):
            self.add(key)

    def add(self, key: str) -> None:
        # A request stored while this queue was being made is seen twice, and taken once.
        with self._lock:
            if key not in self._known:
                self._known.add(key)
                self._pending.put(key)

    def serve(self, deployment: "Deployment", instances: int) -> None:
        """Send requests to `deployment` from now on, with as many workers as it asks for."""
        client = deployment.config["AsyncInferenceConfig"].get("ClientConfig", {})
        wanted = instances * client.get("MaxConcurrentInvocationsPerInstance", _DEFAULT_CONCURRENCY)
        self._deployment = deployment
        for _ in range(wanted - self._workers):
            thread = threading.Thread(target=self._work, name=f"async-{self._name}", daemon=True)
            self._threads.append(thread)
            thread.start()
        for _ in range(self._workers - wanted):
            self._pending.put(_STOP)
        self._workers = wanted

    def stop(self) -> None:
        """Workers leave after the request they are at; the rest stays stored."""
        self._stopping.set()
        while True:
            try:
                self._pending.get_nowait()
            except queue.Empty:
                break
        for _ in range(self._workers):
            self._pending.put(_STOP)
        self._workers = 0

    def join(self, deadline: float) -> None:
        """After `stop`: until the workers have left, or it is `deadline` (time.monotonic)."""
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def forget(self) -> None:
        """The endpoint is deleted, and its backlog with it."""
        for key, _ in self._context.store.items(_KIND, f"{self._name}/"):
            self._context.store.delete(_KIND, key)

    def _work(self) -> None:
        # A store that is closed has the request still: it runs again after the restart.
        with contextlib.suppress(StoreClosed):
            while (key := self._pending.get()) and not self._stopping.is_set():
                self._take(key)

    def _take(self, key: str) -> None:
        request = self._context.store.get(_KIND, key)
        if request is None:
            return
        try:
            self._run(request)
        except Exception as error:
            if self._stopping.is_set():
                # Its container, or the interpreter, was stopped under it; it stays stored and runs again.
                return
            if not isinstance(error, _Failed):
                logger.exception("asynchronous inference %s", key)
            self._fail(request, _reason(error))
        self._context.store.delete(_KIND, key)
        with self._lock:
            self._known.discard(key)

    def _run(self, request: Document) -> None:
        """Raises _Failed."""
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as body, tempfile.SpooledTemporaryFile(_IN_MEMORY) as sink:
            content_type = self._fetch(request, body)
            answer = self._ask(request, content_type, body, sink)
            self._store(request["OutputLocation"], sink, answer.headers.get("content-type", "text/plain"))
        self._notify(request, "SuccessTopic", self._succeeded(request, answer))

    def _fetch(self, request: Document, body: IO[bytes]) -> str:
        ttl = request.get("RequestTTLSeconds", _DEFAULT_TTL_SECONDS)
        if now() - request["ReceivedTime"] > ttl:
            raise _Failed(f"ClientError: The request expired: it was not started within {ttl} seconds.")
        try:
            bucket, key = storage.split(request["InputLocation"])
            found = self._context.s3.get_object(Bucket=bucket, Key=key)
            while chunk := found["Body"].read(1 << 20):
                body.write(chunk)
        except (StorageError, ClientError, BotoCoreError) as error:
            raise _Failed(f"ClientError: Unable to read the input {request['InputLocation']}: {error}") from error
        body.seek(0)
        return str(request.get("ContentType") or found.get("ContentType") or "application/octet-stream")

    def _ask(self, request: Document, content_type: str, body: IO[bytes], sink: IO[bytes]) -> Answer:
        seconds = request.get("InvocationTimeoutSeconds", _DEFAULT_TIMEOUT_SECONDS)
        headers = {"Content-Type": content_type, f"{_PREFIX}Inference-Id": request["InferenceId"]}
        for member, header in (("Accept", "Accept"), ("CustomAttributes", f"{_PREFIX}Custom-Attributes")):
            if member in request:
                headers[header] = request[member]
        deployment = self._deployment
        variant = deployment.pick(None) if deployment is not None else None
        if variant is None:
            raise _Failed("InternalServerError: the endpoint serves no variant")
        try:
            answer = variant.pick().invoke(headers, body, sink, seconds)
        except TooLate as error:
            late = f"the container did not answer within InvocationTimeoutSeconds ({seconds})"
            raise _Failed(f"ClientError: {invoke.received(0, late)}") from error
        except NoAnswer as error:
            raise _Failed(f"ClientError: {invoke.received(0, str(error))}") from error
        sink.seek(0)
        if not 200 <= answer.status < 300:
            said = sink.read(4096).decode("utf-8", "replace")
            raise _Failed(f"ClientError: {invoke.received(answer.status, said)}")
        return answer

    def _store(self, uri: str, content: IO[bytes], content_type: str) -> None:
        try:
            bucket, key = storage.split(uri)
            self._context.s3.upload_fileobj(content, bucket, key, ExtraArgs={"ContentType": content_type})
        except (StorageError, ClientError, BotoCoreError, Boto3Error, RuntimeError) as error:
            # RuntimeError: boto3 uploads in threads, and an interpreter that is ending starts none.
            raise _Failed(f"ClientError: Unable to write the output {uri}: {error}") from error

    def _fail(self, request: Document, reason: str) -> None:
        if "FailureLocation" in request:
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as content:
                content.write(reason.encode())
                content.seek(0)
                try:
                    self._store(request["FailureLocation"], content, "text/plain")
                except _Failed as failure:
                    logger.warning("%s", failure.reason)
        message = {"failureReason": reason, **self._message(request, "Failed")}
        self._notify(request, "ErrorTopic", message)

    def _succeeded(self, request: Document, answer: Answer) -> Document:
        return {
            **self._message(request, "Completed"),
            "responseParameters": {
                "contentType": answer.headers.get("content-type", "text/plain"),
                "outputLocation": request["OutputLocation"],
            },
        }

    def _message(self, request: Document, status: str) -> Document:
        """What success and error messages share."""
        asked = {
            "accept": request.get("Accept"),
            "contentType": request.get("ContentType"),
            "customAttributes": request.get("CustomAttributes"),
            "endpointName": self._name,
            "inputLocation": request["InputLocation"],
        }
        return {
            "awsRegion": self._context.settings.region,
            "eventTime": _iso(now()),
            "receivedTime": _iso(request["ReceivedTime"]),
            "invocationStatus": status,
            "requestParameters": {name: value for name, value in asked.items() if value is not None},
            "inferenceId": request["InferenceId"],
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
        }

    def _notify(self, request: Document, topic: str, message: Document) -> None:
        config = (self._deployment.config if self._deployment is not None else {}).get("AsyncInferenceConfig", {})
        arn = config.get("OutputConfig", {}).get("NotificationConfig", {}).get(topic)
        if arn is None:
            return
        try:
            self._context.cloud.client("sns").publish(TopicArn=arn, Message=json.dumps(message))
        except (ClientError, BotoCoreError) as error:
            # As on AWS the result stands in S3 whether or not its message can be delivered.
            logger.warning("the message of inference %s was not taken by %s: %s", request["InferenceId"], arn, error)


def _reason(error: Exception) -> str:
    return error.reason if isinstance(error, _Failed) else f"InternalServerError: {type(error).__name__}: {error}"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
