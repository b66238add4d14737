"""What the local cloud has acknowledged is there after a kill -9, whatever it was doing; what it deleted stays away."""

import io
import itertools
import json
import os
import random
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.walk.cloud import Cloud, copy_project, running_cloud, until

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("restart")]

ROUNDS = 3
WRITES = 120
NAMES = 4

Write = Callable[[Any, str, int | None], None]
Read = Callable[[Any, str], int | None]


def client(endpoint: str, service: str) -> Any:
    """One that tries once: an answer that did not come is not asked for again."""
    session: Any = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
    return session.client(service, endpoint_url=endpoint, config=config)


@dataclass
class Register:
    """A resource that is written over and over: a number stands for what it holds, None for its absence."""

    service: str
    write: Write
    read: Read
    possible: dict[str, set[int | None]] = field(default_factory=dict)
    """What each name may hold now: one value, or two while nothing was answered yet."""

    def change(self, aws: Any, name: str, value: int | None) -> None:
        before = self.possible.setdefault(name, {None})
        self.possible[name] = before | {value}
        self.write(aws, name, value)
        self.possible[name] = {value}

    def check(self, aws: Any) -> int:
        for name, possible in self.possible.items():
            found = self.read(aws, name)
            assert found in possible, f"{self.service} {name}: expected {possible}, found {found}"
            self.possible[name] = {found}
        return len(self.possible)


@dataclass
class Stream:
    """Things that are sent once and must arrive in a queue, at least once."""

    service: str
    queue: str
    send: Callable[[Any, str], None]
    sent: set[str] = field(default_factory=set)
    arrived: set[str] = field(default_factory=set)

    def check(self, sqs: Any) -> int:
        url = sqs.get_queue_url(QueueName=self.queue)["QueueUrl"]

        def all_there() -> bool | None:
            while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
                self.arrived |= {mark for message in messages for mark in marks(message["Body"])}
                entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
                sqs.delete_message_batch(QueueUrl=url, Entries=entries)
            return True if self.sent <= self.arrived else None

        try:
            until(all_there, f"every {self.service} event in {self.queue}", 10)
        except AssertionError:
            pytest.fail(f"lost on the way from {self.service}: {sorted(self.sent - self.arrived)[:5]}")
        return len(self.sent)


def marks(body: str) -> list[str]:
    return [word for word in body.replace('"', " ").replace("\\", " ").split() if word.startswith("mark-")]


def maybe(read: Callable[[], int]) -> int | None:
    try:
        return read()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise
        return None


def write_item(aws: Any, name: str, value: int | None) -> None:
    if value is None:
        aws.delete_item(TableName="items", Key={"id": {"S": name}})
    elif value % 3:
        aws.put_item(TableName="items", Item={"id": {"S": name}, "value": {"N": str(value)}})
    else:
        aws.transact_write_items(
            TransactItems=[{"Put": {"TableName": "items", "Item": {"id": {"S": name}, "value": {"N": str(value)}}}}]
        )


def read_item(aws: Any, name: str) -> int | None:
    item = aws.get_item(TableName="items", Key={"id": {"S": name}}).get("Item")
    return int(item["value"]["N"]) if item else None


def write_parameter(aws: Any, name: str, value: int | None) -> None:
    if value is None:
        with suppress(aws.exceptions.ParameterNotFound):
            aws.delete_parameter(Name=name)
    else:
        aws.put_parameter(Name=name, Value=str(value), Type="String", Overwrite=True)


def read_parameter(aws: Any, name: str) -> int | None:
    return maybe(lambda: int(aws.get_parameter(Name=name)["Parameter"]["Value"]))


def body_of(value: int) -> bytes:
    return (f"{value}:".encode() * 4000)[: 5000 + value % 7000]


def object_writer(bucket: str) -> Write:
    def write(aws: Any, name: str, value: int | None) -> None:
        if value is None:
            aws.delete_object(Bucket=bucket, Key=name)
        elif value % 5 == 0:
            upload = aws.create_multipart_upload(Bucket=bucket, Key=name, Metadata={"value": str(value)})["UploadId"]
            part = aws.upload_part(Bucket=bucket, Key=name, UploadId=upload, PartNumber=1, Body=body_of(value))
            parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            aws.complete_multipart_upload(Bucket=bucket, Key=name, UploadId=upload, MultipartUpload=parts)
        else:
            aws.put_object(Bucket=bucket, Key=name, Body=body_of(value), Metadata={"value": str(value)})

    return write


def object_reader(bucket: str) -> Read:
    def read(aws: Any, name: str) -> int | None:
        def whole() -> int:
            answer = aws.get_object(Bucket=bucket, Key=name)
            value = int(answer["Metadata"]["value"])
            assert answer["Body"].read() == body_of(value), f"{name} is a mixture"
            return value

        return maybe(whole)

    return read


def write_rule(aws: Any, name: str, value: int | None) -> None:
    if value is None:
        with suppress(aws.exceptions.ResourceNotFoundException):
            aws.remove_targets(Rule=name, Ids=["1"])
            aws.delete_rule(Name=name)
    else:
        aws.put_rule(Name=name, EventPattern='{"source": ["nobody"]}', Description=str(value))


def read_rule(aws: Any, name: str) -> int | None:
    return maybe(lambda: int(aws.describe_rule(Name=name)["Description"]))


def write_schedule(aws: Any, name: str, value: int | None) -> None:
    options = {
        "ScheduleExpression": "rate(1 day)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": "arn:aws:sqs:us-east-1:000000000000:sent", "RoleArn": "arn:aws:iam::000000000000:role/any"},
        "Description": str(value),
    }
    if value is None:
        with suppress(aws.exceptions.ResourceNotFoundException):
            aws.delete_schedule(Name=name)
        return
    try:
        aws.create_schedule(Name=name, **options)
    except aws.exceptions.ConflictException:
        aws.update_schedule(Name=name, **options)


def read_schedule(aws: Any, name: str) -> int | None:
    return maybe(lambda: int(aws.get_schedule(Name=name)["Description"]))


def topic_arn(name: str) -> str:
    return f"arn:aws:sns:us-east-1:000000000000:{name}"


def write_topic(aws: Any, name: str, value: int | None) -> None:
    if value is None:
        aws.delete_topic(TopicArn=topic_arn(name))
    else:
        aws.create_topic(Name=name, Attributes={})
        aws.set_topic_attributes(TopicArn=topic_arn(name), AttributeName="DisplayName", AttributeValue=str(value))


def read_topic(aws: Any, name: str) -> int | None:
    # Between its creation and its name a topic has none: that is neither of the two.
    shown = maybe(lambda: int(aws.get_topic_attributes(TopicArn=topic_arn(name))["Attributes"]["DisplayName"] or -1))
    return None if shown == -1 else shown


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("app.py", "def handler(event, context):\n    return event\n")
    return file.getvalue()


def write_function(aws: Any, name: str, value: int | None) -> None:
    if value is None:
        with suppress(aws.exceptions.ResourceNotFoundException):
            aws.delete_function(FunctionName=name)
        return
    try:
        aws.update_function_configuration(FunctionName=name, Description=str(value))
    except aws.exceptions.ResourceNotFoundException:
        aws.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="app.handler",
            Role="arn:aws:iam::000000000000:role/any",
            Code={"ZipFile": archive()},
            Description=str(value),
        )


def read_function(aws: Any, name: str) -> int | None:
    return maybe(lambda: int(aws.get_function(FunctionName=name)["Configuration"]["Description"]))


def registers() -> list[Register]:
    return [
        Register("dynamodb", write_item, read_item),
        Register("ssm", write_parameter, read_parameter),
        Register("s3", object_writer("plain-objects"), object_reader("plain-objects")),
        Register("s3", object_writer("versioned-objects"), object_reader("versioned-objects")),
        Register("events", write_rule, read_rule),
        Register("scheduler", write_schedule, read_schedule),
        Register("sns", write_topic, read_topic),
        Register("lambda", write_function, read_function),
    ]


def streams() -> list[Stream]:
    def message(aws: Any, mark: str) -> None:
        aws.send_message(QueueUrl=aws.get_queue_url(QueueName="sent")["QueueUrl"], MessageBody=mark)

    def event(aws: Any, mark: str) -> None:
        detail = json.dumps({"mark": mark})
        aws.put_events(Entries=[{"Source": "test", "DetailType": "mark", "Detail": detail}])

    def notification(aws: Any, mark: str) -> None:
        aws.publish(TopicArn=topic_arn("published"), Message=mark)

    def upload(aws: Any, mark: str) -> None:
        aws.put_object(Bucket="watched-objects", Key=mark, Body=b"x")

    return [
        Stream("sqs", "sent", message),
        Stream("events", "ruled", event),
        Stream("sns", "published", notification),
        Stream("s3", "uploaded", upload),
    ]


def prepare(endpoint: str) -> None:
    dynamodb, s3, sqs, events, sns = (client(endpoint, name) for name in ("dynamodb", "s3", "sqs", "events", "sns"))
    dynamodb.create_table(
        TableName="items",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for bucket in ("plain-objects", "versioned-objects", "watched-objects"):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket="versioned-objects", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket="watched-objects", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    for queue in ("sent", "ruled", "published", "uploaded"):
        sqs.create_queue(QueueName=queue, Attributes={"VisibilityTimeout": "1"})
    patterns = {
        "ruled": {"source": ["test"]},
        "uploaded": {"source": ["aws.s3"], "detail": {"bucket": {"name": ["watched-objects"]}}},
    }
    for queue, pattern in patterns.items():
        events.put_rule(Name=f"to-{queue}", EventPattern=json.dumps(pattern))
        target = {"Id": "1", "Arn": f"arn:aws:sqs:us-east-1:000000000000:{queue}"}
        events.put_targets(Rule=f"to-{queue}", Targets=[target])
    sns.create_topic(Name="published")
    sns.subscribe(
        TopicArn=topic_arn("published"), Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:000000000000:published"
    )


class Writers:
    """One thread for each kind of thing, which writes until the cloud is gone."""

    def __init__(self, seed: int) -> None:
        self.registers, self.streams = registers(), streams()
        self.versions: set[str] = set()
        self._numbers = itertools.count(1)
        self._draws = iter(random.Random(seed + number) for number in itertools.count())

    def write_until_killed(self, cloud: Cloud, seconds: float) -> None:
        acts: list[Callable[[], Iterator[None]]] = [
            *(lambda one=one: self._change(one, cloud.endpoint) for one in self.registers),
            *(lambda one=one: self._send(one, cloud.endpoint) for one in self.streams),
            lambda: self._versions(cloud.endpoint),
        ]
        failures: list[BaseException] = []
        acknowledged = threading.Semaphore(0)

        def run(act: Callable[[], Iterator[None]]) -> None:
            try:
                for _ in act():
                    acknowledged.release()
            except BotoCoreError:
                # The answer that a kill cut off.
                return
            except BaseException as error:  # noqa: BLE001 - the thread's edge
                failures.append(error)

        threads = [threading.Thread(target=run, args=(act,)) for act in acts]
        for thread in threads:
            thread.start()
        # However busy the machine is: enough is written for a loss to show.
        for _ in range(WRITES):
            assert acknowledged.acquire(timeout=60)
        time.sleep(seconds)
        os.kill(cloud.process.pid, signal.SIGKILL)
        for thread in threads:
            thread.join(30)
        assert not failures, failures

    def _change(self, register: Register, endpoint: str) -> Iterator[None]:
        aws, draw = client(endpoint, register.service), next(self._draws)
        while True:
            value = None if draw.random() < 0.2 else next(self._numbers)
            register.change(aws, f"name-{draw.randrange(NAMES)}", value)
            yield

    def _send(self, stream: Stream, endpoint: str) -> Iterator[None]:
        aws = client(endpoint, stream.service)
        while True:
            mark = f"mark-{next(self._numbers)}"
            stream.send(aws, mark)
            stream.sent.add(mark)
            yield

    def _versions(self, endpoint: str) -> Iterator[None]:
        """Versions of one object: each that was acknowledged stays, and stays what it was."""
        aws = client(endpoint, "s3")
        while True:
            value = next(self._numbers)
            answer = aws.put_object(Bucket="versioned-objects", Key="history", Body=body_of(value))
            self.versions.add(f"{answer['VersionId']} {value}")
            yield

    def check(self, endpoint: str) -> int:
        count = sum(register.check(client(endpoint, register.service)) for register in self.registers)
        sqs, s3 = client(endpoint, "sqs"), client(endpoint, "s3")
        count += sum(stream.check(sqs) for stream in self.streams)
        for version in self.versions:
            version_id, value = version.split()
            answer = s3.get_object(Bucket="versioned-objects", Key="history", VersionId=version_id)
            assert answer["Body"].read() == body_of(int(value)), version
        return count + len(self.versions)


def test_a_kill_takes_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    seed = int(os.environ.get("HEADRACE_TEST_SEED", random.randrange(1_000_000)))
    print(f"HEADRACE_TEST_SEED={seed}")
    draw, writers = random.Random(seed), Writers(seed)
    # The services are what is killed here: one algorithm is enough to boot with.
    project = copy_project(tmp_path / "project", "decision_trees")
    for number in range(ROUNDS):
        with running_cloud(project, tmp_path, ended_by=signal.SIGKILL) as cloud:
            if number == 0:
                prepare(cloud.endpoint)
            writers.check(cloud.endpoint)
            writers.write_until_killed(cloud, draw.uniform(0.3, 1.5))
    with running_cloud(project, tmp_path) as cloud:
        assert writers.check(cloud.endpoint)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of that size at `folder`, kept when it is left."""
    folder.mkdir(exist_ok=True)
    options = f"size={size}" + (",remount" if os.path.ismount(folder) else "")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("needs the right to mount a file system")
    yield


def refused_after(write: Callable[[str], object]) -> tuple[int, str]:
    """How many writes were acknowledged until one was refused, and the code it was refused with."""
    for number in range(5000):
        try:
            write(str(number))
        except ClientError as error:
            if "the state directory is full" not in str(error):
                raise
            return number, error.response["Error"]["Code"]
    pytest.fail("the disk does not fill")


def test_a_full_disk_is_reported_and_takes_nothing(tmp_path: Path) -> None:
    disk, project = tmp_path / "disk", copy_project(tmp_path / "project", "decision_trees")
    try:
        with small_disk(disk, "8m"), running_cloud(project, disk, ended_by=signal.SIGKILL) as cloud:
            prepare(cloud.endpoint)
            dynamodb, s3 = client(cloud.endpoint, "dynamodb"), client(cloud.endpoint, "s3")
            body, text = b"x" * 200_000, {"S": "x" * 3000}
            objects, code = refused_after(lambda key: s3.put_object(Bucket="plain-objects", Key=key, Body=body))
            assert code == "InternalError"
            items, code = refused_after(
                lambda key: dynamodb.put_item(TableName="items", Item={"id": {"S": key}, "value": text})
            )
            assert code == "InternalServerError"
        with small_disk(disk, "64m"), running_cloud(project, disk) as cloud:
            dynamodb, s3 = client(cloud.endpoint, "dynamodb"), client(cloud.endpoint, "s3")
            for number in range(objects):
                assert len(s3.get_object(Bucket="plain-objects", Key=f"{number}")["Body"].read()) == 200_000
            for number in range(items):
                assert dynamodb.get_item(TableName="items", Key={"id": {"S": f"{number}"}})["Item"]
            assert objects
    finally:
        subprocess.run(["umount", "-l", str(disk)], capture_output=True)
