import json
from typing import Any

import pytest

from local.stepfunctions.interpreter.commands import CancelTask, StartMapRun, Status
from local.stepfunctions.interpreter.redriving import NotRedrivable, redrivable, why_not
from local.stepfunctions.interpreter.stimuli import (
    Broken,
    Stopped,
    TaskFailed,
    TaskSucceeded,
    TimerFired,
    TimerKind,
)
from tests.unit.local.stepfunctions.interpreter.test_nested import both, each
from tests.unit.local.stepfunctions.world import World, machine_of, task


def types(world: World, since: str) -> list[str]:
    """Of the events from the last one of this type."""
    found = world.types
    return found[len(found) - 1 - found[::-1].index(since) :]


def test_task_is_scheduled_again_and_its_state_not_entered_again() -> None:
    world = World.starting(machine_of({"Type": "Pass", "Result": 7}, task()))
    world.happens(TaskFailed(world.tasks[0].task, "E", "C"))
    records = world.redriven()
    assert [record.type for record in records] == ["ExecutionRedriven", "TaskScheduled"]
    entered = next(record.id for record in world.records if record.type == "TaskStateEntered")
    assert records[0].details == {"redriveCount": 1}
    assert records[1].previous == entered
    world.happens(TaskSucceeded(world.tasks[0].task, "1"))
    assert world.output == 1
    assert world.types.count("PassStateEntered") == 1


def test_retries_and_the_timeout_of_the_machine_begin_anew() -> None:
    retry = [{"ErrorEquals": ["E"], "MaxAttempts": 1}]
    world = World.starting(machine_of(task(Retry=retry), TimeoutSeconds=50))
    for _ in range(2):
        for _ in range(2):
            world.happens(TaskFailed(world.tasks[-1].task, "E"))
            if world.end is None:
                assert world.next_timer().kind is TimerKind.RETRY
        assert world.end is not None
        stale = {timer: due for timer, due in world.timers.items() if timer.kind is TimerKind.EXECUTION}
        world.now += 40
        world.redriven()
        (timer, due), *_ = world.timers.items()
        assert (timer.kind, due) == (TimerKind.EXECUTION, world.now + 50)
        assert world.happens(*map(TimerFired, stale)) == []


def test_branches_that_succeeded_keep_their_results() -> None:
    world = World.starting(machine_of(both(machine_of(task()), machine_of(task()), machine_of({"Type": "Succeed"}))))
    first, second = world.tasks
    world.happens(TaskSucceeded(first.task, "1"))
    world.happens(TaskFailed(second.task, "E"))
    world.redriven()
    assert len(world.tasks) == 1
    world.happens(TaskSucceeded(world.tasks[0].task, "2"))
    assert world.output == [1, 2, {}]


def test_branch_that_never_began_begins_with_its_input() -> None:
    failing = machine_of({"Type": "Pass", "Parameters": {"x.$": "$.nowhere"}})
    second = machine_of(task(Parameters={"in.$": "$"}))
    world = World.starting(machine_of(both(failing, second, Parameters={"k": 1})))
    assert "TaskStateEntered" not in world.types
    world.redriven()
    assert world.end is not None
    assert world.tasks == []


def test_failed_and_aborted_iterations_go_on_and_those_to_come_start() -> None:
    world = World.starting(machine_of(each(task(), MaxConcurrency=2)), [1, 2, 3, 4])
    first, second = world.tasks
    world.happens(TaskSucceeded(first.task, "1"))
    world.happens(TaskFailed(second.task, "E"))
    assert world.end is not None
    world.redriven()
    assert len(world.tasks) == 2
    for index in range(3):
        world.happens(TaskSucceeded(world.tasks[index].task, str(index + 2)))
    assert world.output == [1, 2, 3, 4]
    assert world.types.count("MapIterationStarted") == 4


def test_late_answer_to_a_task_that_was_aborted_is_not_heard() -> None:
    world = World.starting(machine_of(both(machine_of(task()), machine_of(task()))))
    first, second = world.tasks
    world.happens(TaskFailed(first.task, "E"))
    world.redriven()
    assert world.happens(TaskSucceeded(second.task, "1")) == []
    assert CancelTask(second.task) not in world.commands


def test_failure_inside_nested_states_is_told_once() -> None:
    inner = both(machine_of(task()), machine_of(task()))
    world = World.starting(machine_of(both(machine_of(inner), machine_of(task()))))
    world.happens(TaskFailed(world.tasks[1].task, "E"))
    assert types(world, "TaskFailed")[1:] == [
        "TaskStateAborted",
        "TaskStateAborted",
        "ParallelStateFailed",
        "TaskStateAborted",
        "ParallelStateFailed",
        "ExecutionFailed",
    ]
    world.redriven()
    for index in range(3):
        world.happens(TaskSucceeded(world.tasks[index].task, str(index)))
    assert world.output == [[1, 2], 0]


def test_stopped_and_timed_out_executions_go_on() -> None:
    waiting = machine_of({"Type": "Wait", "Seconds": 100}, TimeoutSeconds=10)
    world = World.starting(waiting)
    assert world.next_timer().kind is TimerKind.EXECUTION
    world.redriven()
    assert world.execution.status is Status.RUNNING
    world.happens(Stopped())
    world.redriven()
    assert [record.details for record in world.records if record.type == "ExecutionRedriven"] == [
        {"redriveCount": 1},
        {"redriveCount": 2},
    ]


def test_fail_state_fails_again() -> None:
    world = World.starting(machine_of({"Type": "Fail", "Error": "E"}))
    assert [record.type for record in world.redriven()] == ["ExecutionRedriven", "ExecutionFailed"]


def test_state_whose_result_was_too_large_runs_its_branches_again() -> None:
    large = machine_of(task())
    world = World.starting(machine_of(both(large, large)))
    text = json.dumps("x" * 200_000)
    for command in world.tasks:
        world.happens(TaskSucceeded(command.task, text))
    assert world.end is not None
    assert world.end.error == "States.DataLimitExceeded"
    world.redriven()
    for index in range(2):
        world.happens(TaskSucceeded(world.tasks[index].task, "1"))
    assert world.output == [1, 1]


def test_context_object_counts_redrives() -> None:
    told = task(Parameters={"count.$": "$$.Execution.RedriveCount", "execution.$": "$$.Execution"})
    world = World.starting(machine_of(told))
    assert "RedriveTime" not in world.tasks[0].arguments["execution"]
    world.happens(TaskFailed(world.tasks[0].task))
    world.redriven()
    assert world.tasks[0].arguments["count"] == 1
    assert world.tasks[0].arguments["execution"]["RedriveTime"]


def test_map_run_goes_on_under_its_name() -> None:
    inner = machine_of({"Type": "Pass"}) | {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    world = World.starting(machine_of({"Type": "Map", "ItemProcessor": inner}), [1])
    (begun,) = [command for command in world.commands if isinstance(command, StartMapRun)]
    world.happens(TaskFailed(begun.task, "States.ExceedToleratedFailureThreshold", "C"))
    for count in (1, 2):
        assert [record.type for record in world.redriven()] == ["ExecutionRedriven", "MapRunRedriven"]
        (again,) = [command for command in world.commands if isinstance(command, StartMapRun)]
        assert (again.arn, again.redrives) == (begun.arn, count)
        world.happens(Stopped())
    world.redriven()
    (again,) = [command for command in world.commands if isinstance(command, StartMapRun)]
    world.happens(TaskSucceeded(again.task, "[1]"))
    assert world.output == [1]


@pytest.mark.parametrize(
    ("status", "events", "now", "reason"),
    [
        ("RUNNING", 3, 10.0, "Execution is RUNNING and cannot be redriven"),
        ("SUCCEEDED", 3, 10.0, "Execution is SUCCEEDED and cannot be redriven"),
        ("FAILED", 24_999, 10.0, "Execution history event limit exceeded"),
        ("ABORTED", 3, 15 * 86_400.0, "Execution redrivable period exceeded"),
        ("TIMED_OUT", 24_998, 14 * 86_400.0, None),
    ],
)
def test_reason_why_an_execution_is_not_taken_up_again(
    status: str, events: int, now: float, reason: str | None
) -> None:
    assert why_not(status, events, 0.0, now) == reason


def test_execution_that_succeeded_is_refused() -> None:
    world = World.starting(machine_of({"Type": "Succeed"}))
    assert redrivable(world.execution) is not None
    with pytest.raises(NotRedrivable, match="SUCCEEDED"):
        world.redriven()


def test_fault_of_the_engine_ends_the_execution_alone() -> None:
    world = World.starting(machine_of(task()))
    world.happens(Broken("why"))
    assert world.end is not None
    assert (world.end.status, world.end.error, world.end.cause) == (Status.FAILED, "States.Runtime", "why")
    assert CancelTask(world.tasks[0].task) in world.commands


def test_express_has_five_minutes_and_no_limit_of_events() -> None:
    world = World.starting(machine_of(task(), TimeoutSeconds=900), express=True)
    assert list(world.timers.values()) == [world.now + 300]
    loop: dict[str, Any] = {"StartAt": "S", "States": {"S": {"Type": "Pass", "Next": "S"}}}
    endless = World.starting(loop, express=True)
    assert len(endless.types) > 25_000
    assert endless.end is not None
    assert endless.end.status is Status.TIMED_OUT


def test_distributed_map_beside_a_branch_that_fails_is_aborted() -> None:
    inner = machine_of({"Type": "Pass"}) | {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    spread = machine_of({"Type": "Map", "ItemProcessor": inner, "ItemsPath": "$.items"})
    world = World.starting(machine_of(both(machine_of(task()), spread)), {"items": [1]})
    world.happens(TaskFailed(world.tasks[0].task, "E"))
    assert types(world, "TaskFailed")[1:4] == ["TaskStateAborted", "MapRunAborted", "MapStateAborted"]
