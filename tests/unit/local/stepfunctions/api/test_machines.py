"""State machines, versions, aliases, tags."""

import json
from typing import Any

import pytest

from tests.unit.local.stepfunctions.api.cloud import ENDLESS, PASS, ROLE, definition, refusal
from tests.unit.local.stepfunctions.api.conftest import World

_OTHER = definition({"Type": "Succeed"})
_GONE = "arn:aws:states:us-east-1:000000000000:stateMachine:gone"


def test_a_state_machine_is_described_as_it_was_made(world: World) -> None:
    machine = world.machine("m", PASS, tracingConfiguration={"enabled": True})
    found = world.client.describe_state_machine(stateMachineArn=machine)
    assert machine == "arn:aws:states:us-east-1:000000000000:stateMachine:m"
    assert (found["name"], found["definition"], found["roleArn"]) == ("m", PASS, ROLE)
    assert (found["type"], found["status"]) == ("STANDARD", "ACTIVE")
    assert found["loggingConfiguration"] == {"level": "OFF", "includeExecutionData": False}
    assert found["tracingConfiguration"] == {"enabled": True}
    assert "revisionId" not in found


def test_the_same_request_makes_one_state_machine(world: World) -> None:
    machine = world.machine("m", PASS)
    assert world.machine("m", PASS) == machine
    again = world.client.create_state_machine(name="m", definition=PASS, roleArn=f"{ROLE}-other")
    assert again["stateMachineArn"] == machine
    assert world.client.describe_state_machine(stateMachineArn=machine)["roleArn"] == ROLE
    taken = ("StateMachineAlreadyExists", f"State Machine Already Exists: '{machine}'")
    create = world.client.create_state_machine
    assert refusal(create, name="m", definition=_OTHER, roleArn=ROLE) == taken
    assert refusal(create, name="m", definition=PASS, roleArn=ROLE, type="EXPRESS") == taken


def test_a_wrong_definition_is_refused_with_every_problem(world: World) -> None:
    create = world.client.create_state_machine
    assert refusal(create, name="m", definition='{"StartAt": "A", "Comment": "x"}', roleArn=ROLE) == (
        "InvalidDefinition",
        "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are required: [States] at /'",
    )
    code, message = refusal(
        create, name="m", roleArn=ROLE, definition=definition({"Type": "Pass", "Nope": 1}, {"Type": "Wait"})
    )
    assert code == "InvalidDefinition"
    assert "/States/S0" in message
    assert "/States/S1" in message
    assert world.client.list_state_machines()["stateMachines"] == []


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"name": "a b"}, "InvalidName"),
        ({"roleArn": "nope"}, "InvalidArn"),
        ({"versionDescription": "d"}, "ValidationException"),
        ({"type": "OTHER"}, "ValidationException"),
        ({"encryptionConfiguration": {"type": "CUSTOMER_MANAGED_KMS_KEY"}}, "InvalidEncryptionConfiguration"),
        ({"tags": [{"key": f"k{index}", "value": "v"} for index in range(51)]}, "TooManyTags"),
        ({"loggingConfiguration": {"level": "ALL"}}, "InvalidLoggingConfiguration"),
    ],
)
def test_what_is_wrong_with_a_new_state_machine(world: World, more: dict[str, Any], code: str) -> None:
    request = {"name": "m", "definition": PASS, "roleArn": ROLE, **more}
    assert refusal(world.client.create_state_machine, **request)[0] == code
    assert world.client.list_state_machines()["stateMachines"] == []


def test_a_version_description_needs_a_version(world: World) -> None:
    refused = refusal(
        world.client.create_state_machine, name="m", definition=PASS, roleArn=ROLE, versionDescription="d"
    )
    assert refused == ("ValidationException", "Version description can only be set when publish is true")


def test_an_update_makes_a_revision_where_something_changes(world: World) -> None:
    machine = world.machine("m", PASS)
    update, describe = world.client.update_state_machine, world.client.describe_state_machine
    assert "revisionId" not in update(stateMachineArn=machine, definition=PASS)
    first = update(stateMachineArn=machine, definition=_OTHER)["revisionId"]
    assert describe(stateMachineArn=machine)["revisionId"] == first
    assert update(stateMachineArn=machine, definition=_OTHER)["revisionId"] == first
    second = update(stateMachineArn=machine, roleArn=f"{ROLE}-other")["revisionId"]
    assert second != first
    assert refusal(update, stateMachineArn=machine)[0] == "MissingRequiredParameter"
    assert refusal(update, stateMachineArn=machine, definition="{}")[0] == "InvalidDefinition"
    assert refusal(update, stateMachineArn=_GONE, definition=PASS) == (
        "StateMachineDoesNotExist", f"State Machine Does Not Exist: '{_GONE}'",
    )  # fmt: skip
    assert describe(stateMachineArn=machine)["definition"] == _OTHER


def test_state_machines_are_listed_in_pages_even_while_they_go(world: World) -> None:
    arns = [world.machine(f"m{index}") for index in range(5)]
    found = []
    for page in world.client.get_paginator("list_state_machines").paginate(maxResults=2):
        for one in page["stateMachines"]:
            found.append(one["stateMachineArn"])
            world.client.delete_state_machine(stateMachineArn=one["stateMachineArn"])
    assert found == arns
    assert world.client.list_state_machines()["stateMachines"] == []


def test_a_state_machine_stays_until_its_last_execution_is_over(world: World) -> None:
    machine = world.machine("m", ENDLESS)
    arn = world.execution(machine)
    for _ in range(2):
        world.client.delete_state_machine(stateMachineArn=machine)
    assert world.client.describe_state_machine(stateMachineArn=machine)["status"] == "DELETING"
    assert refusal(world.client.start_execution, stateMachineArn=machine)[0] == "StateMachineDeleting"
    assert refusal(world.client.create_state_machine, name="m", definition=PASS, roleArn=ROLE)[0] == (
        "StateMachineDeleting"
    )
    world.restart()
    assert world.client.describe_state_machine(stateMachineArn=machine)["status"] == "DELETING"
    world.client.stop_execution(executionArn=arn)
    world.restart()
    assert refusal(world.client.describe_state_machine, stateMachineArn=machine)[0] == "StateMachineDoesNotExist"
    assert world.client.delete_state_machine(stateMachineArn=machine)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_versions_are_numbered_and_never_again(world: World) -> None:
    made = world.client.create_state_machine(
        name="m", definition=PASS, roleArn=ROLE, publish=True, versionDescription="first"
    )
    machine, first = made["stateMachineArn"], made["stateMachineVersionArn"]
    publish = world.client.publish_state_machine_version
    assert first == f"{machine}:1"
    # A revision has one version.
    assert publish(stateMachineArn=machine)["stateMachineVersionArn"] == first
    second = world.client.update_state_machine(stateMachineArn=machine, definition=_OTHER, publish=True)
    assert second["stateMachineVersionArn"] == f"{machine}:2"
    listed = world.client.list_state_machine_versions(stateMachineArn=machine)["stateMachineVersions"]
    assert [one["stateMachineVersionArn"] for one in listed] == [f"{machine}:2", f"{machine}:1"]
    described = world.client.describe_state_machine(stateMachineArn=first)
    assert (described["definition"], described["description"], described["stateMachineArn"]) == (PASS, "first", first)
    world.client.delete_state_machine_version(stateMachineVersionArn=f"{machine}:2")
    third = world.client.update_state_machine(stateMachineArn=machine, definition=ENDLESS, publish=True)
    assert third["stateMachineVersionArn"] == f"{machine}:3"
    world.restart()
    assert world.client.describe_state_machine(stateMachineArn=first)["definition"] == PASS


def test_a_version_is_published_of_the_revision_that_is_meant(world: World) -> None:
    machine = world.machine("m", PASS)
    publish = world.client.publish_state_machine_version
    assert publish(stateMachineArn=machine, revisionId="INITIAL")["stateMachineVersionArn"] == f"{machine}:1"
    current = world.client.update_state_machine(stateMachineArn=machine, definition=_OTHER)["revisionId"]
    assert refusal(publish, stateMachineArn=machine, revisionId="INITIAL") == (
        "ConflictException",
        (
            "Failed to publish the State Machine version for revision INITIAL. "
            f"The current State Machine revision is {current}."
        ),
    )
    assert publish(stateMachineArn=machine, revisionId=current)["stateMachineVersionArn"] == f"{machine}:2"
    assert refusal(publish, stateMachineArn=_GONE)[0] == "StateMachineDoesNotExist"


def _two_versions(world: World) -> tuple[str, str, str]:
    machine = world.machine("m", PASS, publish=True)
    world.client.update_state_machine(stateMachineArn=machine, definition=_OTHER, publish=True)
    return machine, f"{machine}:1", f"{machine}:2"


def _route(*weights: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"stateMachineVersionArn": arn, "weight": weight} for arn, weight in weights]


def test_an_alias_leads_to_its_version(world: World) -> None:
    machine, first, second = _two_versions(world)
    made = world.client.create_state_machine_alias(name="live", routingConfiguration=_route((first, 100)))
    alias = made["stateMachineAliasArn"]
    assert alias == f"{machine}:live"
    arn = world.execution(alias)
    found = world.over(arn)
    assert (found["stateMachineArn"], found["stateMachineVersionArn"]) == (machine, first)
    assert found["stateMachineAliasArn"] == alias
    world.client.update_state_machine_alias(stateMachineAliasArn=alias, routingConfiguration=_route((second, 100)))
    assert world.over(world.execution(alias))["stateMachineVersionArn"] == second
    assert world.client.describe_state_machine(stateMachineArn=alias)["definition"] == _OTHER
    by_version = world.over(world.execution(first))
    assert "stateMachineAliasArn" not in by_version
    listed = world.client.list_executions
    assert [one["executionArn"] for one in listed(stateMachineArn=first)["executions"]] == [
        by_version["executionArn"], arn,
    ]  # fmt: skip
    assert len(listed(stateMachineArn=alias)["executions"]) == 2
    assert len(listed(stateMachineArn=machine)["executions"]) == 3


def test_an_alias_shares_executions_out_by_weight(world: World) -> None:
    machine, first, second = _two_versions(world)
    world.client.create_state_machine_alias(name="live", routingConfiguration=_route((first, 0), (second, 100)))
    arns = [world.execution(f"{machine}:live") for _ in range(10)]
    assert {world.over(arn)["stateMachineVersionArn"] for arn in arns} == {second}


def test_aliases_are_listed_described_and_deleted(world: World) -> None:
    machine, first, second = _two_versions(world)
    create = world.client.create_state_machine_alias
    for name, arn in (("a", first), ("b", second), ("c", first)):
        create(name=name, routingConfiguration=_route((arn, 100)), description=name)
    assert create(name="a", routingConfiguration=_route((first, 100)), description="a")["stateMachineAliasArn"] == (
        f"{machine}:a"
    )
    assert refusal(create, name="a", routingConfiguration=_route((second, 100)))[0] == "ConflictException"
    listed = world.client.list_state_machine_aliases
    found = [one["stateMachineAliasArn"] for one in listed(stateMachineArn=machine)["stateMachineAliases"]]
    assert found == [f"{machine}:{name}" for name in "abc"]
    assert len(listed(stateMachineArn=first)["stateMachineAliases"]) == 2
    page = listed(stateMachineArn=machine, maxResults=2)
    assert len(listed(stateMachineArn=machine, maxResults=2, nextToken=page["nextToken"])["stateMachineAliases"]) == 1
    described = world.client.describe_state_machine_alias(stateMachineAliasArn=f"{machine}:a")
    assert (described["name"], described["description"]) == ("a", "a")
    assert described["routingConfiguration"] == _route((first, 100))
    assert refusal(world.client.delete_state_machine_version, stateMachineVersionArn=first) == (
        "ConflictException",
        (
            "Version to be deleted must not be referenced by an alias. "
            "Current list of aliases referencing this version: [a, c]"
        ),
    )
    world.restart()
    world.client.delete_state_machine_alias(stateMachineAliasArn=f"{machine}:a")
    assert refusal(world.client.describe_state_machine_alias, stateMachineAliasArn=f"{machine}:a") == (
        "ResourceNotFound", f"Resource not found: '{machine}:a'",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (((1, 50), (2, 40)), "Sum of routing configuration weights must equal 100. Received: [50, 40]"),
        (((1, 50), (1, 50)), "Routing configuration must contain distinct state machine version ARNs."),
        (((1, 101),), "1 validation error detected"),
        (((1, 20), (2, 20), (3, 60)), "1 validation error detected"),
        ((), "1 validation error detected"),
    ],
)
def test_a_wrong_routing_is_refused(world: World, weights: tuple[tuple[int, int], ...], message: str) -> None:
    machine, _, _ = _two_versions(world)
    route = _route(*((f"{machine}:{number}", weight) for number, weight in weights))
    code, said = refusal(world.client.create_state_machine_alias, name="live", routingConfiguration=route)
    assert (code, said[: len(message)]) == ("ValidationException", message)


def test_an_alias_name_is_no_number(world: World) -> None:
    _, first, _ = _two_versions(world)
    refused = refusal(world.client.create_state_machine_alias, name="12", routingConfiguration=_route((first, 100)))
    assert refused[0] == "ValidationException"
    assert "regular expression" in refused[1]


def test_tags_are_added_replaced_and_taken_away(world: World) -> None:
    machine = world.machine("m", PASS, tags=[{"key": "a", "value": "1"}])
    tags = world.client.list_tags_for_resource
    world.client.tag_resource(resourceArn=machine, tags=[{"key": "a", "value": "2"}, {"key": "b", "value": "3"}])
    assert tags(resourceArn=machine)["tags"] == [{"key": "a", "value": "2"}, {"key": "b", "value": "3"}]
    world.client.untag_resource(resourceArn=machine, tagKeys=["a", "zzz"])
    assert tags(resourceArn=machine)["tags"] == [{"key": "b", "value": "3"}]
    many = [{"key": f"k{index}", "value": ""} for index in range(50)]
    assert refusal(world.client.tag_resource, resourceArn=machine, tags=many)[0] == "TooManyTags"
    assert refusal(tags, resourceArn=_GONE) == ("ResourceNotFound", f"Resource not found: '{_GONE}'")
    world.client.delete_state_machine(stateMachineArn=machine)
    assert tags(resourceArn=world.machine("m", PASS))["tags"] == []


def test_a_log_destination_is_one_group_that_exists(world: World) -> None:
    def logging(*arns: str, level: str = "ALL") -> dict[str, Any]:
        return {"level": level, "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}} for arn in arns]}

    group = "arn:aws:logs:us-east-1:000000000000:log-group:/g:*"
    create = world.client.create_state_machine
    one = "Invalid Logging Configuration: Must specify exactly one Log Destination."
    for wrong, message in (
        ({"level": "ALL"}, one),
        (logging(group, group), one),
        (logging(group), "Invalid Logging Configuration: Log Destination not found."),
        (logging(group.removesuffix(":*")), "Invalid Logging Configuration: "),
    ):
        code, said = refusal(create, name="m", definition=PASS, roleArn=ROLE, loggingConfiguration=wrong)
        assert (code, said[: len(message)]) == ("InvalidLoggingConfiguration", message)
    world.cloud.logs.groups.add("/g")
    machine = world.machine("m", PASS, loggingConfiguration=logging(group))
    found = world.client.describe_state_machine(stateMachineArn=machine)["loggingConfiguration"]
    assert found == {**logging(group), "includeExecutionData": False}


def test_resolve_tells_what_can_be_started(world: World) -> None:
    machine, first, _ = _two_versions(world)
    assert [world.service.resolve(arn) for arn in (machine, first, f"{machine}:9", _GONE, "x")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_json_of_any_kind_survives_the_wire(world: World) -> None:
    text = json.dumps({"big": 10**30, "half": "\ud800", "text": "ü"})
    assert json.loads(world.over(world.execution(world.machine(), input=text))["output"]) == json.loads(text)


def test_variables_are_told_state_by_state(world: World) -> None:
    inner = definition({"Type": "Pass", "Output": "{% $x + $sum([1]) %}"}, prefix="I", QueryLanguage="JSONata")
    processor = {key: value for key, value in json.loads(inner).items() if key != "QueryLanguage"}
    text = definition(
        {"Type": "Pass", "Assign": {"x": 1, "y.$": "$.y"}},
        {
            "Type": "Pass",
            "Parameters": {"a.$": "$x", "b.$": "States.Format('{}', $y)", "c": "$z", "d.$": "$$.State.Name"},
        },
        {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% ($t := $x; $t + $states.input.y) %}"},
        {"Type": "Map", "QueryLanguage": "JSONata", "Items": "{% $y %}", "ItemProcessor": _in_jsonata(processor)},
    )
    found = world.client.describe_state_machine(stateMachineArn=world.machine(text=text))["variableReferences"]
    assert found == {"S1": ["x", "y"], "S2": ["x"], "S3": ["y"], "I0": ["x"]}


def _in_jsonata(flow: dict[str, Any]) -> dict[str, Any]:
    states = {name: {**state, "QueryLanguage": "JSONata"} for name, state in flow["States"].items()}
    return {**flow, "States": states}
