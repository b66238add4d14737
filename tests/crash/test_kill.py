"""Hundreds of executions in a local cloud that is killed again and again: each ends as it would have, once."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from tests.crash import histories
from tests.crash.flows import MACHINES, Machine, project
from tests.walk.cloud import Cloud, running_cloud, until

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("kill")]

_EACH = 45
"""Executions of each state machine."""
_KILLS = 3
_SECONDS_TO_A_KILL = (0.2, 3.0)
_END_SECONDS = 60.0
_AT_ONCE_SECONDS = 10.0
_ROLE = "arn:aws:iam::000000000000:role/states"
_OVER = ("TaskTimedOut", "TaskDoesNotExist")


@dataclass
class Started:
    machine: Machine
    name: str
    value: Mapping[str, Any]
    arn: str = ""
    """Once it was acknowledged."""


@dataclass
class Client:
    """Starts executions and holds task tokens; what was not answered it asks for again after the restart."""

    runs: list[Started]
    machines: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    """By the name of the execution; some are answered only after the next kill."""
    answered: set[str] = field(default_factory=set)
    ready: list[float] = field(default_factory=list)
    """When the local cloud could be asked."""
    halt: threading.Event = field(default_factory=threading.Event)

    def make_machines(self, states: Any) -> None:
        for machine in MACHINES:
            made = states.create_state_machine(
                name=machine.name, definition=json.dumps(machine.definition), roleArn=_ROLE
            )
            self.machines[machine.name] = made["stateMachineArn"]

    def start_the_rest(self, endpoint: str) -> None:
        states = _client(endpoint, "stepfunctions")
        for run in self.runs:
            if self.halt.is_set():
                return
            if run.arn:
                continue
            # The same name and input: a start that was lost on the way back gives the same execution, or says that it
            # ended already.
            machine = self.machines[run.machine.name]
            try:
                run.arn = states.start_execution(stateMachineArn=machine, name=run.name, input=json.dumps(run.value))[
                    "executionArn"
                ]
            except states.exceptions.ExecutionAlreadyExists:
                run.arn = f"{machine.replace(':stateMachine:', ':execution:')}:{run.name}"
            except (BotoCoreError, HTTPClientError):
                continue

    def answer(self, endpoint: str, held: Mapping[str, str]) -> None:
        """These of its tokens."""
        states = _client(endpoint, "stepfunctions")
        for name, token in held.items():
            if name in self.answered:
                continue
            try:
                states.send_task_success(taskToken=token, output=json.dumps(name))
            except ClientError as error:
                if error.response["Error"]["Code"] not in _OVER:
                    raise
                # Answered before a kill that took the acknowledgement.
            except (BotoCoreError, HTTPClientError):
                return
            self.answered.add(name)

    def take_tokens(self, endpoint: str) -> None:
        sqs = _client(endpoint, "sqs")
        with suppress(BotoCoreError, HTTPClientError):
            url = sqs.get_queue_url(QueueName="tokens")["QueueUrl"]
            while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
                for message in messages:
                    told = json.loads(message["Body"])
                    # A task that is asked for once more after a kill has the same token.
                    assert self.tokens.setdefault(told["name"], told["token"]) == told["token"]
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_hundreds_of_executions_end_once_though_the_cloud_is_killed_under_them(tmp_path: Path) -> None:
    seed = int(os.environ.get("HEADRACE_SEED", random.randrange(1 << 32)))
    print(f"HEADRACE_SEED={seed}")
    draw = random.Random(seed)
    client = Client(
        [
            Started(machine, f"{machine.name}-{number}", machine.made(draw))
            for number in range(_EACH)
            for machine in MACHINES
        ]
    )
    folder = project(tmp_path / "project")
    for number in range(_KILLS):
        with killed_cloud(folder, tmp_path, client) as cloud, starting(client, cloud.endpoint):
            alive_for(draw.uniform(*_SECONDS_TO_A_KILL), cloud.endpoint, client, needs_tokens=number == _KILLS - 1)
            os.killpg(cloud.process.pid, signal.SIGKILL)
            client.halt.set()
    with running_cloud(folder, tmp_path) as cloud:
        client.ready.append(time.time())
        client.halt.clear()
        client.start_the_rest(cloud.endpoint)
        assert all(run.arn for run in client.runs)
        everything_ends(cloud.endpoint, client)
        with ThreadPoolExecutor(4) as pool:
            problems = [
                found for found in pool.map(lambda run: wrong(cloud.endpoint, run, client), client.runs) if found
            ]
    assert not problems, "\n".join(problems[:20])


# The claims.


def everything_ends(endpoint: str, client: Client) -> None:
    states = _client(endpoint, "stepfunctions")

    def over() -> bool | None:
        client.take_tokens(endpoint)
        client.answer(endpoint, dict(client.tokens))
        running = [
            arn
            for arn in client.machines.values()
            if states.list_executions(stateMachineArn=arn, statusFilter="RUNNING")["executions"]
        ]
        return True if not running else None

    until(over, "the end of every execution", _END_SECONDS)
    for machine in MACHINES:
        pages = states.get_paginator("list_executions").paginate(stateMachineArn=client.machines[machine.name])
        names = [one["name"] for page in pages for one in page["executions"]]
        assert sorted(names) == sorted(run.name for run in client.runs if run.machine is machine)


def wrong(endpoint: str, run: Started, client: Client) -> str:
    """What is wrong with an execution; nothing where it ended as it would have."""
    states = _client(endpoint, "stepfunctions")
    told = states.describe_execution(executionArn=run.arn)
    expected = run.machine.expected(run.value, run.name)
    found = told.get("error") if told["status"] == "FAILED" else json.loads(told.get("output", "null"))
    if (told["status"], found) != (run.machine.status, expected):
        return f"{run.name} {run.value}: expected {run.machine.status} {expected}, found {told['status']} {found}"
    pages = states.get_paginator("get_execution_history").paginate(executionArn=run.arn)
    history = [event for page in pages for event in page["events"]]
    try:
        histories.check(history, told["status"])
        _waited_right(history, run, client.ready)
        _children_ended(states, run)
    except AssertionError as error:
        return f"{run.name}: {error}"
    return ""


def _waited_right(history: list[dict[str, Any]], run: Started, ready: list[float]) -> None:
    """Never shorter than it should, and no longer than until the local cloud was there again."""
    if run.machine.name != "waits":
        return
    entered = {event["id"]: event for event in history if event["type"] == "WaitStateEntered"}
    left = [event for event in history if event["type"] == "WaitStateExited"]
    for event, seconds in zip(left, (run.value["seconds"], 1), strict=True):
        due = entered[event["previousEventId"]]["timestamp"].timestamp() + seconds
        now = event["timestamp"].timestamp()
        assert now >= due - 0.002, f"left {due - now} s early"
        there = min((moment for moment in ready if moment >= due), default=due)
        assert now <= max(due, there) + _AT_ONCE_SECONDS, f"left {now - due} s late"


def _children_ended(states: Any, run: Started) -> None:
    if run.machine.name == "spread":
        (map_run,) = states.list_map_runs(executionArn=run.arn)["mapRuns"]
        counts = states.describe_map_run(mapRunArn=map_run["mapRunArn"])["itemCounts"]
        assert counts["total"] == counts["succeeded"] == len(run.value["values"]), counts


# The world.


def alive_for(seconds: float, endpoint: str, client: Client, *, needs_tokens: bool) -> None:
    """Take tokens, and answer half of those of before the last kill; the others wait for the next."""
    held = dict(list(client.tokens.items())[::2])
    deadline = time.monotonic() + seconds

    def is_time() -> bool | None:
        client.take_tokens(endpoint)
        enough = client.tokens.keys() - held.keys() or not needs_tokens
        return True if enough and time.monotonic() >= deadline else None

    until(is_time, "task tokens", seconds + _END_SECONDS)
    client.answer(endpoint, held)


@contextmanager
def killed_cloud(folder: Path, state: Path, client: Client) -> Iterator[Cloud]:
    """A local cloud that the test kills, with its functions' processes."""
    with running_cloud(folder, state, ended_by=signal.SIGKILL) as cloud:
        client.ready.append(time.time())
        if not client.machines:
            client.make_machines(_client(cloud.endpoint, "stepfunctions"))
        yield cloud


@contextmanager
def starting(client: Client, endpoint: str) -> Iterator[None]:
    client.halt.clear()
    thread = threading.Thread(target=client.start_the_rest, args=(endpoint,))
    thread.start()
    try:
        yield
    finally:
        client.halt.set()
        thread.join(30)
        assert not thread.is_alive()


@cache
def _client(endpoint: str, service: str) -> Any:
    """It tries once: an answer that did not come is not asked for again."""
    session: Any = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)
    return session.client(service, endpoint_url=endpoint, config=config)
