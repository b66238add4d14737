import json
from typing import Any

import pytest

from local.stepfunctions.integrations import Integrations
from tests.unit.local.stepfunctions.integrations.conftest import Perform
from tests.unit.local.stepfunctions.integrations.endpoints import Endpoint, answer
from tests.unit.local.stepfunctions.integrations.tasks import ARN, ApiError, RecordedTask, RecordedWorld, command

MACHINE = f"{ARN}:stateMachine:child"
CHILD = f"{ARN}:execution:child:c"
DESCRIBED = {
    "executionArn": CHILD,
    "input": "{}",
    "inputDetails": {"included": True},
    "name": "c",
    "redriveCount": 0,
    "startDate": 1000.5,
    "stateMachineArn": MACHINE,
    "stopDate": 1002,
}
SUCCEEDED = {**DESCRIBED, "status": "SUCCEEDED", "output": '{"a":1}', "outputDetails": {"included": True}}
TOLD = {
    "ExecutionArn": CHILD,
    "Input": "{}",
    "InputDetails": {"Included": True},
    "Name": "c",
    "Output": '{"a":1}',
    "OutputDetails": {"Included": True},
    "RedriveCount": 0,
    "StartDate": 1000500,
    "StateMachineArn": MACHINE,
    "Status": "SUCCEEDED",
    "StopDate": 1002000,
}


def describes(endpoint: Endpoint, described: dict[str, Any]) -> None:
    endpoint.replies["DescribeExecution"] = lambda _: answer(described)


def test_started_execution_is_told_by_its_arn(perform: Perform, world: RecordedWorld) -> None:
    arguments = {"StateMachineArn": MACHINE, "Name": "c", "Input": {"a": 1}}
    output = json.loads(perform("states:startExecution", arguments).output())
    assert (output["ExecutionArn"], output["StartDate"]) == (CHILD, 1000500)
    assert output["SdkHttpMetadata"]["HttpHeaders"]["Content-Type"] == "application/x-amz-json-1.0"
    assert world.requests == [{"stateMachineArn": MACHINE, "name": "c", "input": '{"a":1}'}]


@pytest.mark.parametrize(("given", "sent"), [(None, "{}"), ('{"a": 1}', '{"a": 1}'), ("text", '"text"'), ([1], "[1]")])
def test_input_is_json_however_it_is_given(perform: Perform, world: RecordedWorld, given: Any, sent: str) -> None:
    perform("states:startExecution", {"StateMachineArn": MACHINE, "Input": given}).output()
    assert world.requests[0]["input"] == sent


def test_execution_without_a_name_is_named_by_the_task(perform: Perform, world: RecordedWorld) -> None:
    task = perform("states:startExecution", {"StateMachineArn": MACHINE})
    task.output()
    assert world.requests[0]["name"] == task.key


@pytest.mark.parametrize(("pattern", "told"), [(".sync", TOLD), (".sync:2", {**TOLD, "Input": {}, "Output": {"a": 1}})])
def test_waited_for_execution_is_told_whole(
    perform: Perform, world: RecordedWorld, endpoint: Endpoint, pattern: str, told: dict[str, Any]
) -> None:
    describes(endpoint, SUCCEEDED)
    task = perform(f"states:startExecution{pattern}", {"StateMachineArn": MACHINE, "Name": "c"})
    assert json.loads(str(task.wait("submitted")[1]))["ExecutionArn"] == CHILD
    world.over(CHILD)
    output = task.output()
    assert json.loads(output) == told
    assert list(json.loads(output)) == sorted(told)
    assert [one[0] for one in task.log] == ["started", "submitted", "succeeded"]


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_execution_that_ends_badly_fails_the_task_with_its_description(
    perform: Perform, world: RecordedWorld, endpoint: Endpoint, status: str
) -> None:
    describes(endpoint, {**DESCRIBED, "status": status, "error": "E", "cause": "C"})
    task = perform("states:startExecution.sync:2", {"StateMachineArn": MACHINE, "Name": "c"})
    world.over(CHILD)
    error, cause = task.failure()
    assert error == "States.TaskFailed"
    told = json.loads(cause)
    assert (told["Status"], told["Error"], told["Cause"], told["Input"]) == (status, "E", "C", "{}")


def test_refused_start_is_named_as_the_sdk_names_it(perform: Perform, world: RecordedWorld) -> None:
    world.refusal = ApiError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{MACHINE}'")
    error, cause = perform("states:startExecution", {"StateMachineArn": MACHINE}).failure()
    assert error == "StepFunctions.StateMachineDoesNotExistException"
    assert cause.startswith(f"State Machine Does Not Exist: '{MACHINE}' (Service: AWSStepFunctions; Status Code: 400; ")


def test_name_that_another_took_fails_the_task(perform: Perform, world: RecordedWorld) -> None:
    world.refusal = ApiError("ExecutionAlreadyExists", f"Execution Already Exists: '{CHILD}'")
    error, _ = perform("states:startExecution", {"StateMachineArn": MACHINE, "Name": "c"}).failure()
    assert error == "StepFunctions.ExecutionAlreadyExistsException"


@pytest.mark.parametrize("name", [None, "c"])
def test_repeat_after_a_crash_finds_the_execution_that_it_started(
    perform: Perform, world: RecordedWorld, endpoint: Endpoint, name: str | None
) -> None:
    world.refusal = ApiError("ExecutionAlreadyExists", "Execution Already Exists")
    describes(endpoint, SUCCEEDED)
    task = perform("states:startExecution", {"StateMachineArn": MACHINE, "Name": name}, started=True)
    assert json.loads(task.output())["ExecutionArn"] == CHILD
    (asked,) = endpoint.asked
    assert asked.json == {"executionArn": f"{ARN}:execution:child:{name or task.key}"}


def test_submitted_task_waits_for_its_execution_and_starts_none(
    perform: Perform, world: RecordedWorld, endpoint: Endpoint
) -> None:
    describes(endpoint, SUCCEEDED)
    arguments = {"StateMachineArn": f"{MACHINE}:7", "Name": "c"}
    task = perform(
        "states:startExecution.sync", arguments, started=True, submission=json.dumps({"ExecutionArn": CHILD})
    )
    world.over(CHILD)
    task.output()
    assert world.requests == []
    assert [one[0] for one in task.log] == ["succeeded"]


def test_cancelled_task_stops_its_execution_and_says_no_more(
    integrations: Integrations, perform: Perform, world: RecordedWorld, endpoint: Endpoint
) -> None:
    describes(endpoint, SUCCEEDED)
    task = perform("states:startExecution.sync", {"StateMachineArn": MACHINE, "Name": "c"})
    task.wait("submitted")
    integrations.cancel(task.key)
    assert world.wait_for_stop() == CHILD
    integrations.close()
    assert [one[0] for one in task.log] == ["started", "submitted"]


def test_execution_of_another_engine_is_asked_for_from_time_to_time(
    endpoint: Endpoint, world: RecordedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = iter(["RUNNING", "RUNNING", "SUCCEEDED"])
    endpoint.replies["DescribeExecution"] = lambda _: answer({**SUCCEEDED, "status": next(statuses)})

    def unknown(arn: str, _: Any) -> None:
        raise KeyError(arn)

    monkeypatch.setattr(world, "when_over", unknown)
    integrations = Integrations(world)
    task = RecordedTask(command("states:startExecution.sync", {"StateMachineArn": MACHINE, "Name": "c"}))
    integrations.perform(task)
    assert json.loads(task.output()) == TOLD
    integrations.close()
