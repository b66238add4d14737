"""Task tokens, activities, Express executions, TestState and ValidateStateMachineDefinition."""

import json
import threading
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse, HeadersDict

from local.stepfunctions.activities import Activities
from local.stepfunctions.api.errors import ApiError
from tests.unit.local.stepfunctions.api.cloud import ENDLESS, PASS, ROLE, TOKEN_TASK, definition, refusal
from tests.unit.local.stepfunctions.api.conftest import World

_INVOKE = json.dumps(
    {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "f"},
        "End": True,
    }
)


def _with_queue(world: World) -> list[str]:
    """The bodies of sent messages."""
    sent: list[str] = []
    make: Any = boto3.client
    queue = make(
        "sqs", region_name="us-east-1", endpoint_url="http://local", aws_access_key_id="t", aws_secret_access_key="t"
    )

    def send(request: Any, **_: object) -> AWSResponse:
        with world.cloud.told:
            sent.append(json.loads(request.body)["MessageBody"])
            world.cloud.told.notify_all()
        raw = SimpleNamespace(stream=lambda *_a, **_k: iter([b'{"MessageId": "1"}']))
        headers: Any = HeadersDict({})
        return AWSResponse(str(request.url), 200, headers, raw)

    queue.meta.events.register("before-send.sqs", send)
    world.cloud.clients["sqs"] = queue
    return sent


def _activity_machine(world: World, **more: Any) -> tuple[str, str]:
    """(activity, state machine)."""
    activity = world.client.create_activity(name="work")["activityArn"]
    return activity, world.machine(text=definition({"Type": "Task", "Resource": activity, **more}))


def test_a_worker_gets_the_task_of_an_activity_and_answers_it(world: World) -> None:
    activity, machine = _activity_machine(world)
    arn = world.execution(machine, input='{"a": 1}')
    task = world.client.get_activity_task(activityArn=activity, workerName="w")
    assert json.loads(task["input"]) == {"a": 1}
    world.client.send_task_success(taskToken=task["taskToken"], output='{"b": 2}')
    assert world.over(arn)["output"] == '{"b":2}'
    events = world.client.get_execution_history(executionArn=arn)["events"]
    assert [event["type"] for event in events][2:5] == ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]
    assert events[3]["activityStartedEventDetails"] == {"workerName": "w"}


def test_a_worker_that_waits_gets_the_next_task(world: World) -> None:
    activity, machine = _activity_machine(world)
    found: list[dict[str, Any]] = []
    worker = threading.Thread(target=lambda: found.append(world.client.get_activity_task(activityArn=activity)))
    worker.start()
    arn = world.execution(machine)
    worker.join()
    world.client.send_task_failure(taskToken=found[0]["taskToken"], error="E", cause="C")
    described = world.over(arn)
    assert (described["status"], described["error"], described["cause"]) == ("FAILED", "E", "C")


def test_a_task_that_nobody_took_is_offered_again_after_a_restart(world: World) -> None:
    activity, machine = _activity_machine(world)
    arn = world.execution(machine)
    world.restart()
    token = world.client.get_activity_task(activityArn=activity)["taskToken"]
    # It has begun: after another restart the token alone is waited for.
    world.restart()
    world.client.send_task_success(taskToken=token, output="1")
    assert world.over(arn)["output"] == "1"


def test_a_task_of_an_execution_that_was_stopped_is_not_handed_out(world: World) -> None:
    activity, machine = _activity_machine(world)
    world.client.stop_execution(executionArn=world.execution(machine, input='"stopped"'))
    world.execution(machine, input='"runs"')
    assert world.client.get_activity_task(activityArn=activity)["input"] == '"runs"'


def test_workers_that_wait_are_told_that_there_is_nothing_when_all_stops() -> None:
    activities = Activities()
    poll = activities.poll("a")
    activities.close()
    assert poll.future.cancelled()
    assert activities.poll("a").future.cancelled()


def test_activities_are_made_once_listed_and_deleted(world: World) -> None:
    made = world.client.create_activity(name="a", tags=[{"key": "k", "value": "v"}])
    assert world.client.create_activity(name="a")["creationDate"] == made["creationDate"]
    arn = made["activityArn"]
    assert arn == "arn:aws:states:us-east-1:000000000000:activity:a"
    assert world.client.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "k", "value": "v"}]
    for name in ("b", "c"):
        world.client.create_activity(name=name)
    page = world.client.list_activities(maxResults=2)
    rest = world.client.list_activities(maxResults=2, nextToken=page["nextToken"])
    assert [one["name"] for one in page["activities"] + rest["activities"]] == ["a", "b", "c"]
    assert world.client.describe_activity(activityArn=arn)["name"] == "a"
    for _ in range(2):
        world.client.delete_activity(activityArn=arn)
    missing = ("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")
    assert refusal(world.client.describe_activity, activityArn=arn) == missing
    assert refusal(world.client.get_activity_task, activityArn=arn) == missing
    assert refusal(world.client.describe_activity, activityArn="x")[0] == "InvalidArn"


def test_tokens_that_are_none_and_tokens_that_are_over(world: World) -> None:
    activity, machine = _activity_machine(world)
    arn = world.execution(machine)
    token = world.client.get_activity_task(activityArn=activity)["taskToken"]
    success, beat = world.client.send_task_success, world.client.send_task_heartbeat
    assert refusal(success, taskToken="x", output="{}") == ("InvalidToken", "Invalid Token: 'Invalid token'")
    assert refusal(success, taskToken=token, output="{")[0] == "InvalidOutput"
    beat(taskToken=token)
    success(taskToken=token, output="{}")
    world.over(arn)
    over = ("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
    assert refusal(success, taskToken=token, output="{}") == over
    assert refusal(beat, taskToken=token) == over
    assert refusal(world.client.send_task_failure, taskToken=token) == over


def test_an_express_execution_is_answered_at_once_and_cannot_be_asked_about(world: World) -> None:
    machine = world.machine(type="EXPRESS")
    arn = world.execution(machine, name="x")
    assert arn.startswith("arn:aws:states:us-east-1:000000000000:express:m:x:")
    assert world.execution(machine, name="x") != arn
    assert refusal(world.client.describe_execution, executionArn=arn) == (
        "InvalidArn", "Invalid Arn: 'Resource type not valid in this context: express'",
    )  # fmt: skip
    assert refusal(world.client.get_execution_history, executionArn=arn)[0] == "InvalidArn"
    assert refusal(world.client.list_executions, stateMachineArn=machine) == (
        "StateMachineTypeNotSupported", "This operation is not supported by this type of state machine",
    )  # fmt: skip


def test_a_synchronous_execution_is_answered_with_its_end(world: World) -> None:
    machine = world.machine(type="EXPRESS")
    found = world.client.start_sync_execution(stateMachineArn=machine, name="x", input='{"a": 1}')
    assert (found["status"], found["output"], found["name"]) == ("SUCCEEDED", '{"a": 1}', "x")
    assert found["stateMachineArn"] == machine
    assert found["billingDetails"] == {"billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": 100}
    failing = world.machine("f", definition({"Type": "Fail", "Error": "E", "Cause": "C"}), type="EXPRESS")
    found = world.client.start_sync_execution(stateMachineArn=failing)
    assert (found["status"], found["error"], found["cause"]) == ("FAILED", "E", "C")
    assert "output" not in found


def test_only_express_executions_are_synchronous(world: World) -> None:
    sync = world.client.start_sync_execution
    assert refusal(sync, stateMachineArn=world.machine())[0] == "StateMachineTypeNotSupported"
    express = world.machine("x", type="EXPRESS")
    assert refusal(sync, stateMachineArn=express, input="{")[0] == "InvalidExecutionInput"
    assert refusal(sync, stateMachineArn=express, name="a b")[0] == "InvalidName"


def test_who_waits_for_an_execution_while_all_stops_is_told_so(world: World) -> None:
    machine = world.machine(text=ENDLESS, type="EXPRESS", loggingConfiguration=world.logging())
    refused: list[tuple[str, str]] = []
    waiting = threading.Thread(
        target=lambda: refused.append(refusal(world.client.start_sync_execution, stateMachineArn=machine))
    )
    waiting.start()
    world.cloud.wait_for(lambda: world.cloud.logs.lines)
    world.service.stop()
    waiting.join()
    assert refused[0][0] == "ServiceUnavailable"


def test_callers_in_this_process_get_documents_and_api_errors(world: World) -> None:
    machine = world.machine()
    arn = world.service.call("StartExecution", {"stateMachineArn": machine, "name": "n"})["executionArn"]
    assert world.over(arn)["status"] == "SUCCEEDED"
    with pytest.raises(ApiError) as refused:
        world.service.call("StartExecution", {"stateMachineArn": machine, "name": "n"})
    assert refused.value.code == "ExecutionAlreadyExists"
    express = world.machine("x", type="EXPRESS")
    assert world.service.call("StartSyncExecution", {"stateMachineArn": express})["status"] == "SUCCEEDED"
    world.service.stop()
    with pytest.raises(ApiError) as refused:
        world.service.call("StartExecution", {"stateMachineArn": machine})
    assert refused.value.code == "ServiceUnavailable"


def test_definitions_are_validated_without_being_kept(world: World) -> None:
    validate = world.client.validate_state_machine_definition
    assert validate(definition=PASS)["result"] == "OK"
    wrong = definition(*[{"Type": "Pass", "Nope": 1}] * 5)
    found = validate(definition=wrong, maxResults=2)
    assert (found["result"], len(found["diagnostics"]), found["truncated"]) == ("FAIL", 2, True)
    found = validate(definition=wrong, severity="WARNING")
    assert (len(found["diagnostics"]), found["truncated"]) == (5, False)
    assert found["diagnostics"][0]["location"].startswith("/States/S0")
    assert validate(definition="{")["diagnostics"][0]["code"] == "INVALID_JSON_DESCRIPTION"


def test_one_state_is_tested_alone(world: World) -> None:
    test = world.client.test_state
    state = '{"Type": "Pass", "Parameters": {"b.$": "$.a"}, "End": true}'
    found = test(definition=state, input='{"a": 1}', roleArn=ROLE, inspectionLevel="DEBUG")
    assert (found["status"], found["output"]) == ("SUCCEEDED", '{"b":1}')
    assert found["inspectionData"]["afterParameters"] == '{"b":1}'
    assert refusal(test, definition=_INVOKE) == (
        "ValidationException", "RoleArn must be specified when testing a Task state",
    )  # fmt: skip
    assert refusal(test, definition="{}", roleArn=ROLE)[0] == "InvalidDefinition"
    assert refusal(test, definition=state, roleArn=ROLE, input="{")[0] == "InvalidExecutionInput"


def test_a_tested_task_without_a_mock_is_carried_out(world: World) -> None:
    asked: list[str] = []

    def answer(command: Any) -> str:
        asked.append(command.arguments["FunctionName"])
        return '{"Payload": 7}'

    assert world.service._context is not None
    world.service._context.call = answer
    found = world.client.test_state(definition=_INVOKE, roleArn=ROLE)
    assert (found["status"], json.loads(found["output"]), asked) == ("SUCCEEDED", {"Payload": 7}, ["f"])


def test_a_token_that_was_handed_out_is_good_after_a_restart(world: World) -> None:
    sent = _with_queue(world)
    arn = world.execution(world.machine(text=TOKEN_TASK))
    token = json.loads(world.cloud.wait_for(lambda: sent)[0])["token"]
    world.restart()
    world.client.send_task_success(taskToken=token, output='"done"')
    assert world.over(arn)["output"] == '"done"'
