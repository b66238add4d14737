"""A burst of photos: repeated, overtaken and overwritten events, and what became of every single one.

1,000 PUTs over 12 connections, a tenth with a face; one key in ten is put again with other bytes, three deliveries in
ten come twice. The rule of the stack is disabled and a rule of ours keeps the real events in a queue: what EventBridge
may do at its worst (repeat, reorder) is done here with them, on purpose. BENCH_UPLOADS gives another count.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from bench import clouds
from bench.clouds import ARTIFACTS, UPLOADS, Cloud
from bench.measure import ROOT, Row, folder

_UPLOADS = int(os.environ.get("BENCH_UPLOADS", "1000"))
_OVERWRITTEN, _REPEATED, _REORDERED = 0.1, 0.3, 0.1
_CONNECTIONS = 12
_SEED = 20261201
_SAMPLES = ROOT / "algorithms" / "face_aging" / "samples"
_FACE, _NO_FACE = "astronaut.jpg", "no_face.jpg"
_FACES = 10
"""Of so many photos one has a face, and ends well; the model takes a second for it."""
_PATTERN = {"source": ["aws.s3"], "detail": {"bucket": {"name": [UPLOADS]}, "object": {"key": [{"prefix": "images/"}]}}}


@dataclass(frozen=True, slots=True)
class Put:
    """A version of an object that S3 has acknowledged."""

    key: str
    version: str
    body: bytes
    status: str
    """Its job's, in the end."""


def run() -> Iterator[Row]:
    """The seconds until each upload has its end, and one row for what was delivered."""
    draw = random.Random(_SEED)
    with folder() as name, clouds.headrace(Path(name)) as cloud:
        bus = _Bus(cloud)
        start = time.perf_counter()
        puts = _uploaded(cloud)
        sent = time.perf_counter() - start
        executions = bus.deliver(len(puts), draw)
        bus.idle()
        took = time.perf_counter() - start
        decisions = _accounted(cloud, puts, executions)
    told = ", ".join(f"{count:,} {decision}" for decision, count in sorted(decisions.items()))
    yield Row(f"{len(puts):,} photos put over {_CONNECTIONS} connections, {len(puts) / sent:,.0f}/s", f"{sent:.1f} s")
    yield Row(f"{len(executions):,} deliveries, each accounted for: {told}", f"{took:.1f} s")


def _uploaded(cloud: Cloud) -> list[Put]:
    """Puts distinct photos; every tenth key twice, the second version right behind the first."""
    s3, again = cloud.client("s3"), int(_UPLOADS * _OVERWRITTEN)
    photos = {status: (_SAMPLES / name).read_bytes() for status, name in (("SUCCESS", _FACE), ("FAILURE", _NO_FACE))}

    def put(number: int) -> list[Put]:
        key, puts = f"images/burst-{number}.jpg", []
        status = "FAILURE" if number % _FACES else "SUCCESS"
        for turn in range(2 if number < again else 1):
            body = _commented(photos[status], f"{number}.{turn}")
            puts.append(Put(key, s3.put_object(Bucket=UPLOADS, Key=key, Body=body)["VersionId"], body, status))
        return puts

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        return list(chain.from_iterable(pool.map(put, range(_UPLOADS - again))))


def _commented(photo: bytes, text: str) -> bytes:
    """Returns the photo with a JPEG comment of its own, right behind the start of the image."""
    comment = text.encode()
    return photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]


class _Bus:
    """The events of the uploads, delivered by us: some twice, some late."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._states, self._sqs = cloud, cloud.client("stepfunctions"), cloud.client("sqs")
        events = cloud.client("events")
        queue = self._sqs.create_queue(QueueName="burst")
        self._queue = queue["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        events.put_rule(Name="burst", EventPattern=json.dumps(_PATTERN))
        events.put_targets(Rule="burst", Targets=[{"Id": "1", "Arn": arn}])
        machines = self._states.list_state_machines()["stateMachines"]
        self._machine = next(each["stateMachineArn"] for each in machines if each["name"].endswith("-face-processing"))
        for rule in events.list_rule_names_by_target(TargetArn=self._machine)["RuleNames"]:
            events.disable_rule(Name=rule)

    def deliver(self, count: int, draw: random.Random) -> list[str]:
        """Starts an execution for each delivery; returns their ARNs."""
        deliveries = self._received(count)
        deliveries += draw.sample(deliveries, int(count * _REPEATED))
        late = set(draw.sample(range(len(deliveries)), int(len(deliveries) * _REORDERED)))
        turn = [place + (draw.randrange(len(deliveries)) if place in late else 0) for place in range(len(deliveries))]
        ordered = [deliveries[place] for place in sorted(range(len(deliveries)), key=turn.__getitem__)]

        def start(event: str) -> str:
            arn: str = self._states.start_execution(stateMachineArn=self._machine, input=event)["executionArn"]
            return arn

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            return list(pool.map(start, ordered))

    def idle(self) -> None:
        """Waits until nothing runs any more."""
        running = {"stateMachineArn": self._machine, "statusFilter": "RUNNING", "maxResults": 1}
        while self._states.list_executions(**running)["executions"]:
            time.sleep(0.2)

    def _received(self, count: int) -> list[str]:
        events: dict[str, str] = {}
        while len(events) < count:
            answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)
            for message in answer.get("Messages", []):
                events[json.loads(message["Body"])["id"]] = message["Body"]
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return list(events.values())


def _accounted(cloud: Cloud, puts: list[Put], executions: list[str]) -> Counter[str]:
    """Compares what was put with what became of it.

    Raises:
        RuntimeError: an upload has no end or two, a delivery has no decision, or a job read other bytes than its own.
    """
    jobs = {_of(item): item for item in cloud.items("jobs") if "object" in item}
    deliveries = [item for item in cloud.items("ledger") if "decision" in item]
    by_execution = {item["execution"]["S"]: item["decision"]["S"] for item in deliveries}
    _demand(set(executions) <= set(by_execution), "an execution is not in the ledger")
    decisions = Counter(by_execution[execution] for execution in executions)
    without = [put for put in puts if (put.key, put.version) not in jobs]
    newest = {put.key: put.version for put in puts}
    _demand(len(jobs) == decisions["started"], f"{len(jobs)} jobs, {decisions['started']} deliveries that started one")
    _demand(all(newest[put.key] != put.version for put in without), "a newest version has no job")
    s3 = cloud.client("s3")
    for put in puts:
        if (job := jobs.get((put.key, put.version))) is not None:
            _demand(job["status"]["S"] == put.status, f"{put.key}: {job}")
            _demand(_input(s3, job["job_id"]["S"]) == put.body, f"{put.key}: its job read other bytes")
    return decisions


def _of(item: Mapping[str, Any]) -> tuple[str, str]:
    source = item["source"]["M"]
    return source["key"]["S"], source["version_id"]["S"]


def _input(s3: Any, job_id: str) -> bytes:
    listed = s3.list_objects_v2(Bucket=ARTIFACTS, Prefix=f"runs/{job_id}/input/")["Contents"]
    body: bytes = s3.get_object(Bucket=ARTIFACTS, Key=listed[0]["Key"])["Body"].read()
    return body


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RuntimeError(otherwise)
