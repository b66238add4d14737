"""What EventBridge and Scheduler may start: refused when it is put, or started when its time comes."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ministack import app as ministack_app
from ministack.services import eventbridge, scheduler
from ministack.services.cloudformation import provisioners

from local.ministack import schedules, starting, targets
from local.ministack.starting import Starts

ROLE = "arn:aws:iam::000000000000:role/r"
PIPELINE = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/training"
SERVED = [
    "arn:aws:lambda:us-east-1:000000000000:function:f",
    "arn:aws:sqs:us-east-1:000000000000:q",
    "arn:aws:sns:us-east-1:000000000000:t",
    "arn:aws:states:us-east-1:000000000000:stateMachine:m",
    "arn:aws:events:us-east-1:000000000000:event-bus/default",
    PIPELINE,
]
UNSERVED = [
    "arn:aws:ecs:us-east-1:000000000000:cluster/c",
    "arn:aws:kinesis:us-east-1:000000000000:stream/s",
    "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e",
    "nonsense",
]


class Client:
    """Every client of the local cloud; notes what is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.failures: list[ClientError] = []
        self.came = threading.Event()

    def __call__(self, service: str) -> Any:
        return _Service(self, service)


class _Service:
    def __init__(self, client: Client, name: str) -> None:
        self._client, self._name = client, name

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> dict[str, str]:
            self._client.asked.append((self._name, operation, request))
            if self._client.failures:
                raise self._client.failures.pop(0)
            self._client.came.set()
            return {"QueueUrl": "q"}

        return call


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    for module, names in (
        (eventbridge, ("_put_targets", "_invoke_target", "_dispatch_to_stepfunctions")),
        (scheduler, ("_create_schedule", "_update_schedule")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(provisioners, "_RESOURCE_HANDLERS", dict(provisioners._RESOURCE_HANDLERS))
    monkeypatch.setattr(ministack_app, "SERVICE_HANDLERS", {**ministack_app.SERVICE_HANDLERS, "sagemaker": None})
    monkeypatch.setattr(starting, "_FIRST_DELAY", 0.0)
    client = Client()
    targets.install()
    starts = Starts(lambda *_: {}, client)
    starts.install(eventbridge)
    yield client
    starts.close()
    scheduler.reset()
    eventbridge.reset()


def put(arn: str) -> tuple[int, dict[str, Any]]:
    eventbridge._ensure_default_bus()
    eventbridge._put_rule({"Name": "r", "EventPattern": '{"source": ["me"]}'})
    status, _, body = eventbridge._put_targets({"Rule": "r", "Targets": [{"Id": "1", "Arn": arn}]})
    return status, json.loads(body)


def schedule(arn: str, text: str = "{}") -> tuple[int, dict[str, Any]]:
    target = {"Arn": arn, "RoleArn": ROLE, "Input": text}
    window = {"Mode": "OFF"}
    request = {"ScheduleExpression": "at(2026-01-02T03:04:05)", "FlexibleTimeWindow": window, "Target": target}
    status, _, body = scheduler._create_schedule("s", request)
    return status, json.loads(body)


@pytest.mark.parametrize("arn", SERVED)
def test_what_can_be_started_is_taken(client: Client, arn: str) -> None:
    assert client is not None
    assert (put(arn)[0], schedule(arn)[0]) == (200, 200)


@pytest.mark.parametrize("arn", UNSERVED)
def test_what_cannot_be_started_is_refused_by_name_and_not_kept(client: Client, arn: str) -> None:
    assert client is not None
    for status, answer in (put(arn), schedule(arn)):
        said = json.dumps(answer)
        assert (status, "ValidationException" in said, arn in said) == (400, True, True)
    assert not list(scheduler._schedules._data)
    assert not any(eventbridge._targets.values())


@pytest.mark.parametrize(
    ("arn", "why"),
    [
        ("arn:aws:scheduler:::aws-sdk:sfn:startExecution", None),
        ("arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution", None),
        ("arn:aws:scheduler:::aws-sdk:s3:copyObject", None),
        ("arn:aws:scheduler:::aws-sdk:sqs:sendMessage", None),
        ("arn:aws:scheduler:::aws-sdk:sfn:listExecutions", "only read"),
        ("arn:aws:scheduler:::aws-sdk:sfn:shredExecution", "no operation shredExecution"),
        ("arn:aws:scheduler:::aws-sdk:redshift:pauseCluster", "does not serve redshift"),
        ("arn:aws:scheduler:::aws-sdk:nonsense:doIt", "does not serve nonsense"),
    ],
)
def test_a_universal_target_is_an_operation_of_this_cloud(client: Client, arn: str, why: str | None) -> None:
    assert client is not None
    status, answer = schedule(arn)
    assert status == (200 if why is None else 400)
    assert why is None or why in answer["Message"]
    # A rule has none of these.
    assert put(arn)[0] == 400


def test_a_stack_with_such_a_target_is_refused(client: Client) -> None:
    assert client is not None
    target = {"Id": "1", "Arn": UNSERVED[0], "RoleArn": ROLE}
    for kind, properties in (
        ("AWS::Events::Rule", {"Targets": [target]}),
        ("AWS::Scheduler::Schedule", {"Target": target}),
    ):
        handler = provisioners._RESOURCE_HANDLERS[kind]
        with pytest.raises(ValueError, match="cannot start a target of ecs"):
            handler["create"]("R", properties, "stack")
        with pytest.raises(ValueError, match="cannot start a target of ecs"):
            handler["update"]("R", {}, properties, "stack")


def invoke(target: dict[str, Any], rule: dict[str, Any] | None = None, **event: Any) -> None:
    told = {"EventId": "e1", "Source": "me", "DetailType": "t", "Detail": "{}", "Time": 1767323050.5, **event}
    eventbridge._invoke_target({"Id": "1", **target}, told, rule or {"Arn": "rule", "Name": "r"})


def test_a_rule_starts_a_pipeline_with_what_the_event_says(client: Client) -> None:
    listed = [{"Name": "Key", "Value": "$.detail.object.key"}, {"Name": "Fixed", "Value": "1"}]
    parameters = {"PipelineParameterList": listed}
    detail = json.dumps({"object": {"key": "faces/a.png"}})
    invoke({"Arn": PIPELINE, "SageMakerPipelineParameters": parameters}, Detail=detail)
    assert client.came.wait(10)
    ((service, operation, request),) = client.asked
    assert (service, operation, request["PipelineName"]) == ("sagemaker", "start_pipeline_execution", "training")
    assert request["PipelineParameters"] == [{"Name": "Key", "Value": "faces/a.png"}, {"Name": "Fixed", "Value": "1"}]


def test_a_start_that_fails_in_passing_is_the_same_start_again(client: Client) -> None:
    passing = {"Error": {"Code": "ServiceUnavailable"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
    client.failures.append(ClientError(passing, "StartPipelineExecution"))  # type: ignore[arg-type]
    invoke({"Arn": PIPELINE})
    assert client.came.wait(10)
    first, second = client.asked
    assert first == second


def test_a_start_that_is_refused_goes_to_the_dead_letter_queue(client: Client) -> None:
    final = {"Error": {"Code": "ResourceNotFound"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    client.failures.append(ClientError(final, "StartPipelineExecution"))  # type: ignore[arg-type]
    invoke({"Arn": PIPELINE, "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:000000000000:dlq"}})
    deadline = time.monotonic() + 10
    while len(client.asked) < 3 and time.monotonic() < deadline:
        client.came.wait(0.01)
    assert [operation for _, operation, _ in client.asked] == [
        "start_pipeline_execution",
        "get_queue_url",
        "send_message",
    ]


@pytest.mark.parametrize("capital", [True, False])
def test_a_universal_target_is_called_with_its_input(client: Client, capital: bool) -> None:
    names = ("StateMachineArn", "Input") if capital else ("stateMachineArn", "input")
    text = json.dumps(dict(zip(names, ("m", '{"A": 1}'), strict=True)))
    invoke({"Arn": "arn:aws:scheduler:::aws-sdk:sfn:startExecution", "Input": text})
    assert client.came.wait(10)
    assert client.asked == [("stepfunctions", "start_execution", {"stateMachineArn": "m", "input": '{"A": 1}'})]


def test_an_input_tells_when_its_schedule_was_due(client: Client) -> None:
    names = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
    text = json.dumps({"QueueUrl": "q", "MessageBody": " ".join(f"<aws.scheduler.{name}>" for name in names)})
    target = {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "Input": text}
    # Noticed at 03:04:10.
    invoke(target, {"Arn": "s", "Target": target, schedules.DUE: 1767323040.0}, Source="aws.scheduler")
    assert client.came.wait(10)
    ((_, _, request),) = client.asked
    assert request["MessageBody"] == "s 2026-01-02T03:04:00Z e1 1"


def test_the_private_names_are_there() -> None:
    for kind in ("AWS::Events::Rule", "AWS::Scheduler::Schedule"):
        assert {"create", "update"} <= provisioners._RESOURCE_HANDLERS[kind].keys()
