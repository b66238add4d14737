"""What others are told of executions: EventBridge and CloudWatch Logs."""

import json
import re
from typing import Any

import pytest

from local.stepfunctions.executionlogs import is_logged
from tests.unit.local.stepfunctions.api.cloud import ENDLESS, definition
from tests.unit.local.stepfunctions.api.conftest import World

_MEMBERS = {
    "executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate", "input", "inputDetails", "output",
    "outputDetails", "error", "cause", "stateMachineVersionArn", "stateMachineAliasArn", "redriveCount", "redriveDate",
    "redriveStatus", "redriveStatusReason",
}  # fmt: skip


def _statuses(world: World) -> list[str]:
    return [event["detail"]["status"] for event in world.cloud.events]


def test_the_bus_is_told_of_each_change(world: World) -> None:
    machine = world.machine()
    arn = world.execution(machine, name="n", input='{"a": 1}')
    world.cloud.wait_for(lambda: len(world.cloud.events) == 2)
    begun, ended = world.cloud.events
    assert begun["source"] == "aws.states"
    assert begun["detail-type"] == "Step Functions Execution Status Change"
    assert begun["resources"] == [arn]
    assert begun["detail"].keys() == ended["detail"].keys() == _MEMBERS
    assert begun["detail"] | {"startDate": 0} == {
        "executionArn": arn,
        "stateMachineArn": machine,
        "name": "n",
        "status": "RUNNING",
        "startDate": 0,
        "stopDate": None,
        "input": '{"a": 1}',
        "inputDetails": {"included": True},
        "output": None,
        "outputDetails": None,
        "error": None,
        "cause": None,
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": 0,
        "redriveDate": None,
        "redriveStatus": "NOT_REDRIVABLE",
        "redriveStatusReason": "Execution is RUNNING and cannot be redriven",
    }
    detail = ended["detail"]
    assert (detail["status"], detail["output"], detail["outputDetails"]) == (
        "SUCCEEDED", '{"a": 1}', {"included": True},
    )  # fmt: skip
    found = world.client.describe_execution(executionArn=arn)
    assert detail["stopDate"] == round(found["stopDate"].timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (definition({"Type": "Fail", "Error": "E", "Cause": "C"}), "FAILED"),
        (definition({"Type": "Wait", "Seconds": 60}, TimeoutSeconds=1), "TIMED_OUT"),
    ],
)
def test_the_bus_is_told_how_an_execution_ended(world: World, text: str, status: str) -> None:
    world.execution(world.machine(text=text))
    world.cloud.wait_for(lambda: len(world.cloud.events) == 2)
    detail = world.cloud.events[1]["detail"]
    assert (detail["status"], detail["redriveStatus"]) == (status, "REDRIVABLE")
    if status == "FAILED":
        assert (detail["error"], detail["cause"]) == ("E", "C")


def test_the_bus_hears_nothing_of_express_executions(world: World) -> None:
    world.client.start_sync_execution(stateMachineArn=world.machine("x", type="EXPRESS"))
    world.client.stop_execution(executionArn=world.execution(world.machine(text=ENDLESS)))
    world.cloud.wait_for(lambda: len(world.cloud.events) == 2)
    assert _statuses(world) == ["RUNNING", "ABORTED"]


def test_data_that_an_event_has_no_room_for_is_left_out(world: World) -> None:
    text = json.dumps("x" * 200_000)
    world.execution(world.machine(), input=text)
    world.cloud.wait_for(lambda: len(world.cloud.events) == 2)
    begun, ended = (event["detail"] for event in world.cloud.events)
    assert begun["input"] == text
    assert (ended["input"], ended["inputDetails"], ended["output"]) == (None, {"included": False}, text)


def test_nothing_is_sent_where_no_rule_could_want_it(world: World) -> None:
    world.wanted = False
    world.over(world.execution(world.machine()))
    world.wanted = True
    world.client.stop_execution(executionArn=world.execution(world.machine("w", ENDLESS)))
    world.cloud.wait_for(lambda: len(world.cloud.events) == 2)
    assert _statuses(world) == ["RUNNING", "ABORTED"]


def test_changes_that_a_crash_kept_from_the_bus_are_sent_by_the_next_start(world: World) -> None:
    world.over(world.execution(world.machine()))
    world.cloud.wait_for(lambda: len(world.cloud.events) == 2)
    world.cloud.refusing = True
    arn = world.execution(world.machine("w", ENDLESS))
    world.client.stop_execution(executionArn=arn)
    world.cloud.events.clear()
    # The bus is down until the end: the mark stays before these changes.
    world.service.stop()
    world.cloud.refusing = False
    world.restart()
    world.cloud.wait_for(lambda: "ABORTED" in _statuses(world))
    told = [event["detail"]["status"] for event in world.cloud.events if event["resources"] == [arn]]
    assert told == ["RUNNING", "ABORTED"]


def test_a_clean_stop_leaves_nothing_to_send(world: World) -> None:
    world.over(world.execution(world.machine()))
    world.cloud.wait_for(lambda: len(world.cloud.events) == 2)
    world.restart()
    world.over(world.execution(world.machine()))
    world.cloud.wait_for(lambda: len(world.cloud.events) == 4)
    assert _statuses(world) == ["RUNNING", "SUCCEEDED"] * 2


def _types(world: World) -> list[str]:
    return [line["type"] for _, _, line in world.cloud.logs.lines]


def test_a_whole_execution_is_logged_as_aws_shapes_it(world: World) -> None:
    machine = world.machine(type="EXPRESS", loggingConfiguration=world.logging())
    arn = world.execution(machine, name="n", input='{"a":1}')
    world.cloud.wait_for(lambda: "ExecutionSucceeded" in _types(world))
    assert _types(world) == ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
    group, stream, line = world.cloud.logs.lines[-1]
    assert group == "/g"
    assert re.fullmatch(r"states/m/\d{4}(-\d\d){4}/[0-9a-f]{8}", stream)
    assert line.pop("event_timestamp").isdigit()
    assert line == {
        "id": "4",
        "type": "ExecutionSucceeded",
        "details": {"output": '{"a":1}', "outputDetails": {"truncated": False}},
        "previous_event_id": "3",
        "execution_arn": arn,
        "redrive_count": "0",
    }


def test_a_log_without_data_has_none(world: World) -> None:
    machine = world.machine(loggingConfiguration=world.logging(data=False))
    world.execution(machine)
    world.cloud.wait_for(lambda: "ExecutionSucceeded" in _types(world))
    lines = [line for _, _, line in world.cloud.logs.lines]
    assert lines[1]["details"] == {"name": "S0"}
    assert "details" not in lines[3]


@pytest.mark.parametrize(
    ("level", "expected"),
    [("ERROR", ["FailStateEntered", "ExecutionFailed"]), ("FATAL", ["ExecutionFailed"])],
)
def test_a_level_takes_what_is_bad_enough(world: World, level: str, expected: list[str]) -> None:
    text = definition({"Type": "Pass"}, {"Type": "Fail"})
    world.execution(world.machine(text=text, loggingConfiguration=world.logging(level)))
    world.cloud.wait_for(lambda: "ExecutionFailed" in _types(world))
    assert _types(world) == expected


def test_nothing_is_logged_at_level_off() -> None:
    assert not any(is_logged(kind, "OFF") for kind in ("ExecutionFailed", "TaskFailed"))


def test_executions_of_a_state_machine_share_a_stream(world: World) -> None:
    machine = world.machine(loggingConfiguration=world.logging())
    for _ in range(3):
        world.execution(machine)
    world.cloud.wait_for(lambda: _types(world).count("ExecutionSucceeded") == 3)
    streams: set[Any] = {stream for _, stream, _ in world.cloud.logs.lines}
    assert len(streams) == 1
