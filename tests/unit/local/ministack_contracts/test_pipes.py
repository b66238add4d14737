"""Pipes from queues and streams to what users name, with MiniStack's API and CloudFormation in front."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ministack.services import dynamodb
from ministack.services import pipes as service
from ministack.services.cloudformation import provisioners

from local.ministack import pipes

QUEUE = "arn:aws:sqs:us-east-1:000000000000:orders"
STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-12-01T00:00:00.000"
MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
TOPIC = "arn:aws:sns:us-east-1:000000000000:t"
ROLE = "arn:aws:iam::000000000000:role/r"


class Cloud:
    """Every client: a queue whose messages go when they are deleted, and targets that note what came."""

    def __init__(self) -> None:
        self.messages: dict[str, str] = {}
        self.came: list[tuple[str, Any]] = []
        self.refuse: set[str] = set()
        self.answer: Any = None
        self.hidden: set[str] = set()

    def __call__(self, _: str) -> "Cloud":
        return self

    def get_queue_url(self, QueueName: str, **_: Any) -> dict[str, str]:  # noqa: N803
        return {"QueueUrl": QueueName}

    def receive_message(self, MaxNumberOfMessages: int, **_: Any) -> dict[str, Any]:  # noqa: N803
        handles = [handle for handle in self.messages if handle not in self.hidden][:MaxNumberOfMessages]
        self.hidden.update(handles)
        attributes = {
            "kind": {"StringValue": "x", "DataType": "String"},
            "raw": {"BinaryValue": b"\x01", "DataType": "Binary"},
        }
        return {
            "Messages": [
                {
                    "MessageId": f"id-{handle}",
                    "ReceiptHandle": handle,
                    "Body": self.messages[handle],
                    "MD5OfBody": "md5",
                    "Attributes": {"SenderId": "s"},
                    "MessageAttributes": attributes,
                }
                for handle in handles
            ]
        }

    def delete_message(self, ReceiptHandle: str, **_: Any) -> None:  # noqa: N803
        del self.messages[ReceiptHandle]

    def _took(self, kind: str, payload: Any) -> None:
        if kind in self.refuse or (isinstance(payload, str) and payload in self.refuse):
            raise ClientError({"Error": {"Code": "Refused", "Message": "no"}}, kind)
        self.came.append((kind, payload))

    def start_execution(self, input: str, **_: Any) -> None:  # noqa: A002
        self._took("states", json.loads(input))

    def publish(self, Message: str, **_: Any) -> None:  # noqa: N803
        self._took("sns", Message)

    def send_message(self, MessageBody: str, **options: Any) -> None:  # noqa: N803
        self._took("sqs", (MessageBody, options.get("MessageGroupId")))

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self._took("events", Entries[0])
        return {"FailedEntryCount": 0}

    def start_pipeline_execution(self, **request: Any) -> None:
        self._took("sagemaker", request)

    def invoke(self, Payload: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self._took("lambda", json.loads(Payload))
        return {"Payload": io.BytesIO(json.dumps(self.answer).encode())}

    def start_sync_execution(self, input: str, **_: Any) -> dict[str, Any]:  # noqa: A002
        self._took("sync", json.loads(input))
        return {"status": "FAILED", "error": "E"} if self.answer is None else {"status": "SUCCEEDED", "output": "[1]"}

    def look(self) -> list[tuple[str, Any]]:
        before = len(self.came)
        self.hidden.clear()
        service._poll_once()
        return self.came[before:]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in ("_poll_once", "_create_pipe", "_update_pipe", "_describe_response"):
        monkeypatch.setattr(service, name, getattr(service, name))
    monkeypatch.setattr(service, "_ensure_poller", lambda: None)
    monkeypatch.setattr(provisioners, "_RESOURCE_HANDLERS", dict(provisioners._RESOURCE_HANDLERS))
    cloud = Cloud()
    pipes.install(cloud)
    yield cloud
    service.reset()


def create(target: str, source: str = QUEUE, name: str = "p", **request: Any) -> dict[str, Any]:
    status, _, body = service._create_pipe(name, {"Source": source, "Target": target, "RoleArn": ROLE, **request})
    answer: dict[str, Any] = json.loads(body)
    assert status in (200, 400), answer
    return answer


def test_messages_go_to_a_state_machine_as_a_list_and_off_the_queue(cloud: Cloud) -> None:
    create(MACHINE, SourceParameters={"SqsQueueParameters": {"BatchSize": 2}})
    cloud.messages = {"a": "1", "b": "two", "c": "3"}
    first, second = cloud.look()
    assert [[event["body"] for event in events] for _, events in (first, second)] == [["1", "two"], ["3"]]
    assert first[1][0] == {
        "messageId": "id-a",
        "receiptHandle": "a",
        "body": "1",
        "attributes": {"SenderId": "s"},
        "messageAttributes": {
            "kind": {"stringValue": "x", "dataType": "String"},
            "raw": {"binaryValue": "AQ==", "dataType": "Binary"},
        },
        "md5OfBody": "md5",
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE,
        "awsRegion": "us-east-1",
    }
    assert cloud.messages == {}


def test_what_the_target_refuses_stays_on_the_queue_and_comes_again(cloud: Cloud) -> None:
    create(MACHINE)
    cloud.messages = {"a": "1"}
    cloud.refuse = {"states"}
    assert (cloud.look(), cloud.messages) == ([], {"a": "1"})
    cloud.refuse = set()
    assert [kind for kind, _ in cloud.look()] == ["states"]


def test_a_target_of_single_events_keeps_what_it_took(cloud: Cloud) -> None:
    create(TOPIC, TargetParameters={"InputTemplate": "<$.body>"})
    cloud.messages = {"a": "1", "b": "bad", "c": "3"}
    cloud.refuse = {"bad"}
    assert cloud.look() == [("sns", "1")]
    assert list(cloud.messages) == ["b", "c"]


def test_a_filter_drops_and_a_template_reshapes(cloud: Cloud) -> None:
    criteria = {"Filters": [{"Pattern": json.dumps({"body": {"n": [{"numeric": [">", 1]}]}})}]}
    create(
        MACHINE,
        SourceParameters={"FilterCriteria": criteria},
        TargetParameters={"InputTemplate": '{"n": <$.body.n>, "pipe": <aws.pipes.pipe-name>}'},
    )
    cloud.messages = {"a": '{"n": 1}', "b": '{"n": 2}', "c": "no JSON"}
    assert cloud.look() == [("states", [{"n": 2, "pipe": "p"}])]
    assert cloud.messages == {}


def test_an_enrichment_answers_for_the_events(cloud: Cloud) -> None:
    cloud.answer = [{"x": 1}, {"x": 2}]
    create(TOPIC, Enrichment=FUNCTION, EnrichmentParameters={"InputTemplate": "<$.body>"})
    cloud.messages = {"a": "1"}
    assert cloud.look() == [("lambda", ["1"]), ("sns", '{"x": 1}'), ("sns", '{"x": 2}')]
    cloud.answer, cloud.messages = [], {"b": "2"}
    # It answers nothing: nothing is delivered, and the message is done.
    assert (cloud.look(), cloud.messages) == ([("lambda", ["2"])], {})


def test_an_express_state_machine_may_be_waited_for(cloud: Cloud) -> None:
    how = {"StepFunctionStateMachineParameters": {"InvocationType": "REQUEST_RESPONSE"}}
    create(MACHINE, TargetParameters=how)
    cloud.messages = {"a": "1"}
    cloud.look()
    assert list(cloud.messages) == ["a"]
    cloud.answer = "well"
    cloud.look()
    assert cloud.messages == {}


@pytest.mark.parametrize(
    ("target", "parameters", "came"),
    [
        (
            "arn:aws:sqs:us-east-1:000000000000:out.fifo",
            {"SqsQueueParameters": {"MessageGroupId": "g"}},
            ("sqs", ("1", "g")),
        ),
        (
            "arn:aws:sagemaker:us-east-1:000000000000:pipeline/train",
            {"SageMakerPipelineParameters": {"PipelineParameterList": [{"Name": "A", "Value": "b"}]}},
            ("sagemaker", {"PipelineName": "train", "PipelineParameters": [{"Name": "A", "Value": "b"}]}),
        ),
        (
            "arn:aws:events:us-east-1:000000000000:event-bus/default",
            {"EventBridgeEventBusParameters": {"Source": "me", "DetailType": "t"}},
            (
                "events",
                {
                    "EventBusName": "arn:aws:events:us-east-1:000000000000:event-bus/default",
                    "Source": "me",
                    "DetailType": "t",
                    "Detail": '{"event": "1"}',
                    "Resources": [],
                },
            ),
        ),
    ],
)
def test_each_target_is_called_in_its_own_way(cloud: Cloud, target: str, parameters: Any, came: Any) -> None:
    create(target, TargetParameters={"InputTemplate": "<$.body>", **parameters})
    cloud.messages = {"a": "1"}
    if came[0] == "sqs":
        came = ("sqs", ("1", "g"))
    assert cloud.look() == [came]


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"Source": "arn:aws:mq:us-east-1:000000000000:broker:b"}, "no source of mq"),
        ({"Target": "arn:aws:ecs:us-east-1:000000000000:cluster/c"}, "target of ecs"),
        ({"Target": "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e"}, "cannot deliver to arn:aws:sagemaker"),
        ({"Target": f"{TOPIC}.fifo"}, "SNS FIFO"),
        ({"Enrichment": TOPIC}, "cannot enrich by"),
        ({"TargetParameters": {"InputTemplate": "<aws.pipes.nonsense>"}}, "no variable"),
    ],
)
def test_what_cannot_run_is_refused_by_name_and_not_kept(cloud: Cloud, request_: dict[str, Any], why: str) -> None:
    assert cloud.came == []
    whole = {"Source": QUEUE, "Target": MACHINE, "RoleArn": ROLE, **request_}
    status, _, body = service._create_pipe("p", whole)
    assert (status, why in json.loads(body)["message"] if status == 400 else body) == (400, True)
    with pytest.raises(ValueError, match=why):
        provisioners._RESOURCE_HANDLERS["AWS::Pipes::Pipe"]["create"]("P", whole, "stack")
    assert not list(service._pipes.values())


def test_a_pipe_tells_all_that_it_is(cloud: Cloud) -> None:
    assert cloud.came == []
    parameters = {"SqsQueueParameters": {"BatchSize": 7}}
    create(MACHINE, SourceParameters=parameters, Description="d")
    service._update_pipe("p", {"RoleArn": ROLE, "TargetParameters": {"InputTemplate": "x"}})
    told = json.loads(service._describe_pipe("p")[2])
    assert (told["SourceParameters"], told["TargetParameters"]) == (parameters, {"InputTemplate": "x"})


def test_a_stopped_pipe_carries_nothing(cloud: Cloud) -> None:
    create(MACHINE, DesiredState="STOPPED")
    cloud.messages = {"a": "1"}
    assert cloud.look() == []
    service._set_state("p", "RUNNING")
    assert len(cloud.look()) == 1


def test_a_stacks_pipe_carries_a_streams_records_from_where_it_was(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [{"eventID": str(number), "eventName": "INSERT", "dynamodb": {}} for number in range(3)]
    monkeypatch.setattr(dynamodb, "stream_start_position", lambda *_, **__: 0)
    monkeypatch.setattr(dynamodb, "stream_end_position", lambda *_, **__: len(records))
    monkeypatch.setattr(dynamodb, "stream_records_since", lambda _, at, limit, **__: records[at : at + limit])
    handler = provisioners._RESOURCE_HANDLERS["AWS::Pipes::Pipe"]
    start = {"DynamoDBStreamParameters": {"StartingPosition": "TRIM_HORIZON", "BatchSize": 2}}
    properties = {"Source": STREAM, "Target": MACHINE, "RoleArn": ROLE, "SourceParameters": start}
    name, _ = handler["create"]("P", properties, "stack")
    assert [[event["eventID"] for event in events] for _, events in cloud.look()] == [["0", "1"], ["2"]]
    changed = {**properties, "TargetParameters": {"InputTemplate": '{"id": <$.eventID>}'}}
    handler["update"](name, properties, changed, "stack", "P")
    records.append({"eventID": "3", "eventName": "REMOVE", "dynamodb": {}})
    assert cloud.look() == [("states", [{"id": "3"}])]
    assert cloud.look() == []
