"""Bringing the stack up: the template goes through CloudFormation, as `sam deploy` would send it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from local import template as templates
from local.clients import LocalClients
from local.errors import StackFailed
from local.settings import LocalSettings

_BUCKET = "headrace-local-deployment"
_WAIT = {"Delay": 1, "MaxAttempts": 180}


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


def deploy(settings: LocalSettings, clients: LocalClients) -> Stack:
    """Creates or updates the stack; nothing is sent when the packaged template is the one already up.

    Raises StackFailed with CloudFormation's reasons when it does not come up.
    """
    s3, cloudformation = clients.client("s3"), clients.client("cloudformation")
    s3.create_bucket(Bucket=_BUCKET)

    def upload(key: str, body: bytes) -> None:
        s3.put_object(Bucket=_BUCKET, Key=key, Body=body)

    packaged = templates.package(settings.template, _BUCKET, upload)
    body = json.dumps(packaged, sort_keys=True)
    digest = hashlib.sha256(body.encode() + json.dumps(dict(settings.parameters)).encode()).hexdigest()
    current = _describe(cloudformation, settings.stack_name)
    if current is None or _tag(current) != digest:
        # Over 51,200 bytes a template has to come from S3.
        upload(f"{digest}.json", body.encode())
        url = f"{settings.endpoint}/{_BUCKET}/{digest}.json"
        _send(cloudformation, settings, url, digest, create=current is None)
        current = _describe(cloudformation, settings.stack_name)
    if current is None:
        raise StackFailed(f"the stack {settings.stack_name} is gone")
    return Stack({output["OutputKey"]: output["OutputValue"] for output in current.get("Outputs", [])})


def _send(cloudformation: Any, settings: LocalSettings, url: str, digest: str, *, create: bool) -> None:
    parameters = {"Stage": settings.stage, **settings.parameters}
    request = {
        "StackName": settings.stack_name,
        "TemplateURL": url,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        "Tags": [{"Key": "headrace:template", "Value": digest}],
    }
    try:
        if create:
            cloudformation.create_stack(**request)
        else:
            cloudformation.update_stack(**request)
        waiter = "stack_create_complete" if create else "stack_update_complete"
        cloudformation.get_waiter(waiter).wait(StackName=settings.stack_name, WaiterConfig=_WAIT)
    except (ClientError, WaiterError) as error:
        reasons = _failures(cloudformation, settings.stack_name)
        raise StackFailed(f"the stack {settings.stack_name} did not come up: {reasons or error}") from error


def _describe(cloudformation: Any, name: str) -> dict[str, Any] | None:
    try:
        stacks = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError:
        return None
    live = [stack for stack in stacks if not stack["StackStatus"].startswith("DELETE")]
    return live[0] if live else None


def _tag(stack: Mapping[str, Any]) -> str | None:
    tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
    return tags.get("headrace:template") if stack["StackStatus"].endswith("_COMPLETE") else None


def _failures(cloudformation: Any, name: str) -> str:
    try:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    except ClientError:
        return ""
    failed = [event for event in events if "FAILED" in event.get("ResourceStatus", "")]
    return "; ".join(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed[-3:])
