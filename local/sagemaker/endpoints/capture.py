"""DataCaptureConfig: a part of an endpoint's requests and answers, as JSON lines in S3.

Source: "Capture data from real-time endpoint" in the SageMaker developer guide.
"""

import base64
import io
import json
import logging
import random
import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Document
from local.sagemaker.machine import storage
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire.errors import StorageError
from local.shipping import BatchShipper
from local.store import now

logger = logging.getLogger(__name__)

_BATCH_SECONDS = 1.0
_JSON_LINES = "application/jsonlines"


class Capture:
    """What is captured of all endpoints and not yet in S3."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._lock = threading.Lock()
        self._lines: dict[tuple[str, str, str], list[str]] = {}
        pause = _BATCH_SECONDS * machine.settings.hosting.clock.pace
        self._shipper = BatchShipper("endpoint-capture", self._store_all, pause)
        self.stop = self._shipper.stop

    def add(
        self,
        config: Document,
        endpoint: str,
        variant: str,
        request: tuple[Mapping[str, str], bytes],
        response: tuple[Mapping[str, str], bytes],
    ) -> None:
        """Keeps one invocation as often as `config` says: names of headers in small letters, and bodies."""
        if not config.get("EnableCapture", True) or random.random() * 100 >= config["InitialSamplingPercentage"]:
            return
        text = json.dumps(line(config, request, response, str(uuid.uuid4())), separators=(",", ":"))
        with self._lock:
            self._lines.setdefault((config["DestinationS3Uri"], endpoint, variant), []).append(text)
        # Few endpoints capture: the thread is there once one does.
        self._shipper.start()
        self._shipper.wake()

    def _store_all(self) -> None:
        with self._lock:
            batches, self._lines = self._lines, {}
        for (destination, endpoint, variant), lines in batches.items():
            self._store(destination, endpoint, variant, lines)

    def _store(self, destination: str, endpoint: str, variant: str, lines: list[str]) -> None:
        at = datetime.now(UTC)
        name = f"{at:%M-%S}-{at.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        uri = storage.joined(destination, endpoint, variant, f"{at:%Y/%m/%d/%H}", name)
        content = io.BytesIO("".join(f"{text}\n" for text in lines).encode())
        try:
            bucket, key = storage.split(uri)
            self._machine.s3.upload_fileobj(content, bucket, key, ExtraArgs={"ContentType": _JSON_LINES})
        except (StorageError, ClientError, BotoCoreError, Boto3Error, RuntimeError) as error:
            logger.warning("captured data cannot be written to %s: %s", uri, error)


def line(
    config: Document,
    request: tuple[Mapping[str, str], bytes],
    response: tuple[Mapping[str, str], bytes],
    identity: str,
) -> Document:
    """Returns the line of one captured invocation."""
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    data: Document = {}
    for member, mode, (headers, body) in (("endpointInput", "INPUT", request), ("endpointOutput", "OUTPUT", response)):
        if modes & {mode.title(), "InputAndOutput"}:
            content_type = headers.get("content-type", "application/octet-stream")
            data[member] = {"observedContentType": content_type, "mode": mode, **_encoded(config, content_type, body)}
    metadata: Document = {"eventId": identity}
    asked = request[0]
    if "x-amzn-sagemaker-custom-attributes" in asked:
        metadata["customAttributes"] = [asked["x-amzn-sagemaker-custom-attributes"]]
    if "x-amzn-sagemaker-inference-id" in asked:
        metadata["inferenceId"] = asked["x-amzn-sagemaker-inference-id"]
    metadata["inferenceTime"] = datetime.fromtimestamp(now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}


def _encoded(config: Document, content_type: str, body: bytes) -> Document:
    """Returns the body as text for the types that the configuration names, in base64 for all others."""
    types = config.get("CaptureContentTypeHeader", {})
    base = content_type.partition(";")[0].strip().lower()
    for encoding, member in (("CSV", "CsvContentTypes"), ("JSON", "JsonContentTypes")):
        if base in (named.lower() for named in types.get(member, ())):
            return {"data": body.decode("utf-8", "replace"), "encoding": encoding}
    return {"data": base64.b64encode(body).decode(), "encoding": "BASE64"}
