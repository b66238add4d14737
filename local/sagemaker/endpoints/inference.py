"""One asynchronous inference: its input from S3, its answer to S3, its message to SNS."""

import base64
import io
import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from typing import IO, Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Document
from local.sagemaker.endpoints import failures, messages
from local.sagemaker.endpoints.headers import ATTRIBUTES, PREFIX
from local.sagemaker.endpoints.instance import Ask, Unanswered
from local.sagemaker.endpoints.traffic import Route
from local.sagemaker.machine import storage
from local.sagemaker.machine.machine import Machine
from local.sagemaker.machine.metrics import Metrics
from local.sagemaker.wire.errors import ApiError, StorageError, WorkFailed
from local.store import now

logger = logging.getLogger(__name__)

_TTL_SECONDS = 21_600
_TIMEOUT_SECONDS = 900
_IN_MEMORY = 8 << 20
_CHUNK = 1 << 20
_SUCCESS, _ERROR = "SUCCESS_NOTIFICATION_TOPIC", "ERROR_NOTIFICATION_TOPIC"

Place = Callable[[], Any]
"""A context manager that waits for the request's turn at a container and gives a Route."""


class Failed(Exception):
    """A request came to nothing; `reason` as its message carries it, `body` what the container said."""

    def __init__(self, reason: str, body: bytes = b"") -> None:
        super().__init__(reason)
        self.reason = reason
        self.body = body


class Inference:
    """To be run once; again after a crash, which writes the same objects again."""

    def __init__(self, machine: Machine, endpoint: str, request: Document, config: Document) -> None:
        self._machine = machine
        self._endpoint = endpoint
        self._request = request
        self._output: Document = config["OutputConfig"]
        self._metrics = Metrics(machine.meter, endpoint)

    def run(self, place: Place, stopping: threading.Event) -> bool:
        """Answers whether it is done: what a stop of the cloud interrupts is not."""
        begun = time.perf_counter()
        try:
            self._run(place)
        except Exception as error:
            if stopping.is_set():
                # Its container, or the interpreter, was stopped under it; it stays stored and runs again.
                return False
            if not isinstance(error, Failed):
                logger.exception("asynchronous inference %s", self._request["InferenceId"])
            self._fail(error)
        self._metrics.endpoint({"InvocationsProcessed": 1.0})
        self._metrics.endpoint({"TotalProcessingTime": (time.perf_counter() - begun) * 1e3}, "Milliseconds")
        return True

    def _run(self, place: Place) -> None:
        """Raises Failed."""
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as body, tempfile.SpooledTemporaryFile(_IN_MEMORY) as sink:
            # Fetched while those before it are at the container.
            self._check_age()
            content_type = self._fetch(body)
            with place() as route:
                self._check_age()
                answered = self._ask(route, content_type, body, sink)
            kind = answered.get("content-type", "text/plain")
            if "OutputLocation" in self._request:
                self._store(self._request["OutputLocation"], sink, kind)
            told = self._carried(_SUCCESS, sink)
        region = self._machine.settings.region
        self._notify("SuccessTopic", messages.succeeded(region, self._endpoint, self._request, kind, told))

    def _check_age(self) -> None:
        waited, ttl = now() - self._request["ReceivedTime"], self._request.get("RequestTTLSeconds", _TTL_SECONDS)
        if waited > ttl:
            self._metrics.endpoint({"ExpiredRequests": 1.0})
            raise Failed(f"ClientError: The request expired: it was not started within {ttl} seconds.")

    def _fetch(self, body: IO[bytes]) -> str:
        request = self._request
        stored: dict[str, Any] = {}
        if "InputLocation" not in request:
            body.write(base64.b64decode(request["_Body"]))
        else:
            try:
                bucket, key = storage.split(request["InputLocation"])
                stored = self._machine.s3.get_object(Bucket=bucket, Key=key)
                while chunk := stored["Body"].read(_CHUNK):
                    body.write(chunk)
            except (StorageError, ClientError, BotoCoreError) as error:
                raise Failed(f"ClientError: Unable to read the input {request['InputLocation']}: {error}") from error
        body.seek(0)
        return str(request.get("ContentType") or stored.get("ContentType") or "application/octet-stream")

    def _ask(self, route: Route, content_type: str, body: IO[bytes], sink: IO[bytes]) -> Any:
        request = self._request
        headers = {"content-type": content_type, f"{PREFIX}inference-id": request["InferenceId"]}
        for member, header in (("Accept", "accept"), ("CustomAttributes", ATTRIBUTES)):
            if member in request:
                headers[header] = request[member]
        seconds = request.get("InvocationTimeoutSeconds", _TIMEOUT_SECONDS)
        self._metrics.endpoint({"TimeInBacklog": (now() - request["ReceivedTime"]) * 1e3}, "Milliseconds")
        with self._metrics.timed(route.variant.name, route.variant.count, counted=False) as timed:
            try:
                reply = route.instance.ask(Ask(headers, body, float(seconds)))
                timed.status = reply.status
                try:
                    if not reply.ok:
                        said = failures.said(reply)
                        reason = failures.received(reply.status, reply.hostname, said)
                        raise Failed(f"ClientError: {reason}", said.encode())
                    reply.read_into(sink)
                finally:
                    reply.close()
            except Unanswered as error:
                timed.status = 0
                status, message = failures.reason(error)
                raise Failed(f"ClientError: {failures.received(status, error.hostname, message)}") from error
            return reply.headers

    def _store(self, uri: str, content: IO[bytes], content_type: str) -> None:
        try:
            bucket, key = storage.split(uri)
            self._upload(content, bucket, key, content_type)
        except (StorageError, ClientError, BotoCoreError, Boto3Error, RuntimeError) as error:
            # RuntimeError: boto3 uploads in threads, and an interpreter that is ending starts none.
            raise Failed(f"ClientError: Unable to write the output {uri}: {error}") from error

    def _upload(self, content: IO[bytes], bucket: str, key: str, content_type: str) -> None:
        content.seek(0, io.SEEK_END)
        small = content.tell() <= _IN_MEMORY
        content.seek(0)
        if small:
            # One request; upload_fileobj starts threads for it.
            self._machine.s3.put_object(Bucket=bucket, Key=key, Body=content.read(), ContentType=content_type)
        else:
            self._machine.s3.upload_fileobj(content, bucket, key, ExtraArgs={"ContentType": content_type})

    def _fail(self, error: Exception) -> None:
        reason, body = _said(error)
        self._metrics.endpoint({"InvocationFailures": 1.0})
        request = self._request
        if "FailureLocation" in request:
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as content:
                content.write(reason.encode())
                content.seek(0)
                try:
                    self._store(request["FailureLocation"], content, "text/plain")
                except Failed as failure:
                    logger.warning("%s", failure.reason)
        told = body if _ERROR in self._included else None
        region = self._machine.settings.region
        self._notify("ErrorTopic", messages.failed(region, self._endpoint, request, reason, told))

    @property
    def _included(self) -> list[str]:
        included: list[str] = self._output.get("NotificationConfig", {}).get("IncludeInferenceResponseIn", [])
        return included

    def _carried(self, topic: str, content: IO[bytes]) -> bytes | None:
        """Returns the response as far as a message may carry it; None where it is not to."""
        if topic not in self._included:
            return None
        content.seek(0)
        return content.read(messages.MAX_RESPONSE + 1)

    def _notify(self, topic: str, message: Document) -> None:
        arn = self._output.get("NotificationConfig", {}).get(topic)
        if arn is None:
            return
        try:
            self._machine.cloud.client("sns").publish(TopicArn=arn, Message=json.dumps(message))
        except (ClientError, BotoCoreError) as error:
            # As on AWS the result stands in S3 whether or not its message can be delivered.
            logger.warning("the message of inference %s was not taken by %s: %s", message["inferenceId"], arn, error)


def _said(error: Exception) -> tuple[str, bytes]:
    match error:
        case Failed():
            return error.reason, error.body
        case WorkFailed() | ApiError():
            return f"InternalServerError: {error}", b""
        case _:
            return f"InternalServerError: {type(error).__name__}: {error}", b""
