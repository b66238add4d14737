from typing import Any

import pytest

from local.stepfunctions.interpreter.commands import CancelTask, CancelTimer, Status
from local.stepfunctions.interpreter.stimuli import TaskFailed, TaskSucceeded
from tests.unit.local.stepfunctions.world import World, machine_of, task


def each(*states: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Type": "Map", "ItemProcessor": machine_of(*states), **more}


def both(*branches: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Type": "Parallel", "Branches": list(branches), **more}


def test_results_stand_in_the_order_of_items_not_of_ends() -> None:
    world = World.starting(machine_of(each(task())), [1, 2, 3])
    for command, result in zip(reversed(world.tasks), ("3", "2", "1"), strict=True):
        world.happens(TaskSucceeded(command.task, result))
    assert world.output == [1, 2, 3]


def test_no_more_iterations_run_than_allowed() -> None:
    world = World.starting(machine_of(each(task(), MaxConcurrency=2)), [1, 2, 3])
    assert len(world.tasks) == 2
    world.happens(TaskSucceeded(world.tasks[0].task, "1"))
    assert len(world.tasks) == 3
    assert world.types.count("MapIterationStarted") == 3


def test_forty_iterations_run_where_the_state_does_not_say() -> None:
    assert len(World.starting(machine_of(each(task())), list(range(100))).tasks) == 40


def test_failing_iteration_takes_the_others_down() -> None:
    world = World.starting(machine_of(each(task())), [1, 2])
    first, second = world.tasks
    world.happens(TaskFailed(first.task, "E", "C"))
    assert world.types[-7:] == [
        "TaskFailed",
        "MapIterationFailed",
        "TaskStateAborted",
        "MapIterationAborted",
        "TaskStateAborted",
        "MapStateFailed",
        "ExecutionFailed",
    ]
    assert CancelTask(second.task) in world.commands
    assert world.end is not None
    assert (world.end.error, world.end.cause) == ("E", "C")


def test_branches_get_the_same_input_and_their_own_variables() -> None:
    setter = {"Type": "Pass", "Assign": {"own": 1}, "Parameters": {"outer.$": "$outer"}}
    reader = {"Type": "Pass", "Parameters": {"own.$": "$own"}}
    first = {"Type": "Pass", "Assign": {"outer": "o"}}
    world = World.starting(
        machine_of(first, both(machine_of(setter, reader), machine_of({"Type": "Succeed"}))), {"a": 1}
    )
    assert world.output == [{"own": 1}, {"a": 1}]
    after = World.starting(
        machine_of(both(machine_of(setter | {"Parameters": {}})), {"Type": "Pass", "Parameters": {"own.$": "$own"}})
    )
    assert after.end is not None
    assert after.end.status is Status.FAILED


def test_parallel_that_fails_is_tried_again_whole() -> None:
    retry = [{"ErrorEquals": ["E"], "MaxAttempts": 1, "IntervalSeconds": 1}]
    world = World.starting(machine_of(both(machine_of(task()), machine_of(task()), Retry=retry)))
    world.happens(TaskFailed(world.tasks[0].task, "E"))
    world.next_timer()
    assert len(world.tasks) == 4
    for command in world.tasks[2:]:
        world.happens(TaskSucceeded(command.task, "1"))
    assert world.output == [1, 1]


def test_failure_deep_inside_is_caught_outside() -> None:
    inner = both(machine_of({"Type": "Fail", "Error": "E", "Cause": "C"}))
    outer = each(inner, Catch=[{"ErrorEquals": ["E"], "Next": "S1"}])
    world = World.starting(machine_of(outer, {"Type": "Succeed"}), [1])
    assert world.output == {"Error": "E", "Cause": "C"}
    assert "ParallelStateAborted" not in world.types


def test_item_is_seen_by_selector_and_inside() -> None:
    selector = {"v.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index", "all.$": "$.k"}
    inside = {"Type": "Pass", "Parameters": {"seen.$": "$$.Map.Item.Value", "got.$": "$"}}
    world = World.starting(
        machine_of(each(inside, ItemsPath="$.items", ItemSelector=selector)), {"k": 9, "items": ["x"]}
    )
    assert world.output == [{"seen": "x", "got": {"v": "x", "i": 0, "all": 9}}]


def test_waits_inside_branches_end_each_in_its_time() -> None:
    world = World.starting(
        machine_of(both(machine_of({"Type": "Wait", "Seconds": 5}), machine_of({"Type": "Wait", "Seconds": 2})))
    )
    world.next_timer()
    assert world.now == 1002
    world.next_timer()
    assert (world.now, world.output) == (1005, [{}, {}])


def test_data_that_grows_without_end_ends_the_execution() -> None:
    deeper = {"Type": "Pass", "Parameters": {"in.$": "$"}, "Next": "S0"}
    doubled = {"Type": "Pass", "Assign": {"v.$": "States.Array($$.Execution.Input, $$.Execution.Input)"}}
    wider = {"Type": "Pass", "Assign": {"v.$": "States.Array($v, $v)"}, "Next": "S1"}
    for definition in (machine_of(deeper), machine_of(doubled, wider)):
        world = World.starting(definition, {"a": 1})
        assert world.end is not None
        assert world.end.error == "States.DataLimitExceeded"


def test_item_whose_input_cannot_be_made_takes_the_running_iterations_down() -> None:
    chosen = {"x.$": "States.ArrayGetItem($$.Map.Item.Value, 0)"}
    world = World.starting(machine_of(each(task(), ItemSelector=chosen, MaxConcurrency=2)), [[1], [2], []])
    world.happens(TaskSucceeded(world.tasks[0].task, "1"))
    assert CancelTask(world.tasks[1].task) in world.commands
    assert world.types[-4:] == ["MapIterationSucceeded", "MapIterationAborted", "TaskStateAborted", "ExecutionFailed"]
    assert world.end is not None
    assert world.end.error == "States.IntrinsicFailure"


def test_what_waits_deep_inside_is_cancelled_once() -> None:
    deep = both(machine_of(both(machine_of(task(TimeoutSeconds=9)), machine_of({"Type": "Wait", "Seconds": 9}))))
    world = World.starting(machine_of(both(machine_of(task()), machine_of(deep))))
    failing, inner = world.tasks
    world.commands.clear()
    world.happens(TaskFailed(failing.task, "E"))
    cancelled = [command for command in world.commands if isinstance(command, CancelTask | CancelTimer)]
    assert len(cancelled) == len(set(cancelled)) == 3
    assert CancelTask(inner.task) in cancelled


@pytest.mark.parametrize("name", ["MaxConcurrency", "MaxItemsPerBatch", "MaxInputBytesPerBatch"])
def test_a_negative_limit_fails_a_distributed_map(name: str) -> None:
    config = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    limit = {f"{name}Path": "$.a"}
    more = limit if name == "MaxConcurrency" else {"ItemBatcher": limit}
    state = each({"Type": "Pass"}, ItemsPath="$.l", **more)
    state["ItemProcessor"] = {**state["ItemProcessor"], **config}
    world = World.starting(machine_of(state), {"a": -1, "l": [1]})
    assert world.execution.error == "States.Runtime"
