"""Map runs and their child executions, as the API shows them."""

import json
from typing import Any

from tests.unit.local.stepfunctions.api.cloud import definition, refusal
from tests.unit.local.stepfunctions.api.conftest import World

_WAIT = {"Type": "Wait", "Seconds": 99_999_999}


def _machine(world: World, inner: dict[str, Any], kind: str = "STANDARD", **more: Any) -> str:
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind},
        **json.loads(definition(inner, prefix="I")),
    }
    return world.machine(text=definition({"Type": "Map", "Label": "Shards", "ItemProcessor": processor, **more}))


def _run(world: World, execution: str) -> str:
    """The ARN of the execution's map run."""
    world.settle()
    runs = world.client.list_map_runs(executionArn=execution)["mapRuns"]
    assert [run["executionArn"] for run in runs] == [execution]
    return str(runs[0]["mapRunArn"])


def test_a_map_run_is_described_with_its_children(world: World) -> None:
    machine = _machine(world, {"Type": "Pass"}, MaxConcurrency=2)
    execution = world.execution(machine, input="[1, 2, 3]")
    assert world.over(execution)["output"] == "[1,2,3]"
    arn = _run(world, execution)
    assert arn.startswith("arn:aws:states:us-east-1:000000000000:mapRun:m/Shards:")
    found = world.client.describe_map_run(mapRunArn=arn)
    assert (found["status"], found["maxConcurrency"], found["executionArn"]) == ("SUCCEEDED", 2, execution)
    for counts in (found["itemCounts"], found["executionCounts"]):
        assert {name: count for name, count in counts.items() if count} == {"succeeded": 3, "total": 3}
    children = world.client.list_executions(mapRunArn=arn, maxResults=2)
    assert len(children["executions"]) == 2
    rest = world.client.list_executions(mapRunArn=arn, maxResults=2, nextToken=children["nextToken"])["executions"]
    child = rest[0]
    assert (child["mapRunArn"], child["stateMachineArn"]) == (arn, f"{machine}/Shards")
    described = world.client.describe_execution(executionArn=child["executionArn"])
    assert (described["status"], described["mapRunArn"]) == ("SUCCEEDED", arn)
    of_child = world.client.describe_state_machine_for_execution(executionArn=child["executionArn"])
    assert (of_child["label"], of_child["mapRunArn"]) == ("Shards", arn)
    assert world.client.list_executions(stateMachineArn=machine)["executions"][0]["executionArn"] == execution
    labelled = world.client.describe_state_machine(stateMachineArn=f"{machine}/Shards")
    assert labelled["label"] == "Shards"


def test_express_children_can_be_asked_about(world: World) -> None:
    execution = world.execution(_machine(world, {"Type": "Pass"}, "EXPRESS"), input="[1]")
    world.over(execution)
    child = world.client.list_executions(mapRunArn=_run(world, execution))["executions"][0]["executionArn"]
    assert ":express:m/Shards:" in child
    assert world.client.describe_execution(executionArn=child)["status"] == "SUCCEEDED"


def test_the_limits_of_a_map_run_can_be_changed_while_it_runs(world: World) -> None:
    execution = world.execution(_machine(world, _WAIT, MaxConcurrency=1), input="[1, 2, 3]")
    world.client.list_executions(stateMachineArn=execution.replace("execution", "stateMachine").rpartition(":")[0])
    arn = _run(world, execution)
    world.client.update_map_run(mapRunArn=arn, maxConcurrency=5, toleratedFailureCount=2, toleratedFailurePercentage=50)
    found = world.client.describe_map_run(mapRunArn=arn)
    assert (found["maxConcurrency"], found["toleratedFailureCount"], found["toleratedFailurePercentage"]) == (5, 2, 50)
    assert (found["status"], found["itemCounts"]["running"], found["itemCounts"]["pending"]) == ("RUNNING", 3, 0)
    assert refusal(world.client.update_map_run, mapRunArn=arn)[0] == "ValidationException"
    world.client.stop_execution(executionArn=execution)
    world.settle()
    assert world.client.describe_map_run(mapRunArn=arn)["status"] == "ABORTED"
    assert refusal(world.client.update_map_run, mapRunArn=arn, maxConcurrency=1)[0] == "ValidationException"


def test_a_map_run_that_is_not_there(world: World) -> None:
    arn = "arn:aws:states:us-east-1:000000000000:mapRun:m/Shards:gone"
    for call in (world.client.describe_map_run, world.client.update_map_run):
        assert refusal(call, mapRunArn=arn) == ("ResourceNotFound", f"Resource not found: '{arn}'")
        assert refusal(call, mapRunArn="x")[0] == "InvalidArn"
    execution = "arn:aws:states:us-east-1:000000000000:execution:m:gone"
    assert refusal(world.client.list_map_runs, executionArn=execution)[0] == "ExecutionDoesNotExist"
