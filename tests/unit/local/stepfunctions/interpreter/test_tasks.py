from typing import Any

import pytest

from local.stepfunctions.asl.machine.dataflow import PathFlow
from local.stepfunctions.interpreter.commands import CancelTask, Status
from local.stepfunctions.interpreter.stimuli import (
    Stopped,
    TaskFailed,
    TaskHeartbeat,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TimerFired,
    TimerKind,
)
from tests.unit.local.stepfunctions.world import LAMBDA, World, machine_of, task

_QUERY = {"QueryLanguage": "JSONata"}


def test_task_goes_through_its_events() -> None:
    world = World.starting(machine_of(task(ResultPath="$.r", ResultSelector={"p.$": "$.Payload"})), {"a": 1})
    (command,) = world.tasks
    assert command.arguments == {"FunctionName": "f"}
    world.happens(TaskStarted(command.task), TaskSucceeded(command.task, '{"Payload":2}'))
    assert world.types == [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]
    assert world.output == {"a": 1, "r": {"p": 2}}


def test_second_answer_to_a_task_changes_nothing() -> None:
    world = World.starting(machine_of(task(), {"Type": "Wait", "Seconds": 5}))
    first = world.tasks[0].task
    world.happens(TaskSucceeded(first, "1"))
    assert world.happens(TaskSucceeded(first, "2"), TaskFailed(first), TaskHeartbeat(first), TaskStarted(first)) == []


def test_token_stands_in_the_context_object_and_in_the_command() -> None:
    resource = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    parameters = {"QueueUrl": "u", "MessageBody": {"token.$": "$$.Task.Token"}}
    world = World.starting(machine_of(task(Resource=resource, Parameters=parameters)))
    (command,) = world.tasks
    assert command.arguments["MessageBody"] == {"token": command.token}
    world.happens(TaskStarted(command.task), TaskSubmitted(command.task, "{}"))
    assert world.execution.frames[0].task is not None
    assert world.execution.frames[0].task.submission


def test_retries_wait_longer_each_time_and_then_the_catcher_takes_over() -> None:
    retry = {"ErrorEquals": ["Custom"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 3, "MaxDelaySeconds": 10}
    catch = {"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.e", "Next": "S1"}
    world = World.starting(machine_of(task(Retry=[retry], Catch=[catch]), {"Type": "Succeed"}), {"a": 1})
    waited = []
    for _ in range(3):
        begun = world.now
        world.happens(TaskFailed(world.tasks[-1].task, "Custom", "because"))
        assert world.next_timer().kind is TimerKind.RETRY
        waited.append(world.now - begun)
    world.happens(TaskFailed(world.tasks[-1].task, "Custom", "because"))
    assert waited == [2, 6, 10]
    assert world.output == {"a": 1, "e": {"Error": "Custom", "Cause": "because"}}


def test_full_jitter_draws_the_delay() -> None:
    retry = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 8, "JitterStrategy": "FULL"}
    world = World.starting(machine_of(task(Retry=[retry])))
    world.happens(TaskFailed(world.tasks[0].task, "X"))
    assert list(world.timers.values()) == [1004.0]


@pytest.mark.parametrize(
    ("names", "error", "caught"),
    [
        (["States.ALL"], "Anything", True),
        (["States.ALL"], "States.Runtime", False),
        (["States.ALL"], "States.DataLimitExceeded", True),
        (["States.TaskFailed"], "Anything", True),
        (["States.TaskFailed"], "States.Timeout", False),
        (["States.Timeout"], "States.Timeout", True),
        (["Other"], "Anything", False),
        (["States.ALL"], None, True),
    ],
)
def test_catcher_takes_what_its_names_say(names: list[str], error: str | None, caught: bool) -> None:
    world = World.starting(machine_of(task(Catch=[{"ErrorEquals": names, "Next": "S1"}]), {"Type": "Succeed"}))
    world.happens(TaskFailed(world.tasks[0].task, error))
    assert world.end is not None
    assert (world.end.status is Status.SUCCEEDED) is caught


def test_timeout_of_the_heartbeat_moves_with_each_heartbeat() -> None:
    catch = [{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "S1"}]
    world = World.starting(machine_of(task(HeartbeatSeconds=5, TimeoutSeconds=60, Catch=catch), {"Type": "Succeed"}))
    one = world.tasks[0].task
    world.now += 4
    world.happens(TaskHeartbeat(one))
    assert sorted(world.timers.values()) == [1009.0, 1060.0]
    assert world.next_timer().kind is TimerKind.HEARTBEAT
    assert "TaskTimedOut" in world.types
    assert CancelTask(one) in world.commands
    assert world.output == {"Error": "States.Timeout", "Cause": None}
    assert world.timers == {}


def test_timer_of_a_task_that_is_over_changes_nothing() -> None:
    world = World.starting(machine_of(task(TimeoutSeconds=9), task(TimeoutSeconds=9)))
    stale = next(iter(world.timers))
    world.happens(TaskSucceeded(world.tasks[0].task, "{}"))
    assert world.happens(TimerFired(stale)) == []


def test_result_that_is_too_large_fails_the_task() -> None:
    world = World.starting(machine_of(task()))
    world.happens(TaskSucceeded(world.tasks[0].task, '"' + "é" * 140_000 + '"'))
    assert world.end is not None
    assert world.end.error == "States.DataLimitExceeded"
    assert "'lambda'" in str(world.end.cause)


def test_stopping_cancels_what_runs() -> None:
    world = World.starting(machine_of(task(TimeoutSeconds=9)))
    world.happens(Stopped("E", "C"))
    assert world.end is not None
    assert (world.end.status, world.end.error, world.end.cause) == (Status.ABORTED, "E", "C")
    assert CancelTask(world.tasks[0].task) in world.commands
    assert world.timers == {}


def test_machine_timeout_ends_the_execution() -> None:
    world = World.starting(machine_of({"Type": "Wait", "Seconds": 100}, TimeoutSeconds=10))
    assert world.next_timer().kind is TimerKind.EXECUTION
    assert world.types[-1] == "ExecutionTimedOut"
    assert world.now == 1010.0


@pytest.mark.parametrize(
    ("resource", "scheduled"),
    [
        ("arn:aws:lambda:us-east-1:123456789012:function:f", "LambdaFunctionScheduled"),
        ("arn:aws:states:us-east-1:123456789012:activity:a", "ActivityScheduled"),
        ("arn:aws:states:::aws-sdk:dynamodb:query", "TaskScheduled"),
    ],
)
def test_each_kind_of_resource_has_its_own_events(resource: str, scheduled: str) -> None:
    world = World.starting(machine_of({"Type": "Task", "Resource": resource}))
    assert world.types[-1] == scheduled


def test_endless_machine_ends_at_the_most_events() -> None:
    loop: dict[str, Any] = {"StartAt": "S", "States": {"S": {"Type": "Pass", "Next": "S"}}}
    world = World.starting(loop)
    assert len(world.types) == 25_000
    assert world.types[-1] == "ExecutionFailed"


def test_output_that_is_no_json_fails_the_task() -> None:
    world = World.starting(machine_of(task()))
    world.happens(TaskSucceeded(world.tasks[0].task, "{"))
    assert world.end is not None
    assert world.end.status is Status.FAILED


@pytest.mark.parametrize(("rate", "most"), [(1e308, {}), (10, {}), (1e9, {"MaxDelaySeconds": 50})])
def test_any_backoff_rate_may_be_retried_with(rate: float, most: dict[str, int]) -> None:
    retry = {"ErrorEquals": ["E"], "BackoffRate": rate, "MaxAttempts": 400, **most}
    world = World.starting(machine_of(task(Retry=[retry])))
    before = world.now
    for _ in range(350):
        before = world.now
        world.happens(TaskFailed(world.tasks[-1].task, "E"))
        world.next_timer()
    assert world.now - before == most.get("MaxDelaySeconds", 366 * 86_400)


_HUGE = 10**400


@pytest.mark.parametrize("value", [_HUGE, 100_000_000, -1, 0], ids=["huge", "large", "negative", "zero"])
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"TimeoutSecondsPath": "$.a"}, "States.Runtime"),
        ({"HeartbeatSecondsPath": "$.a"}, "States.Runtime"),
        ({**_QUERY, "TimeoutSeconds": "{% $states.input.a %}"}, "States.QueryEvaluationError"),
        ({**_QUERY, "HeartbeatSeconds": "{% $states.input.a %}"}, "States.QueryEvaluationError"),
    ],
)
def test_a_limit_that_is_no_number_of_seconds_fails_the_state(fields: Any, error: str, value: int) -> None:
    world = World.starting(machine_of({"Type": "Task", "Resource": LAMBDA, **fields}), {"a": value})
    assert world.execution.error == error
    assert world.timers == {}


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Wait", "QueryLanguage": "JSONata", "Seconds": "{% $states.input.a %}"},
        {"Type": "Wait", "SecondsPath": "$.a"},
        {"Type": "Pass", "Parameters": {"x.$": "States.MathRandom(1, $.a)"}},
        {"Type": "Pass", "Parameters": {"x.$": "States.MathAdd(1, $.a)"}},
    ],
    ids=["Seconds", "SecondsPath", "MathRandom", "MathAdd"],
)
def test_a_huge_number_fails_the_state(state: Any) -> None:
    assert str(World.starting(machine_of(state), {"a": _HUGE}).execution.error).startswith("States.")


def test_arguments_that_are_too_large_fail_the_state() -> None:
    state = {"Type": "Task", "Resource": LAMBDA, **_QUERY, "Arguments": "{% [$states.input.t, $states.input.t] %}"}
    assert World.starting(machine_of(state), {"t": "x" * 200_000}).execution.error == "States.DataLimitExceeded"


def test_what_nobody_thought_of_fails_the_state_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PathFlow, "enter", lambda _flow, _scope: 1 // 0)
    execution = World.starting(machine_of(task())).execution
    assert execution.error == "States.Runtime"
    assert "ZeroDivisionError" in str(execution.cause)
