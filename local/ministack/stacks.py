"""A stack that is brought up over what an earlier start left, however that ended.

A start that is stopped or killed while CloudFormation works leaves a record that says so, or none, and some of the
stack's resources. On AWS somebody deletes such a stack and makes it anew; here its tables and buckets hold what was
acknowledged, and nobody else works on it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from local.stack import SOUND

Properties = Mapping[str, Any]
Made = tuple[str, dict[str, Any]]
"""The physical id, which `Ref` answers, and what `Fn::GetAtt` answers."""
Create = Callable[[str, Properties, str], Made]

BUCKET, TABLE, QUEUE = "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue"
TOPIC, SUBSCRIPTION = "AWS::SNS::Topic", "AWS::SNS::Subscription"
LOG_GROUP, PARAMETER = "AWS::Logs::LogGroup", "AWS::SSM::Parameter"


@contextmanager
def taken_over(name: str) -> Iterator[None]:
    """Keeps what is there already, with its data, while a stack of this name is made or updated inside.

    A record that nothing may be done with becomes one that can be updated: that is what its resources are.
    """
    from ministack.services import cloudformation
    from ministack.services.cloudformation import provisioners

    for stack in cloudformation._stacks.all_values():
        if stack["StackName"] == name and stack["StackStatus"] not in (*SOUND, "DELETE_COMPLETE"):
            _make_sound(stack)
    handlers, conflict = provisioners._RESOURCE_HANDLERS, provisioners.s3_bucket_name_conflict
    before = {kind: handlers[kind] for kind in _THERE}
    for kind, handler in before.items():
        handlers[kind] = {**handler, "create": _taking_over(name, kind, handler, provisioners)}
    provisioners.s3_bucket_name_conflict = lambda _: None
    try:
        yield
    finally:
        handlers.update(before)
        provisioners.s3_bucket_name_conflict = conflict


def _make_sound(stack: dict[str, Any]) -> None:
    stack["StackStatus"], stack["StackStatusReason"] = "UPDATE_ROLLBACK_COMPLETE", ""
    stack.pop("_failed_operation", None)
    # With other tags every resource is looked at again, also where the template is the one that was under way.
    stack["Tags"] = []


def _taking_over(name: str, kind: str, handler: Mapping[str, Any], provisioners: Any) -> Create:
    def create(logical_id: str, properties: Properties, stack_name: str) -> Made:
        there = _THERE[kind](provisioners, properties, stack_name, logical_id) if stack_name == name else None
        if there is None:
            made: Made = handler["create"](logical_id, properties, stack_name)
            return made
        if "update" not in handler:
            return there, {}
        logical = (logical_id,) if handler.get("update_with_logical_id") else ()
        updated: Made = handler["update"](there, properties, properties, stack_name, *logical)
        return updated

    return create


# Where a resource is that has the name which CloudFormation would give it: its physical id, or None.


def _bucket(provisioners: Any, properties: Properties, *_: str) -> str | None:
    name = properties.get("BucketName")
    return name if name in provisioners._s3._buckets else None


def _table(provisioners: Any, properties: Properties, stack_name: str, logical_id: str) -> str | None:
    name = properties.get("TableName") or provisioners._physical_name(stack_name, logical_id, max_len=255)
    return name if name in provisioners._dynamodb._tables else None


def _queue(provisioners: Any, properties: Properties, stack_name: str, logical_id: str) -> str | None:
    name, _ = provisioners._sqs_queue_name(properties, stack_name, logical_id)
    url: str | None = provisioners._sqs._queue_name_to_url.get(name)
    return url


def _topic(provisioners: Any, properties: Properties, stack_name: str, logical_id: str) -> str | None:
    name = properties.get("TopicName") or provisioners._physical_name(stack_name, logical_id, max_len=256)
    arn = f"arn:aws:sns:{provisioners.get_region()}:{provisioners.get_account_id()}:{name}"
    return arn if arn in provisioners._sns._topics else None


def _subscription(provisioners: Any, properties: Properties, *_: str) -> str | None:
    topic = provisioners._sns._topics.get(properties.get("TopicArn")) or {"subscriptions": []}
    wanted = properties.get("Protocol"), properties.get("Endpoint")
    arns = (each["arn"] for each in topic["subscriptions"] if (each["protocol"], each["endpoint"]) == wanted)
    return next(arns, None)


def _log_group(provisioners: Any, properties: Properties, stack_name: str, logical_id: str) -> str | None:
    name = properties.get("LogGroupName") or f"/aws/cloudformation/{stack_name}/{logical_id}"
    return name if name in provisioners._cw_logs._log_groups else None


def _parameter(provisioners: Any, properties: Properties, stack_name: str, logical_id: str) -> str | None:
    name = properties.get("Name") or f"/{stack_name}/{logical_id}"
    return name if name in provisioners._ssm._parameters else None


_THERE: Mapping[str, Callable[..., str | None]] = {
    BUCKET: _bucket,
    TABLE: _table,
    QUEUE: _queue,
    TOPIC: _topic,
    SUBSCRIPTION: _subscription,
    LOG_GROUP: _log_group,
    PARAMETER: _parameter,
}
