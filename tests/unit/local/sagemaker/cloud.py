"""The cloud around the SageMaker under test: S3, Logs, SNS and Lambda in memory, events recorded; and containers."""

import asyncio
import io
import json
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import boto3
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config
from botocore.exceptions import ClientError

from local.sagemaker.service import SageMaker
from local.surroundings import Request

# Bounds of a test, not waits: a healthy run takes a hundredth of it.
WAIT_SECONDS = 240.0
REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
ROLE = "arn:aws:iam::000000000000:role/test"


class FakeS3:
    """The methods that SageMaker uses, over a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.types: dict[tuple[str, str], str] = {}
        self.meta = SimpleNamespace(endpoint_url="http://127.0.0.1:1")
        self.uploaded: list[str] = []
        self._awaited: dict[str, threading.Event] = {}

    def told(self, uri: str) -> threading.Event:
        """Set once a file is uploaded there."""
        return self._awaited.setdefault(uri, threading.Event())

    def put(self, uri: str, content: bytes | str) -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.objects[bucket, key] = content.encode() if isinstance(content, str) else content

    def text(self, uri: str) -> str:
        return self.content(uri).decode()

    def content(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return self.objects[bucket, key]

    def keys(self, prefix: str = "") -> list[str]:
        return sorted(f"s3://{b}/{k}" for b, k in self.objects if f"s3://{b}/{k}".startswith(prefix))

    def list_objects_v2(self, *, Bucket: str, Prefix: str, **more: str) -> dict[str, Any]:  # noqa: N803
        found = sorted(k for b, k in self.objects if b == Bucket and k.startswith(Prefix))
        start = int(more.get("ContinuationToken", 0))
        page = {"Contents": [{"Key": key} for key in found[start : start + 2]], "IsTruncated": start + 2 < len(found)}
        return {**page, "NextContinuationToken": str(start + 2)}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if (Bucket, Key) not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "The key does not exist."}}, "GetObject")
        content_type = self.types.get((Bucket, Key), "binary/octet-stream")
        return {"Body": io.BytesIO(self.objects[Bucket, Key]), "ContentType": content_type}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803
        self.objects[Bucket, Key] = Body
        self.types[Bucket, Key] = ContentType

    def upload_file(self, path: str, bucket: str, key: str) -> None:
        self.objects[bucket, key] = Path(path).read_bytes()
        uri = f"s3://{bucket}/{key}"
        self.uploaded.append(uri)
        if uri in self._awaited:
            self._awaited[uri].set()

    def upload_fileobj(self, file: IO[bytes], bucket: str, key: str, ExtraArgs: dict[str, str]) -> None:  # noqa: N803
        self.objects[bucket, key] = file.read()
        self.types[bucket, key] = ExtraArgs["ContentType"]


class FakeLogs:
    def __init__(self, told: threading.Condition) -> None:
        self.told = told
        self.streams: dict[tuple[str, str], list[str]] = {}

    def create_log_group(self, **_: str) -> None:
        return

    def create_log_stream(self, **_: str) -> None:
        return

    def put_log_events(self, *, logGroupName: str, logStreamName: str, logEvents: list[dict[str, Any]]) -> None:  # noqa: N803
        with self.told:
            lines = self.streams.setdefault((logGroupName, logStreamName), [])
            lines.extend(event["message"] for event in logEvents)
            self.told.notify_all()

    def all_lines(self) -> list[str]:
        return [line for lines in self.streams.values() for line in lines]

    def lines(self, group: str, prefix: str = "") -> list[str]:
        return [line for (g, s), lines in self.streams.items() if g == group and s.startswith(prefix) for line in lines]


class FakeCloudWatch:
    """Metrics as they were put, and alarms whose state a test sets."""

    def __init__(self, told: threading.Condition) -> None:
        self.told = told
        self.metrics: list[dict[str, Any]] = []
        self.alarms: dict[str, str] = {}

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> None:  # noqa: N803
        with self.told:
            self.metrics += [{"Namespace": Namespace, **datum} for datum in MetricData]
            self.told.notify_all()

    def describe_alarms(self, *, AlarmNames: list[str], **_: object) -> dict[str, Any]:  # noqa: N803
        states = [{"AlarmName": name, "StateValue": self.alarms.get(name, "OK")} for name in AlarmNames]
        return {"MetricAlarms": states}


@dataclass
class Event:
    detail_type: str
    detail: Mapping[str, Any]
    resources: Sequence[str]


@dataclass
class FakeCloud:
    """Everything that was sent can be waited for; nothing is polled."""

    s3: FakeS3 = field(default_factory=FakeS3)
    functions: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    told: threading.Condition = field(default_factory=threading.Condition)
    logs: FakeLogs = field(init=False)
    cloudwatch: FakeCloudWatch = field(init=False)

    def __post_init__(self) -> None:
        self.logs = FakeLogs(self.told)
        self.cloudwatch = FakeCloudWatch(self.told)

    def client(self, service: str) -> Any:
        clients: dict[str, Any] = {
            "s3": self.s3,
            "logs": self.logs,
            "cloudwatch": self.cloudwatch,
            "sns": SimpleNamespace(publish=self._publish),
            "lambda": SimpleNamespace(invoke=self._invoke),
            "sqs": SimpleNamespace(send_message=self._send),
        }
        return clients[service]

    def emit(self, source: str, detail_type: str, detail: Mapping[str, object], resources: Sequence[str]) -> None:
        assert source == "aws.sagemaker"
        with self.told:
            self.events.append(Event(detail_type, json.loads(json.dumps(detail)), resources))
            self.told.notify_all()

    def await_event(self, fits: Callable[[Event], bool]) -> Event:
        event: Event = self._await(self.events, fits)
        return event

    def await_message(self, fits: Callable[[tuple[str, dict[str, Any]]], bool]) -> dict[str, Any]:
        message: tuple[str, dict[str, Any]] = self._await(self.messages, fits)
        return message[1]

    def await_line(self, line: str) -> None:
        """Until a container's output with that line is at CloudWatch."""
        with self.told:
            assert self.told.wait_for(lambda: line in self.logs.all_lines(), WAIT_SECONDS), self.logs.streams

    def _await(self, things: list[Any], fits: Callable[[Any], bool]) -> Any:
        with self.told:
            found = self.told.wait_for(lambda: next((x for x in things if fits(x)), None), WAIT_SECONDS)
        assert found is not None, things[-5:]
        return found

    def _publish(self, *, TopicArn: str, Message: str) -> None:  # noqa: N803
        with self.told:
            self.messages.append((TopicArn, json.loads(Message)))
            self.told.notify_all()

    def _send(self, *, QueueUrl: str, MessageBody: str) -> None:  # noqa: N803
        self._publish(TopicArn=QueueUrl, Message=MessageBody)

    def _invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        try:
            answer = self.functions[FunctionName](json.loads(Payload))
        except ValueError as error:
            failure = {"errorType": "ValueError", "errorMessage": str(error)}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(failure).encode())}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


def connect(service: SageMaker, name: str = "sagemaker", user_agent: str = "") -> Any:
    """A real boto3 client whose requests go to `service` without a network. `user_agent` is added to its own."""
    make: Any = boto3.client
    client = make(
        name,
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            retries={"total_max_attempts": 1}, parameter_validation=False, user_agent_extra=user_agent or None
        ),
    )

    def send(request: Any, **_: object) -> AWSResponse:
        url = str(request.url)
        path = url.removeprefix("http://127.0.0.1:1")
        headers = {k: v.decode() if isinstance(v, bytes) else v for k, v in request.headers.items()}
        given: Any = request.body
        content = given.encode() if isinstance(given, str) else bytes(given or b"")
        status, fields, answer = asyncio.run(service.handle(Request(str(request.method), path, headers, content, {})))
        raw = SimpleNamespace(stream=lambda *_a, **_k: iter([answer]), read=io.BytesIO(answer).read, close=lambda: None)
        given_headers: Any = HeadersDict(fields)
        return AWSResponse(url, status, given_headers, raw)

    client.meta.events.register("before-send", send)
    return client


def container(folder: Path, **commands: str) -> Path:
    """A container folder with empty requirements whose commands are these scripts (`#!` line included)."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "requirements.txt").write_text("")
    for name, script in commands.items():
        file = folder / "bin" / name
        file.write_text(script)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return folder


def image(name: str) -> str:
    return f"{REGISTRY}/headrace/{name}:latest"
