"""The state directory as a kill leaves it at each step of a first boot, an update and a stop; and starts from there.

`python -m tests.crash.boots record FOLDER` boots a local cloud once and copies its directory before every resource of
the stack and before every phase of the stop. `... start FOLDER...` starts from each copy, and prints a line of
JSON for it. A cloud has a process of its own: MiniStack keeps its state in module globals.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from local import ministack, stack
from local.cloud import LocalCloud
from local.settings import LocalSettings, free_port

TABLE, QUEUE, BUCKET, LOG_GROUP, PARAMETER = "kept-table", "kept-queue", "kept-bucket", "/kept", "/kept/parameter"
STACK = "headrace-dev"

_FIRST: dict[str, Any] = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Parameters": {"Stage": {"Type": "String"}},
    "Resources": {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": BUCKET}},
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": TABLE,
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            },
        },
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": QUEUE}},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "kept-topic"}},
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Topic"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["Queue", "Arn"]},
            },
        },
        "LogGroup": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": LOG_GROUP}},
        "Parameter": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": PARAMETER, "Type": "String", "Value": {"Ref": "Table"}},
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "StateMachineName": "kept-machine",
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "DefinitionString": '{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}',
            },
        },
    },
    "Outputs": {"Queue": {"Value": {"Ref": "Queue"}}},
}


def templates(folder: Path) -> tuple[Path, Path]:
    """Writes the template, and what becomes of it: something new, something changed, something gone."""
    second = json.loads(json.dumps(_FIRST))
    del second["Resources"]["LogGroup"]
    second["Resources"]["Parameter"]["Properties"]["Value"] = "second"
    second["Resources"]["Queue"]["Properties"]["VisibilityTimeout"] = 60
    second["Resources"]["Another"] = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "another-queue"}}
    for name, template in (("first", _FIRST), ("second", second)):
        (folder / f"{name}.json").write_text(json.dumps(template))
    return folder / "first.json", folder / "second.json"


def settings_of(folder: Path, template: Path) -> LocalSettings:
    return LocalSettings(
        template=template,
        state_dir=folder / "state",
        cache_dir=folder / "cache",
        port=free_port(),
        isolation="base-dir",
    )


class Copies:
    """What a kill would leave now."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.phase = "boot"
        self._number = 0

    def take(self, what: str) -> None:
        from local.ministack import persistence

        self._number += 1
        target = self._folder / f"{self._number:02}-{self.phase}-{what}"
        with persistence._open[0]._lock:
            shutil.copytree(self._folder / "state", target / "state", ignore=shutil.ignore_patterns("*-shm", "tmp"))

    def at_every_event(self, progress: str) -> None:
        """Begins once MiniStack is there and the stack is not."""
        if progress != "bringing the stack up":
            return
        from ministack.services.cloudformation import handlers, stacks

        from local.ministack import persistence

        add: Callable[..., None] = stacks._add_event
        self.take("before")

        def add_and_take(*arguments: Any, **options: Any) -> None:
            add(*arguments, **options)
            resource, status = arguments[2], arguments[4]
            # What a resource's end leaves, the next one's begin leaves, too.
            if arguments[1] == STACK and (resource == STACK or status.endswith("_IN_PROGRESS")):
                # As an operation that takes long is saved in its middle, and one that is stopped.
                persistence.save()
                self.take(f"{resource}-{status}")

        stacks._add_event = handlers._add_event = add_and_take

    def before(self, owner: Any, name: str) -> None:
        ends = getattr(owner, name)

        def take_and_end() -> None:
            self.take(name)
            ends()

        setattr(owner, name, take_and_end)


def record(folder: Path) -> None:
    from local.ministack import persistence

    first, second = templates(folder)
    copies = Copies(folder)
    settings = settings_of(folder, first)
    with LocalCloud(settings, copies.at_every_event) as cloud:
        acknowledge(cloud)
        copies.phase = "update"
        cloud.stack = stack.deploy(replace(settings, template=second), cloud.clients, ministack.taken_over)
        copies.phase = "stop"
        for owner in (cloud.stepfunctions, cloud.sagemaker):
            copies.before(owner, "stop")
        copies.before(persistence, "interrupt")
        copies.before(persistence, "close_state")
    shutil.copytree(folder / "state", folder / "99-stop-after" / "state")


def acknowledge(cloud: LocalCloud) -> None:
    cloud.client("dynamodb").put_item(TableName=TABLE, Item={"id": {"S": "acknowledged"}})
    cloud.client("s3").put_object(Bucket=BUCKET, Key="acknowledged", Body=b"whole")
    queue = cloud.client("sqs").get_queue_url(QueueName=QUEUE)["QueueUrl"]
    cloud.client("sqs").send_message(QueueUrl=queue, MessageBody="acknowledged")


def start(folder: Path) -> dict[str, Any]:
    """Starts from a copy, and returns what is there."""
    is_boot = "-boot-" in folder.name
    template = folder.parent / ("first.json" if is_boot else "second.json")
    with LocalCloud(settings_of(folder, template)) as cloud:
        sqs = cloud.client("sqs")
        queue = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
        resources = cloud.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
        return {
            "folder": folder.name,
            "resources": sorted(resource["LogicalResourceId"] for resource in resources),
            "items": cloud.client("dynamodb").scan(TableName=TABLE)["Count"],
            "objects": cloud.client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"],
            "messages": len(sqs.receive_message(QueueUrl=queue).get("Messages", [])),
            "subscriptions": len(cloud.client("sns").list_subscriptions()["Subscriptions"]),
            "parameter": cloud.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"],
            "machines": len(cloud.client("stepfunctions").list_state_machines()["stateMachines"]),
        }


def main() -> None:
    if sys.argv[1] == "record":
        record(Path(sys.argv[2]))
        return
    for name in sys.argv[2:]:
        # What is imported until here is imported once.
        child = os.fork()
        if child == 0:
            print(json.dumps(start(Path(name))), flush=True)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
