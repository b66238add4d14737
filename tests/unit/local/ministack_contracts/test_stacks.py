"""A stack is brought up over what is there; and the names of MiniStack's CloudFormation that this stands on."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ministack.services import cloudformation
from ministack.services.cloudformation import handlers, provisioners
from ministack.services.cloudformation import stacks as ministack_stacks

from local.ministack import stacks
from local.stack import SOUND

STACK = "headrace-test"
PROPERTIES: Mapping[str, Mapping[str, Any]] = {
    stacks.BUCKET: {"BucketName": "kept-bucket"},
    stacks.TABLE: {
        "TableName": "kept-table",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    },
    stacks.QUEUE: {"QueueName": "kept-queue"},
    stacks.TOPIC: {},
    stacks.LOG_GROUP: {"LogGroupName": "/kept"},
    stacks.PARAMETER: {"Name": "/kept", "Type": "String", "Value": "1"},
}


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    modules = [getattr(provisioners, name) for name in ("_s3", "_dynamodb", "_sqs", "_sns", "_cw_logs", "_ssm")]
    for module in modules:
        module.reset()
    yield
    cloudformation._stacks.clear()
    for module in modules:
        module.reset()


def made(kind: str, stack: str = STACK) -> str:
    physical_id, _ = provisioners._provision_resource(kind, "Logical", dict(PROPERTIES[kind]), stack)
    return str(physical_id)


@pytest.mark.parametrize("kind", PROPERTIES)
def test_what_is_there_is_taken_over_and_keeps_what_it_holds(kind: str) -> None:
    physical_id = made(kind)
    stores = {
        stacks.BUCKET: lambda: provisioners._s3._buckets[physical_id]["objects"],
        stacks.TABLE: lambda: provisioners._dynamodb._tables[physical_id]["items"],
        stacks.QUEUE: lambda: provisioners._sqs._queues[physical_id]["messages"],
        stacks.TOPIC: lambda: provisioners._sns._topics[physical_id]["subscriptions"],
        stacks.LOG_GROUP: lambda: provisioners._cw_logs._log_groups[physical_id]["streams"],
        stacks.PARAMETER: lambda: provisioners._ssm._parameters,
    }
    before = stores[kind]()
    with stacks.taken_over(STACK):
        assert made(kind) == physical_id
    assert stores[kind]() is before


def test_a_subscription_that_is_there_is_not_made_twice() -> None:
    topic = made(stacks.TOPIC)
    properties = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:000000000000:q"}
    first, _ = provisioners._provision_resource(stacks.SUBSCRIPTION, "S", properties, STACK)
    with stacks.taken_over(STACK):
        assert provisioners._provision_resource(stacks.SUBSCRIPTION, "S", properties, STACK)[0] == first
    assert len(provisioners._sns._topics[topic]["subscriptions"]) == 1


def test_another_stack_and_a_later_one_meet_what_is_there_as_on_aws() -> None:
    made(stacks.BUCKET)
    with stacks.taken_over(STACK), pytest.raises(ValueError, match="already exists"):
        made(stacks.BUCKET, "another")
    with pytest.raises(ValueError, match="already exists"):
        made(stacks.BUCKET)
    assert provisioners.s3_bucket_name_conflict("kept-bucket") is not None


@pytest.mark.parametrize(
    "status",
    ["CREATE_FAILED", "CREATE_IN_PROGRESS", "UPDATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"],
)
def test_a_stack_that_was_left_in_the_middle_can_be_updated(status: str) -> None:
    for name in (STACK, "another"):
        cloudformation._stacks[name] = {"StackName": name, "StackStatus": status, "Tags": [{"Key": "a", "Value": "b"}]}
    with stacks.taken_over(STACK):
        pass
    assert cloudformation._stacks[STACK]["StackStatus"] in SOUND
    assert cloudformation._stacks[STACK]["Tags"] == []
    assert cloudformation._stacks["another"]["StackStatus"] == status


def test_what_is_updated_is_what_we_take_for_sound() -> None:
    source = inspect.getsource(handlers._update_stack)
    assert all(f'"{status}"' in source for status in SOUND)
    assert "_stack_tags_changed(stack, tags, tags_given)" in inspect.getsource(handlers._stack_has_no_updates)


def test_the_names_that_a_take_over_stands_on_are_there() -> None:
    for kind in (*PROPERTIES, stacks.SUBSCRIPTION):
        handler = provisioners._RESOURCE_HANDLERS[kind]
        assert callable(handler["create"])
        assert callable(handler["update"])
    assert "s3_bucket_name_conflict,\n" in inspect.getsource(ministack_stacks._validation_errors)
    assert "_RESOURCE_HANDLERS.get(resource_type)" in inspect.getsource(provisioners._provision_resource)
    assert callable(cloudformation._stacks.all_values)
