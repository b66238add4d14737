"""A Step Functions over a fake cloud: Logs and Lambda in memory, events recorded; reached as boto3 reaches it."""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config
from botocore.exceptions import ClientError

from local.stepfunctions.service import StepFunctions
from local.surroundings import Request

WAIT_SECONDS = 30
ROLE = "arn:aws:iam::000000000000:role/test"


class FakeLogs:
    def __init__(self, told: threading.Condition) -> None:
        self.groups: set[str] = set()
        self.lines: list[tuple[str, str, dict[str, Any]]] = []
        """(group, stream, event)."""
        self._told = told

    def describe_log_groups(self, *, logGroupNamePrefix: str) -> dict[str, Any]:  # noqa: N803
        return {"logGroups": [{"logGroupName": name} for name in self.groups if name.startswith(logGroupNamePrefix)]}

    def create_log_stream(self, **_: str) -> None:
        return

    def put_log_events(self, *, logGroupName: str, logStreamName: str, logEvents: list[dict[str, Any]]) -> None:  # noqa: N803
        with self._told:
            for event in logEvents:
                self.lines.append((logGroupName, logStreamName, json.loads(event["message"])))
            self._told.notify_all()


class FakeCloud:
    def __init__(self) -> None:
        self.told = threading.Condition()
        self.logs = FakeLogs(self.told)
        self.events: list[dict[str, Any]] = []
        self.refusing = False
        self.clients: dict[str, Any] = {"logs": self.logs}

    def client(self, service: str) -> Any:
        return self.clients[service]

    def emit(self, source: str, detail_type: str, detail: Mapping[str, object], resources: Sequence[str]) -> None:
        with self.told:
            if self.refusing:
                self.told.notify_all()
                raise RuntimeError("the bus is down")
            self.events.append(
                {"source": source, "detail-type": detail_type, "detail": dict(detail), "resources": list(resources)}
            )
            self.told.notify_all()

    def wait_for(self, ready: Callable[[], Any]) -> Any:
        with self.told:
            assert self.told.wait_for(ready, WAIT_SECONDS)
        return ready()


class Loop:
    """An event loop of its own thread, as a server has it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="test-loop", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(WAIT_SECONDS)
        self.loop.close()


def connect(service: StepFunctions, loop: Loop) -> Any:
    """A boto3 client whose requests go to `service` without a network."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    make: Any = session.client
    client = make(
        "stepfunctions",
        endpoint_url="http://local",
        config=Config(inject_host_prefix=False, parameter_validation=False, retries={"total_max_attempts": 1}),
    )

    def send(request: Any, **_: Any) -> AWSResponse:
        given = {k: v.decode() if isinstance(v, bytes) else v for k, v in request.headers.items()}
        status, headers, body = ask(service, loop, given, request.body)
        raw = SimpleNamespace(stream=lambda *_a, **_k: iter([body]))
        answered: Any = HeadersDict(headers)
        return AWSResponse(str(request.url), status, answered, raw)

    client.meta.events.register("before-send.sfn", send)
    return client


def ask(
    service: StepFunctions, loop: Loop, headers: Mapping[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    answer = service.handle(Request("POST", "/", headers, body, {}))
    return asyncio.run_coroutine_threadsafe(answer, loop.loop).result(WAIT_SECONDS)


def refusal(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    """(code, message) of the error that a call is answered with."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise AssertionError("it was not refused")


_END: Mapping[str, dict[str, Any]] = {"Fail": {}, "Succeed": {}}


def definition(*states: dict[str, Any], prefix: str = "S", **more: Any) -> str:
    """Of states one after the other."""
    names = [f"{prefix}{index}" for index in range(len(states))]
    linked = {
        name: {**state, **({"Next": following} if following else _END.get(state["Type"], {"End": True}))}
        for name, following, state in zip(names, [*names[1:], None], states, strict=True)
    }
    return json.dumps({"StartAt": names[0], "States": linked, **more})


PASS = definition({"Type": "Pass"})
ENDLESS = definition({"Type": "Wait", "Seconds": 99_999_999})
TOKEN_TASK = definition(
    {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": "q", "MessageBody": {"token.$": "$$.Task.Token"}},
    }
)
