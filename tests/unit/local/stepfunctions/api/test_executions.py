"""Starting, stopping, describing and listing executions."""

import json
import threading

import pytest

from tests.unit.local.stepfunctions.api.cloud import ENDLESS, PASS, ask, definition, refusal
from tests.unit.local.stepfunctions.api.conftest import World


def test_an_execution_is_described_from_start_to_end(world: World) -> None:
    machine = world.machine()
    arn = world.execution(machine, name="one", input='{"a": 1}')
    assert arn == "arn:aws:states:us-east-1:000000000000:execution:m:one"
    found = world.over(arn)
    assert found["status"] == "SUCCEEDED"
    assert found["stateMachineArn"] == machine
    assert (found["input"], found["output"]) == ('{"a": 1}', '{"a": 1}')
    assert found["inputDetails"] == found["outputDetails"] == {"included": True}
    assert found["redriveCount"] == 0
    assert found["redriveStatus"] == "NOT_REDRIVABLE"
    assert found["redriveStatusReason"] == "Execution is SUCCEEDED and cannot be redriven"
    assert found["startDate"] <= found["stopDate"]


def test_metadata_alone_leaves_the_data_out(world: World) -> None:
    arn = world.execution(world.machine())
    world.over(arn)
    found = world.client.describe_execution(executionArn=arn, includedData="METADATA_ONLY")
    assert "input" not in found
    assert "output" not in found
    assert found["inputDetails"] == {"included": False}


def test_the_same_start_is_answered_once_more_while_it_runs(world: World) -> None:
    machine = world.machine(text=ENDLESS)
    first = world.client.start_execution(stateMachineArn=machine, name="one", input="{}")
    again = world.client.start_execution(stateMachineArn=machine, name="one", input="{}")
    assert (first["executionArn"], first["startDate"]) == (again["executionArn"], again["startDate"])
    arn = first["executionArn"]
    taken = ("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
    assert refusal(world.client.start_execution, stateMachineArn=machine, name="one", input='{"a": 1}') == taken
    world.client.stop_execution(executionArn=arn)
    assert refusal(world.client.start_execution, stateMachineArn=machine, name="one", input="{}") == taken


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "NaN", "[" * 5000])
def test_an_input_that_is_not_json_is_refused(world: World, text: str) -> None:
    code, message = refusal(world.client.start_execution, stateMachineArn=world.machine(), input=text)
    assert code == "InvalidExecutionInput"
    assert message.startswith("Invalid State Machine Execution Input: '")


def test_an_input_of_more_than_256_kb_is_refused(world: World) -> None:
    machine = world.machine()
    most = json.dumps("x" * 262_142)
    assert len(most) == 262_144
    world.execution(machine, input=most)
    for text in (json.dumps("x" * 262_143), json.dumps("ü" * 131_072, ensure_ascii=False)):
        assert refusal(world.client.start_execution, stateMachineArn=machine, input=text) == (
            "ValidationException",
            (
                "1 validation error detected: Value at 'input' failed to satisfy constraint: "
                "Member must have size less than or equal to 262144 bytes in UTF-8 encoding"
            ),
        )


@pytest.mark.parametrize(
    "name", ["a b", "a/b", "a:b", "a\x00b", "a\x85b", "<a>", "a?", "a*", 'a"', "a#", "a%", "a\\", "a^"]
)
def test_names_with_banned_characters_are_refused(world: World, name: str) -> None:
    machine = world.machine()
    expected = ("InvalidName", f"Invalid Name: '{name}'")
    assert refusal(world.client.start_execution, stateMachineArn=machine, name=name) == expected
    assert refusal(world.client.create_activity, name=name) == expected


def test_names_of_more_than_80_characters_are_refused_as_the_model_says(world: World) -> None:
    name = "n" * 81
    assert refusal(world.client.start_execution, stateMachineArn=world.machine(), name=name) == (
        "ValidationException",
        (
            f"1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: "
            "Member must have length less than or equal to 80"
        ),
    )
    world.execution(world.machine(), name="n" * 80)


def test_arns_that_lead_nowhere_are_refused(world: World) -> None:
    start, describe = world.client.start_execution, world.client.describe_execution
    assert refusal(start, stateMachineArn="abc") == ("InvalidArn", "Invalid Arn: 'Invalid ARN prefix: abc'")
    execution = "arn:aws:states:us-east-1:000000000000:execution:m:gone"
    assert refusal(start, stateMachineArn=execution) == (
        "InvalidArn", "Invalid Arn: 'Resource type not valid in this context: execution'",
    )  # fmt: skip
    for machine in (
        "arn:aws:states:us-east-1:000000000000:stateMachine:gone",
        "arn:aws:states:eu-west-1:000000000000:stateMachine:m",
        "arn:aws:states:us-east-1:111111111111:stateMachine:m",
        "arn:aws:states:us-east-1:000000000000:stateMachine:m:7",
    ):
        world.machine()
        assert refusal(start, stateMachineArn=machine) == (
            "StateMachineDoesNotExist", f"State Machine Does Not Exist: '{machine}'",
        )  # fmt: skip
    assert refusal(describe, executionArn=execution) == (
        "ExecutionDoesNotExist", f"Execution Does Not Exist: '{execution}'",
    )  # fmt: skip
    assert refusal(describe, executionArn="arn:aws:states:us-east-1:000000000000:execution:m")[0] == "InvalidArn"


def test_a_stopped_execution_says_why(world: World) -> None:
    arn = world.execution(world.machine(text=ENDLESS))
    stopped = world.client.stop_execution(executionArn=arn, error="E", cause="C")["stopDate"]
    found = world.client.describe_execution(executionArn=arn)
    assert (found["status"], found["error"], found["cause"]) == ("ABORTED", "E", "C")
    assert found["redriveStatus"] == "REDRIVABLE"
    assert world.client.stop_execution(executionArn=arn)["stopDate"] == stopped == found["stopDate"]


def test_executions_are_listed_newest_first_in_pages(world: World) -> None:
    machine = world.machine(text=ENDLESS)
    arns = [world.execution(machine, name=f"e{index}") for index in range(7)]
    world.client.stop_execution(executionArn=arns[2])
    pages = world.client.get_paginator("list_executions").paginate(stateMachineArn=machine, maxResults=3)
    sizes, found = [], []
    for page in pages:
        sizes.append(len(page["executions"]))
        found += [one["executionArn"] for one in page["executions"]]
    assert (sizes, found) == ([3, 3, 1], arns[::-1])
    aborted = world.client.list_executions(stateMachineArn=machine, statusFilter="ABORTED")["executions"]
    assert [one["name"] for one in aborted] == ["e2"]
    assert "nextToken" not in world.client.list_executions(stateMachineArn=machine, maxResults=7)


def test_a_page_token_is_good_for_its_own_list_only(world: World) -> None:
    machine = world.machine(text=ENDLESS)
    for _ in range(2):
        world.execution(machine)
    token = world.client.list_executions(stateMachineArn=machine, maxResults=1)["nextToken"]
    invalid = ("InvalidToken", "Invalid Token: 'Invalid token'")
    listed = world.client.list_executions
    assert refusal(listed, stateMachineArn=machine, statusFilter="FAILED", nextToken=token) == invalid
    assert refusal(listed, stateMachineArn=machine, nextToken="not-a-token") == invalid
    assert refusal(world.client.list_state_machines, nextToken=token) == invalid


def test_executions_of_an_earlier_state_machine_of_the_name_are_not_listed(world: World) -> None:
    machine = world.machine()
    world.over(world.execution(machine))
    world.client.delete_state_machine(stateMachineArn=machine)
    assert refusal(world.client.list_executions, stateMachineArn=machine)[0] == "StateMachineDoesNotExist"
    world.machine()
    assert world.client.list_executions(stateMachineArn=machine)["executions"] == []


def test_a_list_is_of_one_state_machine_or_one_map_run(world: World) -> None:
    assert refusal(world.client.list_executions)[0] == "ValidationException"
    run = "arn:aws:states:us-east-1:000000000000:mapRun:m/l:u"
    assert refusal(world.client.list_executions, stateMachineArn=world.machine(), mapRunArn=run)[0] == (
        "ValidationException"
    )
    assert refusal(world.client.list_executions, mapRunArn=run) == ("ResourceNotFound", f"Resource not found: '{run}'")


def test_history_comes_in_pages_in_either_order(world: World) -> None:
    arn = world.execution(world.machine(text=definition(*[{"Type": "Pass"}] * 10)))
    world.over(arn)
    whole = world.client.get_execution_history(executionArn=arn)["events"]
    assert [event["id"] for event in whole] == list(range(1, 23))
    for reverse in (False, True):
        found: list[object] = []
        token: dict[str, str] = {}
        while True:
            page = world.client.get_execution_history(executionArn=arn, maxResults=5, reverseOrder=reverse, **token)
            found += page["events"]
            if "nextToken" not in page:
                break
            token = {"nextToken": page["nextToken"]}
        assert found == (whole[::-1] if reverse else whole)
    assert refusal(world.client.get_execution_history, executionArn=arn, nextToken="x")[0] == "InvalidToken"


def test_history_of_many_batches_comes_in_pages(world: World) -> None:
    processor = json.loads(definition(*[{"Type": "Wait", "Seconds": 0}] * 3, prefix="I"))
    machine = world.machine(text=definition({"Type": "Map", "ItemProcessor": processor, "MaxConcurrency": 1}))
    arn = world.execution(machine, input=json.dumps(list(range(200))))
    world.over(arn)
    pages = world.client.get_paginator("get_execution_history").paginate(executionArn=arn, maxResults=100)
    ids = [event["id"] for page in pages for event in page["events"]]
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) > 1000


def test_history_may_leave_the_data_out(world: World) -> None:
    arn = world.execution(world.machine())
    world.over(arn)
    events = world.client.get_execution_history(executionArn=arn, includeExecutionData=False)["events"]
    assert "input" not in events[0]["executionStartedEventDetails"]
    assert events[1]["stateEnteredEventDetails"] == {"name": "S0"}


def test_a_thousand_starts_at_once_are_a_thousand_executions(world: World) -> None:
    machine = world.machine()
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.extend(world.execution(machine) for _ in range(25))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 200


def test_the_definition_of_an_execution_is_the_one_it_started_with(world: World) -> None:
    machine = world.machine(text=ENDLESS)
    arn = world.execution(machine)
    world.client.update_state_machine(stateMachineArn=machine, definition=PASS)
    found = world.client.describe_state_machine_for_execution(executionArn=arn)
    assert (found["definition"], found["stateMachineArn"], found["name"]) == (ENDLESS, machine, "m")
    assert found["loggingConfiguration"] == {"level": "OFF", "includeExecutionData": False}


def test_a_failed_execution_can_be_redriven_and_a_repeat_of_the_request_is_answered_alike(world: World) -> None:
    arn = world.execution(world.machine(text=definition({"Type": "Fail", "Error": "E"})))
    assert world.over(arn)["redriveStatus"] == "REDRIVABLE"
    redriven = world.client.redrive_execution(executionArn=arn, clientToken="t")
    again = world.client.redrive_execution(executionArn=arn, clientToken="t")
    assert redriven["redriveDate"] == again["redriveDate"]
    found = world.over(arn)
    assert (found["status"], found["redriveCount"], found["redriveDate"]) == ("FAILED", 1, redriven["redriveDate"])


def test_what_succeeded_or_runs_cannot_be_redriven(world: World) -> None:
    done = world.execution(world.machine())
    world.over(done)
    code, message = refusal(world.client.redrive_execution, executionArn=done)
    assert code == "ExecutionNotRedrivable"
    assert "Execution is SUCCEEDED and cannot be redriven" in message
    running = world.execution(world.machine("w", ENDLESS))
    assert refusal(world.client.redrive_execution, executionArn=running)[0] == "ExecutionNotRedrivable"


def test_what_is_no_operation_and_no_json_is_refused(world: World) -> None:
    status, _, body = ask(world.service, world.loop, {"X-Amz-Target": "AWSStepFunctions.Nope"}, b"{}")
    assert (status, json.loads(body)["__type"]) == (400, "UnknownOperationException")
    status, _, body = ask(world.service, world.loop, {"x-amz-target": "AWSStepFunctions.StartExecution"}, b"{")
    assert (status, json.loads(body)["__type"]) == (400, "SerializationException")
    status, _, body = ask(world.service, world.loop, {"x-amz-target": "AWSStepFunctions.StartExecution"}, b"[]")
    assert (status, json.loads(body)["__type"]) == (400, "SerializationException")


def test_requests_are_checked_by_the_model(world: World) -> None:
    assert refusal(world.client.start_execution) == (
        "ValidationException",
        (
            "1 validation error detected: Value null at 'stateMachineArn' failed to satisfy constraint: "
            "Member must not be null"
        ),
    )
    assert refusal(world.client.list_executions, stateMachineArn=world.machine(), maxResults=1001) == (
        "ValidationException",
        (
            "1 validation error detected: Value '1001' at 'maxResults' failed to satisfy constraint: "
            "Member must have value less than or equal to 1000"
        ),
    )


def test_a_stopped_service_answers_so(world: World) -> None:
    world.service.stop()
    status, _, body = ask(world.service, world.loop, {"x-amz-target": "AWSStepFunctions.ListStateMachines"}, b"{}")
    assert (status, json.loads(body)["__type"]) == (503, "ServiceUnavailable")


def test_what_ran_and_what_was_made_is_there_after_a_restart(world: World) -> None:
    arn = world.execution(world.machine(text=ENDLESS))
    assert world.restart() == 1
    assert world.client.describe_execution(executionArn=arn)["status"] == "RUNNING"
    assert [one["name"] for one in world.client.list_state_machines()["stateMachines"]] == ["m"]
