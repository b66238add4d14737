"""What MiniStack acknowledges is on disk: each seam in one process, and the private names they lean on."""

import asyncio
import inspect
import json
import resource
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ministack import app as ministack_app
from ministack.core import persistence
from ministack.services import (
    cloudwatch_logs,
    dynamodb,
    eventbridge,
    lambda_svc,
    s3,
    scheduler,
    sns,
    sqs,
    ssm,
)

from local.errors import LocalCloudError
from local.ministack import objects, operations, records
from local.ministack.durability import Durability
from local.ministack.statefile import StateFile

MODULES = [cloudwatch_logs, dynamodb, eventbridge, lambda_svc, s3, scheduler, sns, sqs, ssm]
ACCOUNT, REGION = "000000000000", "us-east-1"


class Services:
    """MiniStack's services on a state directory, killed and started again as often as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "state.db"
        self.state: Durability | None = None
        # MiniStack looks for a Docker engine when it restores some services, and leaves the socket open.
        self._docker = sys.modules.get("docker")
        sys.modules["docker"] = None  # type: ignore[assignment]
        self._names = {module: dict(vars(module)) for module in [*MODULES, ministack_app, persistence]}
        self._purge = sqs._HANDLERS["PurgeQueue"]

    def start(self, *, deliver: bool = True) -> Durability:
        self._undo()
        s3.DATA_DIR, s3.S3_PERSIST = str(self.folder / "s3"), True
        lambda_svc.CODE_BLOB_DIR = str(self.folder / "code")
        objects.finish_writes(self.folder / "s3")
        state = self.state = Durability(self.path)
        state.install()
        s3._load_persisted_data()
        ministack_app._load_persisted_state()
        if state.broken:
            raise state.broken
        if deliver:
            state.deliver()
        return state

    def kill(self) -> None:
        """Nothing is written any more, as after kill -9."""
        assert self.state is not None
        state, self.state = self.state, None
        state.interrupt()
        with state._lock:
            state._closed = True
        state._end.set()
        state._nudge.set()
        if state._flusher:
            state._flusher.join()
        state._file.close()

    def restart(self, *, deliver: bool = True) -> Durability:
        self.kill()
        return self.start(deliver=deliver)

    def end(self) -> None:
        if self.state:
            self.kill()
        self._undo()
        del sys.modules["docker"]
        if self._docker is not None:
            sys.modules["docker"] = self._docker

    def _undo(self) -> None:
        for module in MODULES:
            module.reset()
        for module, names in self._names.items():
            for name in vars(module).keys() - names.keys():
                delattr(module, name)
            vars(module).update(names)
        sqs._HANDLERS["PurgeQueue"] = self._purge

    def ask(
        self, module: str, target: str, body: Any = None, *, method: str = "POST", path: str = "/", query: Any = None
    ) -> tuple[int, Any]:
        """A request to a service, as MiniStack's dispatcher makes it: the status and the decoded answer."""
        headers = {"x-amz-target": target} if target else {}
        raw = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        handler = ministack_app._get_module(module).handle_request
        status, _, answer = asyncio.run(handler(method, path, {"host": "127.0.0.1:4566", **headers}, raw, query or {}))
        text = answer if isinstance(answer, bytes) else answer.encode()
        return status, json.loads(text) if text.startswith((b"{", b"[")) else text

    def ok(self, module: str, target: str, body: Any = None, **options: Any) -> Any:
        status, answer = self.ask(module, target, body, **options)
        assert status < 300, answer
        return answer

    # What the tests do most.

    def make_table(self, name: str = "items") -> None:
        self.ok(
            "dynamodb",
            "DynamoDB_20120810.CreateTable",
            {
                "TableName": name,
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        )

    def put_item(self, key: str, value: str = "x") -> tuple[int, Any]:
        item = {"id": {"S": key}, "value": {"S": value}}
        return self.ask("dynamodb", "DynamoDB_20120810.PutItem", {"TableName": "items", "Item": item})

    def items(self, table: str = "items") -> dict[str, str]:
        found = self.ok("dynamodb", "DynamoDB_20120810.Scan", {"TableName": table})["Items"]
        return {item["id"]["S"]: item["value"]["S"] for item in found}

    def make_queue(self, name: str = "queue", **attributes: str) -> str:
        answer = self.ok("sqs", "AmazonSQS.CreateQueue", {"QueueName": name, "Attributes": attributes})
        return str(answer["QueueUrl"])

    def send(self, url: str, body: str, **more: str) -> Any:
        return self.ok("sqs", "AmazonSQS.SendMessage", {"QueueUrl": url, "MessageBody": body, **more})

    def receive(self, url: str, **options: int) -> list[Any]:
        request = {"QueueUrl": url, "MaxNumberOfMessages": 10, **options}
        return list(self.ok("sqs", "AmazonSQS.ReceiveMessage", request).get("Messages", []))

    def object(self, method: str, path: str, body: bytes = b"", **query: str) -> tuple[int, Any]:
        return self.ask(
            "s3", "", body, method=method, path=path, query={name: [value] for name, value in query.items()}
        )


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    one = Services(tmp_path)
    try:
        one.start()
        yield one
    finally:
        one.end()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The kernel refuses to let any file grow beyond `size`, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not look():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


# Items.


def test_items_survive_each_way_of_writing_them(services: Services) -> None:
    services.make_table()
    for key in ("a", "b", "c"):
        assert services.put_item(key)[0] == 200
    dynamo = "DynamoDB_20120810."
    services.ok("dynamodb", dynamo + "DeleteItem", {"TableName": "items", "Key": {"id": {"S": "a"}}})
    services.ok(
        "dynamodb",
        dynamo + "UpdateItem",
        {
            "TableName": "items",
            "Key": {"id": {"S": "b"}},
            "UpdateExpression": "SET #v = :v",
            "ExpressionAttributeNames": {"#v": "value"},
            "ExpressionAttributeValues": {":v": {"S": "new"}},
        },
    )
    services.ok(
        "dynamodb", dynamo + "ExecuteStatement", {"Statement": "INSERT INTO items VALUE {'id':'d','value':'p'}"}
    )
    services.restart()
    assert services.items() == {"b": "new", "c": "x", "d": "p"}


def test_a_table_that_is_swapped_whole_survives(services: Services) -> None:
    services.make_table()
    services.put_item("a")
    point = {"SourceTableName": "items", "TargetTableName": "copy", "UseLatestRestorableTime": True}
    services.ok("dynamodb", "DynamoDB_20120810.RestoreTableToPointInTime", point)
    services.restart()
    assert services.items("copy") == {"a": "x"}


def test_a_deleted_table_takes_its_items_along(services: Services) -> None:
    services.make_table()
    services.put_item("a")
    services.ok("dynamodb", "DynamoDB_20120810.DeleteTable", {"TableName": "items"})
    services.make_table()
    state = services.restart()
    assert services.items() == {}
    assert list(state._file.rows("SELECT * FROM items")) == []


def test_a_table_made_by_cloudformation_is_kept_with_its_first_item(services: Services) -> None:
    services.make_table()
    table = dynamodb._tables.pop("items")
    services.state.save({"dynamodb"})  # type: ignore[union-attr]
    dynamodb._tables["items"] = table
    services.put_item("a")
    services.restart()
    assert services.items() == {"a": "x"}


# Messages.


def test_messages_survive_with_what_became_of_them(services: Services) -> None:
    url = services.make_queue()
    for body in ("received", "deleted", "waiting"):
        services.send(url, body)
    seen = {message["Body"]: message for message in services.receive(url, VisibilityTimeout=0)}
    services.ok("sqs", "AmazonSQS.DeleteMessage", {"QueueUrl": url, "ReceiptHandle": seen["deleted"]["ReceiptHandle"]})
    services.restart()
    url = services.ok("sqs", "AmazonSQS.GetQueueUrl", {"QueueName": "queue"})["QueueUrl"]
    assert [message["body"] for message in sqs._get_q(url)["messages"]] == ["received", "waiting"]
    assert sqs._get_q(url)["messages"][0]["receive_count"] == 1
    # A consumer that outlived the kill can still delete what it was working on.
    services.ok("sqs", "AmazonSQS.DeleteMessage", {"QueueUrl": url, "ReceiptHandle": seen["received"]["ReceiptHandle"]})


def test_a_purged_queue_is_empty_and_what_came_after_is_there(services: Services) -> None:
    url = services.make_queue()
    services.send(url, "before")
    services.ok("sqs", "AmazonSQS.PurgeQueue", {"QueueUrl": url})
    services.send(url, "after")
    services.restart()
    assert [message["Body"] for message in services.receive(url)] == ["after"]


def test_a_message_sent_twice_to_a_fifo_queue_is_one_also_across_a_restart(services: Services) -> None:
    url = services.make_queue("queue.fifo", FifoQueue="true")
    order = {"MessageGroupId": "g", "MessageDeduplicationId": "once"}
    first = services.send(url, "first", **order)
    handle = services.receive(url)[0]["ReceiptHandle"]
    services.ok("sqs", "AmazonSQS.DeleteMessage", {"QueueUrl": url, "ReceiptHandle": handle})
    services.restart()
    assert services.send(url, "first", **order)["MessageId"] == first["MessageId"]
    second = services.send(url, "second", **{**order, "MessageDeduplicationId": "other"})
    assert second["SequenceNumber"] > first["SequenceNumber"]
    assert [message["Body"] for message in services.receive(url)] == ["second"]


def test_a_message_from_inside_is_written_before_the_request_that_caused_it_is_answered(services: Services) -> None:
    services.make_queue()
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"
    services.ok("eventbridge", "AWSEvents.PutRule", {"Name": "r", "EventPattern": '{"source": ["me"]}'})
    services.ok("eventbridge", "AWSEvents.PutTargets", {"Rule": "r", "Targets": [{"Id": "1", "Arn": arn}]})
    services.ok(
        "eventbridge", "AWSEvents.PutEvents", {"Entries": [{"Source": "me", "DetailType": "d", "Detail": "{}"}]}
    )
    services.restart()
    url = services.ok("sqs", "AmazonSQS.GetQueueUrl", {"QueueName": "queue"})["QueueUrl"]
    assert len(services.receive(url)) == 1


def test_a_queue_made_at_another_port_stays_one_queue(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    services.send(services.make_queue(), "kept")
    services.restart()
    monkeypatch.setattr(sqs, "DEFAULT_PORT", "4999")
    assert [message["Body"] for message in services.receive(services.make_queue())] == ["kept"]


# Stacks.


def test_a_stack_is_on_disk_as_before_or_as_after_its_operation(services: Services) -> None:
    from ministack.services import cloudformation

    def stored() -> list[Any]:
        sql = "SELECT key FROM records WHERE service = 'cloudformation' AND store = 'stacks'"
        return list(services.state._file.rows(sql))  # type: ignore[union-attr]

    services.state._deploying = True  # type: ignore[union-attr]
    stack = cloudformation._stacks["s"] = {"StackName": "s", "StackStatus": "CREATE_IN_PROGRESS", "StackId": "s"}
    try:
        services.ask("cloudformation", "", b"Action=ListStacks")
        assert stored() == []
        stack["StackStatus"] = "CREATE_COMPLETE"
        services.ask("cloudformation", "", b"Action=ListStacks")
        assert len(stored()) == 1
    finally:
        cloudformation._stacks.clear()


def test_a_stack_that_is_saved_in_the_middle_names_nothing_that_is_not_saved(services: Services) -> None:
    from ministack.services import cloudformation
    from ministack.services.cloudformation import provisioners

    cloudformation._stacks["s"] = {"StackName": "s", "StackStatus": "CREATE_IN_PROGRESS", "StackId": "s"}
    provisioners._provision_resource("AWS::SSM::Parameter", "P", {"Name": "n", "Type": "String", "Value": "1"}, "s")
    try:
        services.state.save({"cloudformation"})  # type: ignore[union-attr]
        services.restart()
        assert services.ok("ssm", "AmazonSSM.GetParameter", {"Name": "n"})["Parameter"]["Value"] == "1"
        assert cloudformation._stacks["s"]["StackStatus"] == "CREATE_FAILED"
    finally:
        cloudformation._stacks.clear()


# Everything else, by resource.


def test_resources_survive_and_deleted_ones_stay_away(services: Services) -> None:
    for name in ("kept", "deleted"):
        services.ok("ssm", "AmazonSSM.PutParameter", {"Name": name, "Value": "1", "Type": "String"})
        services.ok("eventbridge", "AWSEvents.PutRule", {"Name": name, "EventPattern": '{"source": ["me"]}'})
    services.ok("ssm", "AmazonSSM.DeleteParameter", {"Name": "deleted"})
    services.ok("eventbridge", "AWSEvents.DeleteRule", {"Name": "deleted"})
    services.restart()
    assert [name for name, _ in ssm._parameters.items()] == ["kept"]
    assert [rule["Name"] for rule in eventbridge._rules.values()] == ["kept"]


def test_only_the_resource_that_a_request_looked_at_is_written(services: Services) -> None:
    for number in range(20):
        services.ok("ssm", "AmazonSSM.PutParameter", {"Name": f"p{number}", "Value": "1", "Type": "String"})
    written: list[Any] = []
    file = services.state._file  # type: ignore[union-attr]
    write = file.write

    def write_and_tell(statements: Any) -> None:
        written.extend(statements)
        write(statements)

    file.write = write_and_tell  # type: ignore[method-assign]
    services.ok("ssm", "AmazonSSM.PutParameter", {"Name": "p7", "Value": "2", "Type": "String", "Overwrite": True})
    rows = [row for _, rows in written for row in rows]
    assert {row[2] for row in rows} == {repr((ACCOUNT, REGION, "p7"))}


def test_a_read_writes_nothing(services: Services) -> None:
    services.make_table()
    services.put_item("a")
    services.state.save()  # type: ignore[union-attr]
    changes = services.state._file._connection.total_changes  # type: ignore[union-attr]
    services.items()
    services.ok("dynamodb", "DynamoDB_20120810.ListTables")
    services.ok("ssm", "AmazonSSM.DescribeParameters")
    assert services.state._file._connection.total_changes == changes  # type: ignore[union-attr]


def test_what_a_schedule_has_fired_is_not_fired_again(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    fired: list[str] = []
    schedule = {
        "ScheduleExpression": "at(2020-01-01T00:00:00)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue", "RoleArn": "arn:aws:iam::000000000000:role/any"},
    }
    services.ok("scheduler", "", schedule, path="/schedules/once")
    monkeypatch.setattr(eventbridge, "_invoke_target", lambda *_: fired.append("once"))
    scheduler._tick_schedules()
    services.restart()
    monkeypatch.setattr(eventbridge, "_invoke_target", lambda *_: fired.append("again"))
    scheduler._tick_schedules()
    assert fired == ["once"]


def test_log_lines_are_written_by_stream_and_only_new_ones(services: Services) -> None:
    logs = "Logs_20140328."
    services.ok("cloudwatch_logs", logs + "CreateLogGroup", {"logGroupName": "g"})
    for stream in ("one", "two"):
        services.ok("cloudwatch_logs", logs + "CreateLogStream", {"logGroupName": "g", "logStreamName": stream})
        event = {"timestamp": int(time.time() * 1000), "message": stream}
        request = {"logGroupName": "g", "logStreamName": stream, "logEvents": [event]}
        services.ok("cloudwatch_logs", logs + "PutLogEvents", request)
    state = services.state
    assert state is not None
    state.save({"cloudwatch_logs"})
    statements, _ = state._records.changes("cloudwatch_logs")
    assert statements == []
    services.restart()
    lines = {name: stream["events"] for name, stream in cloudwatch_logs._log_groups["g"]["streams"].items()}
    assert {name: [event["message"] for event in events] for name, events in lines.items()} == {
        "one": ["one"],
        "two": ["two"],
    }


def test_the_code_of_a_function_is_there_after_a_kill(services: Services) -> None:
    import base64
    import io
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): pass\n")
    function = {
        "FunctionName": "f",
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "Role": "arn:aws:iam::000000000000:role/any",
        "Code": {"ZipFile": base64.b64encode(file.getvalue()).decode()},
    }
    services.ok("lambda_svc", "", function, path="/2015-03-31/functions")
    services.restart()
    assert lambda_svc._functions["f"]["code_zip"] == file.getvalue()


# Objects.


def make_bucket(services: Services, *, versions: bool = False, events: bool = False) -> None:
    assert services.object("PUT", "/bucket")[0] == 200
    if versions:
        status = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
        assert services.object("PUT", "/bucket", status, versioning="")[0] == 200
    if events:
        on = b"<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>"
        assert services.object("PUT", "/bucket", on, notification="")[0] == 200


def test_objects_and_their_versions_survive(services: Services) -> None:
    make_bucket(services, versions=True)
    for body in (b"first", b"second"):
        services.object("PUT", "/bucket/folder/key", body)
    services.object("PUT", "/bucket/hidden", b"below")
    services.object("DELETE", "/bucket/hidden")
    services.restart()
    assert services.object("GET", "/bucket/folder/key") == (200, b"second")
    history = s3._object_versions["bucket", "folder/key"]
    bodies = [services.object("GET", "/bucket/folder/key", versionId=one["version_id"])[1] for one in history]
    assert bodies == [b"first", b"second"]
    assert services.object("GET", "/bucket/hidden")[0] == 404


@pytest.mark.parametrize("how", ["bytes only", "both", "moved", "moved, cut"])
def test_a_write_that_a_kill_cut_short_leaves_the_object_before_or_after(services: Services, how: str) -> None:
    make_bucket(services)
    services.object("PUT", "/bucket/key", b"old!")
    path = Path(s3._object_disk_path("bucket", "key"))
    description = path.with_name("key.meta.json")
    new = json.dumps({**json.loads(description.read_text()), "etag": '"new"', "size": 3})
    path.with_name("key.tmp").write_bytes(b"new")
    if how != "bytes only":
        description.with_name("key.meta.json.tmp").write_text(new if "cut" not in how else new[:20])
    if how == "moved":
        path.with_name("key.tmp").replace(path)
    if how == "moved, cut":
        # Cannot be: the bytes move after the description is whole. A torn one of a change of tags alone can.
        path.with_name("key.tmp").unlink()
    services.restart()
    found = s3._buckets["bucket"]["objects"]["key"]
    assert services.object("GET", "/bucket/key")[1] == (b"new" if how == "moved" else b"old!")
    assert found["size"] == (3 if how == "moved" else 4)
    assert not list(path.parent.glob("*.tmp"))


def test_an_object_that_does_not_fit_is_refused_and_the_one_before_stays(services: Services) -> None:
    make_bucket(services)
    services.object("PUT", "/bucket/key", b"old")
    with files_of_at_most(100_000):
        status, answer = services.object("PUT", "/bucket/key", b"x" * 200_000)
        services.restart()
    assert (status, b"<Code>InternalError</Code>" in answer) == (500, True)
    assert b"the state directory is full" in answer
    assert services.object("GET", "/bucket/key") == (200, b"old")


def test_an_object_that_did_not_fit_is_written_once_there_is_room(services: Services) -> None:
    make_bucket(services)
    with files_of_at_most(100_000):
        assert services.object("PUT", "/bucket/key", b"x" * 200_000)[0] == 500
    assert services.object("PUT", "/bucket/other", b"y")[0] == 200
    services.restart()
    assert services.object("GET", "/bucket/key") == (200, b"x" * 200_000)


def test_a_version_that_cannot_be_set_aside_is_not_overwritten(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bucket(services, versions=True)
    services.object("PUT", "/bucket/key", b"old")

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.link", refuse)
        patch.setattr("shutil.copyfile", refuse)
        assert services.object("PUT", "/bucket/key", b"new")[0] == 500
    assert services.object("GET", "/bucket/key") == (200, b"old")
    services.restart()
    assert services.object("GET", "/bucket/key") == (200, b"old")


def begin_upload(services: Services) -> str:
    status, answer = services.object("POST", "/bucket/large", uploads="")
    assert status == 200
    return str(answer.split(b"<UploadId>")[1].split(b"<")[0].decode())


def complete(services: Services, upload: str) -> tuple[int, Any]:
    parts = s3._multipart_uploads[upload]["parts"]
    listed = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{parts[n]['etag']}</ETag></Part>" for n in sorted(parts))
    body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
    return services.object("POST", "/bucket/large", body, uploadId=upload)


def test_an_upload_goes_on_with_the_parts_it_had(services: Services) -> None:
    make_bucket(services)
    upload = begin_upload(services)
    first, second = b"1" * 5 * 1024 * 1024, b"2\n"
    assert services.object("PUT", "/bucket/large", first, uploadId=upload, partNumber="1")[0] == 200
    services.restart()
    assert services.object("PUT", "/bucket/large", second, uploadId=upload, partNumber="2")[0] == 200
    assert complete(services, upload)[0] == 200
    services.restart()
    assert services.object("GET", "/bucket/large") == (200, first + second)
    assert list((services.folder / "uploads").iterdir()) == []
    assert not list(s3._multipart_uploads.items())


def test_an_upload_whose_object_does_not_fit_keeps_its_parts(services: Services) -> None:
    make_bucket(services)
    upload = begin_upload(services)
    bodies = {"1": b"1" * 5 * 1024 * 1024, "2": b"2" * 1024 * 1024}
    for number, body in bodies.items():
        assert services.object("PUT", "/bucket/large", body, uploadId=upload, partNumber=number)[0] == 200
    with files_of_at_most(5 * 1024 * 1024 + 1000):
        assert complete(services, upload)[0] == 500
        services.restart()
    assert complete(services, upload)[0] == 200
    assert services.object("GET", "/bucket/large") == (200, bodies["1"] + bodies["2"])


def test_a_part_that_does_not_fit_is_refused(services: Services) -> None:
    make_bucket(services)
    upload = begin_upload(services)
    with files_of_at_most(100_000):
        status, answer = services.object("PUT", "/bucket/large", b"x" * 200_000, uploadId=upload, partNumber="1")
    assert (status, b"the state directory is full" in answer) == (500, True)


# Events on their way.


def test_an_upload_acknowledged_just_before_a_kill_is_told_by_the_next_start(services: Services) -> None:
    services.make_queue()
    make_bucket(services, events=True)
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"
    services.ok("eventbridge", "AWSEvents.PutRule", {"Name": "r", "EventPattern": '{"source": ["aws.s3"]}'})
    services.ok("eventbridge", "AWSEvents.PutTargets", {"Rule": "r", "Targets": [{"Id": "1", "Arn": arn}]})
    services.restart(deliver=False)
    assert services.object("PUT", "/bucket/key", b"x")[0] == 200
    state = services.restart()
    url = services.ok("sqs", "AmazonSQS.GetQueueUrl", {"QueueName": "queue"})["QueueUrl"]
    until(lambda: len(sqs._get_q(url)["messages"]) == 1)
    until(lambda: not list(state._file.rows("SELECT * FROM outbox")))
    assert json.loads(services.receive(url)[0]["Body"])["detail"]["object"]["key"] == "key"


def test_state_of_the_first_version_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    old = tmp_path / "state" / "dynamodb.json"
    old.parent.mkdir()
    old.write_text("{}")
    with pytest.raises(LocalCloudError, match=r"kept by headrace 0\.1\.0"):
        StateFile(tmp_path / "state.db")
    assert old.exists()


@pytest.mark.parametrize("way", ["rule", "topic", "invocation"])
def test_a_function_that_had_not_ended_is_called_again(
    services: Services, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    config = {"FunctionName": "f", "FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f", "Version": "$LATEST"}

    def put_function() -> None:
        lambda_svc._functions["f"] = {"config": config, "code_zip": b"", "versions": {}, "aliases": {}}

    def trigger() -> None:
        if way == "rule":
            eventbridge._dispatch_to_lambda(config["FunctionArn"], '{"n": 1}')
        elif way == "invocation":
            lambda_svc.invoke_async_with_retry({"config": config}, {"n": 1})
        else:
            services.ok("sns", "", b"Action=CreateTopic&Name=t")
            endpoint = config["FunctionArn"].replace(":", "%3A")
            topic = f"arn%3Aaws%3Asns%3A{REGION}%3A{ACCOUNT}%3At"
            services.ok("sns", "", f"Action=Subscribe&Protocol=lambda&TopicArn={topic}&Endpoint={endpoint}".encode())
            services.ok("sns", "", f"Action=Publish&TopicArn={topic}&Message=hello".encode())

    put_function()
    services.restart(deliver=False)
    put_function()
    trigger()
    services.state.settle()  # type: ignore[union-attr]
    services.kill()
    calls: list[Any] = []
    services.start(deliver=False)
    put_function()

    def execute(_: Any, event: Any) -> dict[str, Any]:
        calls.append(event)
        return {}

    monkeypatch.setattr(lambda_svc, "_execute_function", execute)
    state = services.state
    assert state is not None
    assert state.deliver() == 1
    until(lambda: len(calls) == 1)
    until(lambda: not list(state._file.rows("SELECT * FROM outbox")))


# A disk that is full, a file that is damaged.


def test_a_full_disk_is_reported_and_nothing_acknowledged_is_lost(services: Services) -> None:
    services.make_table()
    acknowledged = 0
    with files_of_at_most(400_000):
        while (answer := services.put_item(f"{acknowledged}", "x" * 1000))[0] == 200:
            acknowledged += 1
            assert acknowledged < 1000
        assert answer[0] == 500
        assert answer[1]["__type"] == "InternalServerError"
        assert answer[1]["message"].startswith(f"the state directory is full or cannot be written: {services.folder}")
        assert services.ask("ssm", "AmazonSSM.PutParameter", {"Name": "n", "Value": "1", "Type": "String"})[0] == 500
        # Reading goes on.
        assert len(services.items()) >= acknowledged
    services.restart()
    assert set(services.items()) >= {str(number) for number in range(acknowledged)}


def test_what_could_not_be_written_is_written_once_there_is_room(services: Services) -> None:
    services.make_table()
    with files_of_at_most(200_000):
        assert services.put_item("large", "x" * 390_000)[0] == 500
    assert services.put_item("small")[0] == 200
    services.restart()
    assert set(services.items()) == {"large", "small"}


@pytest.mark.parametrize("how", ["empty", "cut", "foreign", "scribbled"])
def test_a_damaged_file_is_refused_by_name(services: Services, how: str) -> None:
    services.make_table()
    for number in range(200):
        services.put_item(str(number), "x" * 500)
    services.state.close()  # type: ignore[union-attr]
    services.state = None
    data = services.path.read_bytes()
    damaged = {
        "empty": b"",
        "cut": data[: len(data) // 2],
        "foreign": b"something else entirely" * 1000,
        "scribbled": data[:8192] + b"\xff" * 20_000 + data[28_192:],
    }[how]
    services.path.write_bytes(damaged)
    with pytest.raises(LocalCloudError, match=r"state\.db"):
        services.start()
    assert services.path.read_bytes() == damaged


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    StateFile(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=2")
    connection.close()
    with pytest.raises(LocalCloudError, match="format 2"):
        StateFile(path)


# Which requests change something.


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (("dynamodb", "POST", "/", {"x-amz-target": "DynamoDB_20120810.GetItem"}, b"", {}), None),
        (("dynamodb", "POST", "/", {"x-amz-target": "DynamoDB_20120810.PutItem"}, b"", {}), frozenset()),
        (("dynamodb", "POST", "/", {"x-amz-target": "DynamoDB_20120810.UpdateTable"}, b"", {}), {"dynamodb"}),
        (("iam", "POST", "/", {}, b"Version=2010-05-08&Action=CreateRole", {}), {"iam"}),
        (("iam", "POST", "/", {}, b"Action=ListRoles", {}), None),
        (("cloudformation", "POST", "/", {}, b"Action=CreateStack", {}), operations.EVERYTHING),
        (("lambda_svc", "GET", "/2015-03-31/functions/f", {}, b"", {}), None),
        (("lambda_svc", "POST", "/2015-03-31/functions/f/invocations", {}, b"Action=Get", {}), frozenset()),
        (("lambda_svc", "POST", "/2015-03-31/functions", {}, b"", {}), {"lambda", "lambda_durable"}),
        (("cognito", "POST", "/", {"x-amz-target": "AWSCognitoIdentityProviderService.SignUp"}, b"", {}), {"cognito"}),
        (("cloudwatch", "POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData", {}, b"", {}), None),
        (("s3", "GET", "/bucket/key", {}, b"", {}), None),
        (("s3", "PUT", "/bucket/key", {}, b"Action=ListRoles", {}), frozenset()),
        (("s3", "PUT", "/bucket", {}, b"", {}), {"s3"}),
        (("s3", "PUT", "/bucket/key", {}, b"", {"retention": [""]}), {"s3"}),
        (("s3", "POST", "/bucket", {}, b"", {"delete": [""]}), frozenset()),
    ],
)
def test_requests_that_change_something_are_told_from_those_that_read(request_: Any, expected: Any) -> None:
    assert operations.changes(*request_) == expected


# The private names.


def test_items_are_stored_removed_and_swapped_through_known_functions() -> None:
    assert list(inspect.signature(dynamodb._set_item).parameters) == ["table", "pk_val", "sk_val", "item"]
    assert list(inspect.signature(dynamodb._remove_item).parameters) == ["table", "pk_val", "sk_val"]
    assert list(inspect.signature(dynamodb._items_replaced).parameters) == ["table"]
    source = inspect.getsource(dynamodb)
    # The one assignment of an item, and no removal but the one.
    assert source.count('table["items"].setdefault(pk_val, {})[sk_val] = item') == 1
    assert source.count("sk_map.pop(") == 1
    assert source.count('["items"] = defaultdict(') == 5
    assert "for tbl in _tables.all_values():" in inspect.getsource(dynamodb._restore_state)
    assert '"TableId": new_uuid()' in inspect.getsource(dynamodb._create_table)


def test_messages_are_in_lists_that_only_sqs_replaces() -> None:
    assert list(inspect.signature(sqs._collect_msgs).parameters) == ["q", "max_n", "vis_timeout"]
    assert list(inspect.signature(sqs._queue_url).parameters) == ["name"]
    assert '"messages": []' in inspect.getsource(sqs._act_create_queue)
    for module in (eventbridge, s3, sns, lambda_svc):
        assert '["messages"] =' not in inspect.getsource(module)
    assert "_collect_msgs(q, max_n, vis)" in inspect.getsource(sqs._receive_messages_for_esm)


@pytest.mark.parametrize("service", sorted(records.UNCOPIED))
def test_a_service_that_is_read_without_a_copy_copies_only_its_stores(service: str) -> None:
    module = ministack_app._get_module(ministack_app._state_map[service])
    source = inspect.getsource(module.get_state)
    assert "copy.deepcopy(" in source
    assert not {"pop(", "del ", ".update("} & {word for word in ("pop(", "del ", ".update(") if word in source}
    assert module.get_state.__closure__ is None


@pytest.mark.parametrize("service", sorted(records.WATCHED))
def test_the_handler_of_a_watched_service_waits_for_nothing(service: str) -> None:
    module = ministack_app._get_module(ministack_app._state_map[service])
    waiting = [
        name
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction)
        if "await " in inspect.getsource(function) and function.__module__ == module.__name__
    ]
    # SNS calls HTTP endpoints, in threads of their own.
    assert set(waiting) <= {"_deliver_to_http", "_send_subscription_confirmation"}


@pytest.mark.parametrize(("service", "stores"), records.UNSAVED.items())
def test_what_ministack_forgets_is_where_we_look_for_it(service: str, stores: dict[str, str]) -> None:
    module = ministack_app._get_module(ministack_app._state_map[service])
    state = module.get_state()
    for store, name in stores.items():
        assert store not in state
        assert hasattr(getattr(module, name), "update") or hasattr(getattr(module, name), "_data")


def test_a_service_is_reached_through_get_module() -> None:
    assert "mod = _get_module(module_name)" in inspect.getsource(ministack_app._lazy_handler)
    assert "mod.handle_request(" in inspect.getsource(ministack_app._lazy_handler)
    assert "_load_persisted_state()" in inspect.getsource(ministack_app._handle_lifespan)
    assert "save_all(_build_persistence_save_dict())" in inspect.getsource(ministack_app._handle_lifespan)
    assert callable(persistence._json_default)
    assert callable(persistence._json_object_hook)


def test_stacks_are_worked_on_under_a_status_that_says_so() -> None:
    from ministack.services import cloudformation

    assert callable(cloudformation._stacks.all_values)
    assert '"StackStatus": "CREATE_IN_PROGRESS"' in inspect.getsource(cloudformation.handlers)
    assert 'stack["StackStatus"] = "UPDATE_IN_PROGRESS"' in inspect.getsource(cloudformation.handlers)


def test_schedules_tick_through_functions_that_are_looked_up_by_name() -> None:
    assert "_tick_schedules()" in inspect.getsource(scheduler._ticker_loop)
    assert "_tick_scheduled_rules()" in inspect.getsource(eventbridge._scheduler_loop)


def test_objects_are_written_and_removed_through_known_functions() -> None:
    assert list(inspect.signature(s3._persist_object).parameters) == ["bucket", "key", "obj"]
    assert list(inspect.signature(s3._delete_persisted_object).parameters) == ["bucket_name", "key"]
    assert list(inspect.signature(s3._persist_delete_marker).parameters) == ["bucket_name", "key", "marker"]
    names = ["bucket_name", "key", "prior_obj", "versioning"]
    assert list(inspect.signature(s3._persist_displaced_version).parameters) == names
    assert list(inspect.signature(s3._delete_version_file).parameters) == ["bucket_name", "key", "version_id"]
    assert list(inspect.signature(s3._persist_version_state).parameters) == ["bucket_name", "key", "bucket"]
    for name in ("_object_disk_path", "_other_key_disk_path", "_version_disk_path", "_remove_key_files"):
        assert callable(getattr(s3, name))
    assert set(s3._object_meta_from_record({})) >= {"etag", "size", "metadata", "version_id"}
    assert s3._key_history_meta("no-bucket", "no-key") == {}
    assert '.endswith(".tmp")' in inspect.getsource(s3._persisted_key_files)


def test_uploads_begin_grow_and_end_through_known_functions() -> None:
    assert list(inspect.signature(s3._create_multipart_upload).parameters) == ["bucket_name", "key", "headers"]
    for name in ("_upload_part", "_upload_part_copy", "_complete_multipart_upload", "_abort_multipart_upload"):
        assert "query_params" in inspect.signature(getattr(s3, name)).parameters
        assert f"return {name}(" in inspect.getsource(s3._dispatch)
    assert "return _create_multipart_upload(" in inspect.getsource(s3._dispatch)
    assert isinstance(s3._multipart_uploads._data, dict)


def test_events_leave_through_threads_that_we_take_over() -> None:
    assert "args=(_fire_s3_event," in inspect.getsource(s3._fire_s3_event_async)
    assert callable(s3._next_event_sequencer)
    assert list(inspect.signature(eventbridge._dispatch_to_lambda).parameters) == ["arn", "payload"]
    assert "threading.Thread(" in inspect.getsource(eventbridge._dispatch_to_lambda)
    assert list(inspect.signature(lambda_svc.invoke_async_with_retry).parameters) == ["func", "event"]
    assert "threading.Thread(target=ctx_snapshot.run" in inspect.getsource(lambda_svc.invoke_async_with_retry)
    fan_out = inspect.getsource(sns._fanout)
    assert "target=_sns_ctx.run," in fan_out
    assert "args=(_deliver_to_lambda, " in fan_out
    assert lambda_svc._durable_ctx.get() is None
    assert callable(lambda_svc._get_func_record_for_ref)
    assert callable(lambda_svc._execution_record_for_config)
    assert callable(lambda_svc._account_region_from_function_config)


def test_code_is_kept_in_files_that_are_pruned_when_the_state_is_read() -> None:
    assert "_prune_orphan_code_blobs(referenced)" in inspect.getsource(lambda_svc.get_state)
    assert hasattr(lambda_svc, "CODE_BLOB_DIR")
