"""A MiniStack of its own for the machines: stub functions, a topic, a table, and a queue of ended executions."""

import io
import json
import os
import re
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config

REGION: Final = "us-east-1"
ACCOUNT: Final = "000000000000"

STUB: Final = '''
import json
import boto3


def _of_deployment(name, event, context):
    """Fails where the name of the endpoint, or of its config, says so."""
    where = event.get("endpoint_config") or event.get("endpoint") or (
        event["plan"]["candidate"]["endpoint"] if event["candidate"] else event["plan"]["endpoint_config"]
    )
    if name == "CheckEndpoint" and "mute" in where:
        raise RuntimeError("no answer")
    if name != "ApplyDeployment":
        return None
    client = boto3.client("stepfunctions", region_name="us-east-1")
    if "-" in where and where.partition("-")[0] in ("Superseded", "EndpointRolledBack"):
        client.send_task_failure(taskToken=event["token"], error=where.partition("-")[0], cause="so it was")
    else:
        client.send_task_success(taskToken=event["token"], output=json.dumps({"config": where}))


def handler(event, context):
    """Answers by its own name; what it answers stands in the execution's input."""
    name = context.function_name
    if name == "ClaimDeployment":
        return event["input"]["claim"]
    told = event.get("job") or event.get("state") or {}
    script = told.get("script") or event.get("script") or event.get("plan", {}).get("script")
    if name in ("PrepareDeployment", "PlanRollback"):
        return script[name]
    if name in ("CheckEndpoint", "DropEndpoint", "ApplyDeployment"):
        return _of_deployment(name, event, context)
    if name == "ClaimUpload":
        return event["input"]["chain" if "only" in event and "chain" in event["input"] else "claim"]
    if name == "PlanRetraining":
        return event["input"]["plan"]
    if name == "RecordFailure":
        failure = event["state"]["failure"]
        answer = {"job_id": event["state"].get("job_id"), "code": failure["Error"], "message": failure["Cause"]}
        users = failure["Error"] in ("UploadRejected", "ImageRejected", "PipelineStopped", "Superseded")
        return {**answer, "status": "FAILURE", "answerable": "user" if users else "operator"}
    if name == "ReadCrop":
        if event["index"] in event["read"]["unreadable"]:
            raise RuntimeError("nothing to read")
        return {"index": event["index"]}
    if name == "CollectTexts":
        return event["crops"]
    if name == "DetectBoxes":
        if "error" in event["job"]:
            raise RuntimeError(event["job"]["error"])
        return event["job"]["detected"]
    if name == "SplitResult":
        return {"images": [event["output"]["key"] + "/" + label for label in event["labels"]]}
    answers = event["job"]["answers"] if "job" in event else {"AwaitEndpoint": {"endpoint": event.get("endpoint")}}
    answer = answers[name]
    client = boto3.client("stepfunctions", region_name="us-east-1")
    if "error" in answer:
        client.send_task_failure(taskToken=event["token"], error=answer["error"], cause=answer["cause"])
    else:
        client.send_task_success(taskToken=event["token"], output=json.dumps(answer))
'''


@dataclass(frozen=True, slots=True)
class Ended:
    """An execution that ended."""

    status: str
    states: list[str]
    """Names in the order they were entered."""
    output: Any
    error: str | None


@dataclass(frozen=True, slots=True)
class Emulator:
    """Clients of one emulator in which machines run."""

    states: Any
    dynamodb: Any
    sqs: Any
    ended_queue: str
    jobs_queue: str

    def run(self, machine: str, name: str, data: dict[str, Any]) -> Ended:
        """Start an execution and wait for the event that says it ended."""
        arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{machine}"
        execution = self.states.start_execution(stateMachineArn=arn, name=name, input=json.dumps(data))["executionArn"]
        self._until_ended(execution)
        told = self.states.describe_execution(executionArn=execution)
        history = self.states.get_execution_history(executionArn=execution, maxResults=1000)["events"]
        entered = [
            event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event
        ]
        output = json.loads(told["output"]) if told["status"] == "SUCCEEDED" else None
        return Ended(told["status"], entered, output, told.get("error"))

    def job(self, job_id: str) -> dict[str, Any]:
        """A row of the jobs table."""
        item: dict[str, Any] = self.dynamodb.get_item(TableName="jobs", Key={"job_id": {"S": job_id}})["Item"]
        return item

    def put_job(self, job_id: str, status: str) -> None:
        """A row as the claim leaves it."""
        row = {"job_id": {"S": job_id}, "status": {"S": status}, "step": {"S": "Train"}}
        self.dynamodb.put_item(TableName="jobs", Item=row)

    def notification(self) -> dict[str, Any]:
        """The next message of the jobs topic."""
        body = json.loads(self._next(self.jobs_queue)["Body"])
        message: dict[str, Any] = json.loads(body["Message"])
        return message

    def _until_ended(self, execution: str) -> None:
        for _ in range(60):
            event = json.loads(self._next(self.ended_queue)["Body"])
            if event["detail"]["executionArn"] == execution:
                return
        raise AssertionError(f"{execution} did not end")

    def _next(self, queue: str) -> dict[str, Any]:
        answer = self.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20, MaxNumberOfMessages=1)
        message: dict[str, Any] = answer["Messages"][0]
        self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return message


@contextmanager
def emulator(folder: Path, machines: dict[str, str]) -> Iterator[Emulator]:
    """A running emulator with the given machines, ASL with substitutions, by name."""
    port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "ministack"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env={
            **os.environ,
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "TMPDIR": str(folder),
        },
    )
    try:
        _until_ready(process)
        yield _deployed(f"http://127.0.0.1:{port}", machines)
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _until_ready(process: subprocess.Popen[str]) -> None:
    if process.stdout is None:
        raise AssertionError("expected the emulator's output")
    for line in process.stdout:
        if "Running on http" in line:
            return
    raise AssertionError("the emulator ended before it was ready")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _deployed(url: str, machines: dict[str, str]) -> Emulator:
    session = boto3.Session("test", "test", region_name=REGION)
    config = Config(read_timeout=60)

    def client(service: Any) -> Any:
        return session.client(service, endpoint_url=url, config=config)

    sqs, sns, events, states = client("sqs"), client("sns"), client("events"), client("stepfunctions")
    dynamodb = client("dynamodb")
    dynamodb.create_table(
        TableName="jobs",
        KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "job_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    topic = sns.create_topic(Name="jobs")["TopicArn"]
    jobs_queue, ended_queue = _queue(sqs, "jobs"), _queue(sqs, "ended")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=_arn("sqs", "jobs"))
    events.put_rule(
        Name="ended",
        EventPattern=json.dumps(
            {"source": ["aws.states"], "detail": {"status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]}}
        ),
    )
    events.put_targets(Rule="ended", Targets=[{"Id": "queue", "Arn": _arn("sqs", "ended")}])
    for name, text in machines.items():
        definition = _substituted(text, topic, _functions(client("lambda"), text))
        states.create_state_machine(name=name, definition=definition, roleArn=_role())
    return Emulator(states, dynamodb, sqs, ended_queue, jobs_queue)


def _queue(sqs: Any, name: str) -> str:
    url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url


def _functions(client: Any, text: str) -> dict[str, str]:
    names = sorted(set(re.findall(r"\$\{(\w+)FunctionArn\}", text)))
    existing = {item["FunctionName"] for item in client.list_functions()["Functions"]}
    for name in names:
        if name not in existing:
            client.create_function(
                FunctionName=name,
                Runtime="python3.11",
                Role=_role(),
                Handler="stub.handler",
                Code={"ZipFile": _zip()},
                Timeout=30,
            )
    return {f"{name}FunctionArn": _arn("lambda", f"function:{name}") for name in names}


def _substituted(text: str, topic: str, functions: dict[str, str]) -> str:
    values = {
        "Partition": "aws",
        "JobsTable": "jobs",
        "JobsTopicArn": topic,
        "TrainingStateMachineArn": _arn("states", "stateMachine:training"),
        "ChainedInferenceStateMachineArn": _arn("states", "stateMachine:chained_inference"),
        **functions,
    }
    return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def _role() -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/stub"


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("stub.py", STUB)
    return buffer.getvalue()
