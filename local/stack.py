"""Bringing the stack up: the template goes through CloudFormation, as `sam deploy` would send it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from local import template as templates
from local.clients import LocalClients
from local.errors import StackFailed
from local.settings import LocalSettings

_BUCKET = "headrace-local-deployment"
_WAIT = {"Delay": 0.2, "MaxAttempts": 900}

SOUND = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
"""What a stack is updated from; one that failed, or was left in the middle, is not."""

TakenOver = Callable[[str], AbstractContextManager[None]]
"""Inside, a stack of that name is made over what there is already, and can be updated whatever became of it."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that is up: its outputs by name."""

    outputs: Mapping[str, str]

    def output(self, name: str) -> str:
        """Returns the output of that name. Raises StackFailed when the template has none."""
        if name not in self.outputs:
            raise StackFailed(f"the template has no output {name}; the local cloud needs it")
        return self.outputs[name]

    @property
    def api_id(self) -> str:
        """The HTTP API's id: the first label of its URL, or the segment after `execute-api/` in MiniStack's."""
        url = self.output("ApiUrl")
        if "/execute-api/" in url:
            return url.split("/execute-api/", 1)[1].split("/", 1)[0]
        return url.split("//", 1)[1].split(".", 1)[0]


def deploy(settings: LocalSettings, clients: LocalClients, taken_over: TakenOver) -> Stack:
    """Creates or updates the stack; nothing is sent when the packaged template is the one already up.

    One that an earlier start left in the middle, or that failed, is brought up again over what there is of it: inside
    `taken_over`. Raises StackFailed with CloudFormation's reasons when it does not come up.
    """
    s3, cloudformation = clients.client("s3"), clients.client("cloudformation")
    s3.create_bucket(Bucket=_BUCKET)

    def upload(key: str, body: Callable[[], bytes]) -> None:
        # Keys are digests of what they stand for.
        if not s3.list_objects_v2(Bucket=_BUCKET, Prefix=key).get("KeyCount"):
            s3.put_object(Bucket=_BUCKET, Key=key, Body=body())

    packaged = templates.package(settings.template, _BUCKET, upload)
    body = json.dumps(packaged, sort_keys=True)
    digest = hashlib.sha256(body.encode() + json.dumps(dict(settings.parameters)).encode()).hexdigest()
    current = _describe(cloudformation, settings.stack_name)
    if current is None or _tag(current) != digest:
        # Over 51,200 bytes a template has to come from S3.
        upload(f"{digest}.json", body.encode)
        url = f"{settings.endpoint}/{_BUCKET}/{digest}.json"
        request = _request(settings, url, digest)
        if current is not None and _tag(current):
            _send(cloudformation, "update", request)
        else:
            with taken_over(settings.stack_name):
                # What a rollback would delete may hold what was acknowledged; the next start tries again instead.
                _send(cloudformation, "update" if current else "create", {**request, "DisableRollback": True})
        current = _describe(cloudformation, settings.stack_name)
    if current is None:
        raise StackFailed(f"the stack {settings.stack_name} is gone")
    return Stack({output["OutputKey"]: output["OutputValue"] for output in current.get("Outputs", [])})


def _request(settings: LocalSettings, url: str, digest: str) -> dict[str, Any]:
    parameters = {"Stage": settings.stage, **settings.parameters}
    return {
        "StackName": settings.stack_name,
        "TemplateURL": url,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        "Tags": [{"Key": "headrace:template", "Value": digest}],
    }


def _send(cloudformation: Any, verb: str, request: Mapping[str, Any]) -> None:
    name = request["StackName"]
    try:
        getattr(cloudformation, f"{verb}_stack")(**request)
        cloudformation.get_waiter(f"stack_{verb}_complete").wait(StackName=name, WaiterConfig=_WAIT)
    except (ClientError, WaiterError) as error:
        raise StackFailed(f"the stack {name} did not come up: {_failures(cloudformation, name) or error}") from error


def _describe(cloudformation: Any, name: str) -> dict[str, Any] | None:
    try:
        stacks = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError:
        return None
    live = [stack for stack in stacks if stack["StackStatus"] != "DELETE_COMPLETE"]
    return live[0] if live else None


def _tag(stack: Mapping[str, Any]) -> str | None:
    """Returns which template is up; None where an earlier start left the stack in the middle, or failed."""
    tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
    return tags.get("headrace:template") if stack["StackStatus"] in SOUND else None


def _failures(cloudformation: Any, name: str) -> str:
    try:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    except ClientError:
        return ""
    failed = [event for event in events if "FAILED" in event.get("ResourceStatus", "")]
    return "; ".join(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed[-3:])
