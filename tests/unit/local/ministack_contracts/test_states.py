"""What starts executions or makes state machines inside MiniStack reaches the engine; and the names it uses."""

import asyncio
import inspect
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from ministack import app as ministack_app
from ministack.services import eventbridge, pipes, scheduler, stepfunctions
from ministack.services.cloudformation import drift, provisioners

from local.ministack import machines, serving, starting, states
from local.ministack.machines import Resources
from local.ministack.starting import Starts
from local.stepfunctions.api.errors import ApiError
from local.surroundings import Request, Response

ARN = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
ROLE = "arn:aws:iam::000000000000:role/r"
Answer = Mapping[str, Any] | ApiError | Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Engine:
    """Answers what it was told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.seen = threading.Condition()

    async def handle(self, request: Request) -> Response:
        return 200, {"path": request.path, **request.headers}, request.body

    def call(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        with self.seen:
            self.asked.append((operation, dict(request)))
            self.seen.notify_all()
        answers = self.answers.get(operation, [{}])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, ApiError):
            raise answer
        return answer(request) if callable(answer) else answer

    def wait_for(self, count: int) -> None:
        with self.seen:
            assert self.seen.wait_for(lambda: len(self.asked) >= count, 10)

    def requests(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, request in self.asked if name == operation]


class Queues:
    """An SQS client that keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[Mapping[str, Any]] = []
        self.came = threading.Event()

    def get_queue_url(self, QueueName: str) -> Mapping[str, str]:  # noqa: N803
        return {"QueueUrl": f"http://queue/{QueueName}"}

    def send_message(self, **message: Any) -> None:
        self.sent.append(message)
        self.came.set()


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def queues() -> Queues:
    return Queues()


@pytest.fixture
def installed(engine: Engine, queues: Queues, monkeypatch: pytest.MonkeyPatch) -> Iterator[Starts]:
    for module, names in (
        (stepfunctions, ("_start_execution", "_state_machines", "get_state", "load_persisted_state")),
        (eventbridge, ("_invoke_target", "_dispatch_to_stepfunctions")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))
    for name in ("_RESOURCE_HANDLERS", "_REPLACING_PROPERTIES", "_STACK_TAG_PROPERTY"):
        monkeypatch.setattr(provisioners, name, dict(getattr(provisioners, name)))
    monkeypatch.setattr(ministack_app, "SERVICE_HANDLERS", dict(ministack_app.SERVICE_HANDLERS))
    monkeypatch.setattr(starting, "_FIRST_DELAY", 0.0)
    starts = states.install(engine, lambda _: queues)
    yield starts
    starts.close()


def start(target: Mapping[str, Any] | None = None) -> None:
    rule = {"Arn": "arn:aws:events:us-east-1:000000000000:rule/r", "Name": "r"}
    event = {"EventId": "e1", "Source": "me", "DetailType": "t", "Detail": "{}"}
    eventbridge._invoke_target({"Arn": ARN, "Id": "1", **(target or {})}, event, rule)


# Who starts executions.


def test_the_endpoint_is_ours(installed: Starts) -> None:
    assert installed is not None
    ours = ministack_app.SERVICE_HANDLERS["states"]
    assert asyncio.run(ours("POST", "/x", {"a": "b"}, b"{}", {})) == (200, {"path": "/x", "a": "b"}, b"{}")


def test_an_event_starts_an_execution_named_after_it(engine: Engine, installed: Starts) -> None:
    assert installed is not None
    start({"Input": '{"a":1}'})
    ((operation, request),) = engine.asked
    assert operation == "StartExecution"
    assert (request["stateMachineArn"], request["input"]) == (ARN, '{"a":1}')
    assert request["name"].startswith("e1_")
    assert len(request["name"]) <= 80


def test_a_start_that_fails_in_passing_is_tried_again_under_its_name(engine: Engine, installed: Starts) -> None:
    assert installed is not None
    engine.answers["StartExecution"] = [ApiError("ServiceUnavailable", "not now", 503), {}]
    start()
    engine.wait_for(2)
    first, second = engine.requests("StartExecution")
    assert first == second


def test_a_start_that_is_refused_goes_to_the_dead_letter_queue(
    engine: Engine, installed: Starts, queues: Queues
) -> None:
    assert installed is not None
    engine.answers["StartExecution"] = [ApiError("StateMachineDoesNotExist", "gone")]
    start({"DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:000000000000:dlq"}, "Input": "{}"})
    assert queues.came.wait(10)
    (message,) = queues.sent
    assert (message["QueueUrl"], message["MessageBody"]) == ("http://queue/dlq", "{}")
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes["ERROR_CODE"] == "StateMachineDoesNotExist"
    assert attributes["TARGET_ARN"] == ARN
    assert attributes["RETRY_ATTEMPTS"] == "0"
    assert len(engine.asked) == 1


def test_a_start_is_given_up_when_its_target_allows_no_more_tries(
    engine: Engine, installed: Starts, queues: Queues
) -> None:
    assert installed is not None
    engine.answers["StartExecution"] = [ApiError("ServiceUnavailable", "not now", 503)]
    start({"DeadLetterConfig": {"Arn": "a:dlq"}, "RetryPolicy": {"MaximumRetryAttempts": 2}})
    assert queues.came.wait(10)
    assert len(engine.asked) == 3


def test_nothing_is_tried_after_the_end(engine: Engine, installed: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_FIRST_DELAY", 60.0)
    engine.answers["StartExecution"] = [ApiError("ServiceUnavailable", "not now", 503)]
    start()
    installed.close()
    assert len(engine.asked) == 1
    assert not any(thread.name == "starts" for thread in threading.enumerate())


def test_pipes_get_the_answer_of_a_handler(engine: Engine, installed: Starts) -> None:
    assert installed is not None
    engine.answers["StartExecution"] = [{"executionArn": "e"}, ApiError("ExecutionLimitExceeded", "too many")]
    assert pipes._start_state_machine_from_records(ARN, {"Name": "p"}, [{"a": 1}]) is True
    assert pipes._start_state_machine_from_records(ARN, {"Name": "p"}, [{"a": 1}]) is False
    assert engine.asked[0] == ("StartExecution", {"stateMachineArn": ARN, "input": '[{"a": 1}]'})


def test_ministack_keeps_nothing_of_step_functions(installed: Starts) -> None:
    assert installed is not None
    assert stepfunctions.get_state() == {}
    stepfunctions.load_persisted_state({"executions": "anything"})


def test_drift_detection_asks_the_engine(engine: Engine, installed: Starts) -> None:
    assert installed is not None
    engine.answers["DescribeStateMachine"] = [{"name": "m"}, ApiError("StateMachineDoesNotExist", "gone")]
    exists, _ = drift._DRIFT_READERS[machines.MACHINE]
    assert exists(ARN, {}) == {}
    assert exists(ARN, {}) is None


def test_the_known_machines_are_read_page_by_page(engine: Engine) -> None:
    engine.answers["ListStateMachines"] = [
        {"stateMachines": [{"stateMachineArn": "a"}], "nextToken": "t"},
        {"stateMachines": [{"stateMachineArn": "b"}]},
    ]
    assert set(states.Known(engine)) == {"a", "b"}
    assert engine.asked == [("ListStateMachines", {}), ("ListStateMachines", {"nextToken": "t"})]


# What a template makes.


@pytest.fixture
def resources(engine: Engine) -> Resources:
    engine.answers["CreateStateMachine"] = [{"stateMachineArn": ARN}]
    engine.answers["DescribeStateMachine"] = [{"name": "m", "status": "ACTIVE", "revisionId": "r1"}]
    return Resources(engine.call, provisioners)


PROPERTIES: Mapping[str, Any] = {
    "StateMachineName": "m",
    "StateMachineType": "EXPRESS",
    "RoleArn": ROLE,
    "DefinitionString": '{"StartAt":"${First}"}',
    "DefinitionSubstitutions": {"First": "A"},
    "LoggingConfiguration": {
        "Level": "ALL",
        "IncludeExecutionData": "true",
        "Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": "arn:g:*"}}],
    },
    "TracingConfiguration": {"Enabled": True},
    "Tags": [{"Key": "k", "Value": "v"}],
}


def test_a_state_machine_is_created_through_the_api(engine: Engine, resources: Resources) -> None:
    made = resources.create_machine("M", PROPERTIES, "stack")
    assert made == (ARN, {"Arn": ARN, "Name": "m", "StateMachineRevisionId": "r1"})
    assert engine.requests("CreateStateMachine") == [
        {
            "name": "m",
            "type": "EXPRESS",
            "roleArn": ROLE,
            "definition": '{"StartAt":"A"}',
            "loggingConfiguration": {
                "level": "ALL",
                "includeExecutionData": True,
                "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": "arn:g:*"}}],
            },
            "tracingConfiguration": {"enabled": True},
            "tags": [{"key": "k", "value": "v"}],
        }
    ]


def test_a_definition_may_be_yaml(engine: Engine, resources: Resources) -> None:
    text = "StartAt: ${First}\nStates:\n  A: {Type: Pass, Result: 2026-03-28, End: true}\n"
    resources.create_machine("M", {**PROPERTIES, "DefinitionString": text}, "stack")
    (request,) = engine.requests("CreateStateMachine")
    states = {"A": {"Type": "Pass", "Result": "2026-03-28", "End": True}}
    assert json.loads(request["definition"]) == {"StartAt": "A", "States": states}


def test_a_refused_definition_fails_the_stack_with_the_services_words(engine: Engine, resources: Resources) -> None:
    engine.answers["CreateStateMachine"] = [ApiError("InvalidDefinition", "Invalid State Machine Definition: 'x'")]
    with pytest.raises(ValueError, match="Invalid State Machine Definition: 'x' \\(Service: Sfn, Status Code: 400"):
        resources.create_machine("M", PROPERTIES, "stack")


OURS = [
    {"Key": "aws:cloudformation:stack-name", "Value": "stack"},
    {"Key": "aws:cloudformation:logical-id", "Value": "M"},
]


def test_a_machine_that_the_stack_made_before_a_crash_is_taken_over(engine: Engine, resources: Resources) -> None:
    engine.answers["CreateStateMachine"] = [ApiError("StateMachineAlreadyExists", "there")]
    engine.answers["ListTagsForResource"] = [{"tags": [{"key": one["Key"], "value": one["Value"]} for one in OURS]}]
    arn, _ = resources.create_machine("M", {**PROPERTIES, "Tags": OURS}, "stack")
    assert arn == ARN
    (update,) = engine.requests("UpdateStateMachine")
    assert update["definition"] == '{"StartAt":"A"}'


def test_a_machine_of_somebody_else_is_not_taken_over(engine: Engine, resources: Resources) -> None:
    engine.answers["CreateStateMachine"] = [ApiError("StateMachineAlreadyExists", "there")]
    engine.answers["ListTagsForResource"] = [{"tags": []}]
    with pytest.raises(ValueError, match="there"):
        resources.create_machine("M", {**PROPERTIES, "Tags": OURS}, "stack")


def test_an_update_changes_in_place_and_resets_what_the_template_dropped(engine: Engine, resources: Resources) -> None:
    new = {"StateMachineName": "m", "RoleArn": ROLE, "DefinitionString": "{}", "Tags": [{"Key": "n", "Value": "w"}]}
    arn, _ = resources.update_machine(ARN, PROPERTIES, new, "stack", "M")
    assert arn == ARN
    assert engine.requests("UpdateStateMachine") == [
        {
            "stateMachineArn": ARN,
            "definition": "{}",
            "roleArn": ROLE,
            "loggingConfiguration": {"level": "OFF", "includeExecutionData": False},
            "tracingConfiguration": {"enabled": False},
        }
    ]
    assert engine.requests("UntagResource") == [{"resourceArn": ARN, "tagKeys": ["k"]}]
    assert engine.requests("TagResource") == [{"resourceArn": ARN, "tags": [{"key": "n", "value": "w"}]}]


def test_an_update_of_what_is_gone_creates_it_again(engine: Engine, resources: Resources) -> None:
    engine.answers["DescribeStateMachine"] = [
        ApiError("StateMachineDoesNotExist", "gone"),
        {"name": "m", "revisionId": "r2"},
    ]
    _, attributes = resources.update_machine(ARN, PROPERTIES, PROPERTIES, "stack", "M")
    assert attributes["StateMachineRevisionId"] == "r2"
    assert len(engine.requests("CreateStateMachine")) == 1


def test_a_machine_that_was_never_updated_has_the_initial_revision(engine: Engine, resources: Resources) -> None:
    engine.answers["DescribeStateMachine"] = [{"name": "m"}]
    _, attributes = resources.create_machine("M", PROPERTIES, "stack")
    assert attributes["StateMachineRevisionId"] == "INITIAL"


def test_versions_aliases_and_activities_are_resources_too(engine: Engine, resources: Resources) -> None:
    engine.answers |= {
        "PublishStateMachineVersion": [{"stateMachineVersionArn": f"{ARN}:1"}],
        "CreateStateMachineAlias": [{"stateMachineAliasArn": f"{ARN}:live"}],
        "CreateActivity": [{"activityArn": "arn:act"}],
    }
    version, _ = resources.create_version("V", {"StateMachineArn": ARN, "StateMachineRevisionId": "r1"}, "stack")
    routes = {"RoutingConfiguration": [{"StateMachineVersionArn": version, "Weight": "100"}]}
    alias, _ = resources.create_alias("A", {"Name": "live", **routes}, "stack")
    deployed = {"DeploymentPreference": {"StateMachineVersionArn": f"{ARN}:2", "Type": "CANARY"}, "Description": "d"}
    resources.update_alias(alias, {}, deployed, "stack")
    activity, attributes = resources.create_activity("T", {"Name": "act"}, "stack")
    resources.update_activity(activity, {"Tags": OURS}, {}, "stack")
    resources.delete_activity(activity, {})
    resources.delete_alias(alias, {})
    resources.delete_version(version, {})
    resources.delete_machine(ARN, {})
    assert attributes == {"Arn": "arn:act", "Name": "act"}
    assert engine.asked == [
        ("PublishStateMachineVersion", {"stateMachineArn": ARN, "revisionId": "r1"}),
        (
            "CreateStateMachineAlias",
            {"name": "live", "routingConfiguration": [{"stateMachineVersionArn": version, "weight": 100}]},
        ),
        (
            "UpdateStateMachineAlias",
            {
                "stateMachineAliasArn": alias,
                "description": "d",
                "routingConfiguration": [{"stateMachineVersionArn": f"{ARN}:2", "weight": 100}],
            },
        ),
        ("CreateActivity", {"name": "act", "tags": []}),
        (
            "UntagResource",
            {"resourceArn": "arn:act", "tagKeys": [OURS[1]["Key"], OURS[0]["Key"]]},
        ),
        ("DeleteActivity", {"activityArn": "arn:act"}),
        ("DeleteStateMachineAlias", {"stateMachineAliasArn": alias}),
        ("DeleteStateMachineVersion", {"stateMachineVersionArn": version}),
        ("DeleteStateMachine", {"stateMachineArn": ARN}),
    ]


# MiniStack's names.


def test_events_and_schedules_reach_a_state_machine_by_two_names() -> None:
    assert list(inspect.signature(eventbridge._invoke_target).parameters) == ["target", "event", "rule", "view"]
    source = inspect.getsource(eventbridge._invoke_target)
    assert "_dispatch_to_stepfunctions(arn, event_payload)" in source
    assert list(inspect.signature(eventbridge._dispatch_to_stepfunctions).parameters) == ["arn", "payload"]
    assert "_eb._invoke_target(target, event, sched)" in inspect.getsource(scheduler._tick_schedules)


def test_pipes_start_executions_by_one_name() -> None:
    source = inspect.getsource(pipes._start_state_machine_from_records)
    assert "status, _headers, body = _sfn._start_execution({" in source
    assert list(inspect.signature(stepfunctions._start_execution).parameters) == ["data"]


def test_state_is_saved_and_restored_by_two_names() -> None:
    assert set(stepfunctions.get_state()) >= {"state_machines", "executions"}
    assert "_get_module(module_name).load_persisted_state(data)" in inspect.getsource(
        ministack_app._load_persisted_state
    )


def test_a_resource_type_is_an_entry_of_a_table() -> None:
    handler = provisioners._RESOURCE_HANDLERS[machines.MACHINE]
    assert set(handler) == {"create", "update", "update_with_logical_id", "delete"}
    assert list(inspect.signature(handler["create"]).parameters) == ["logical_id", "props", "stack_name"]
    assert list(inspect.signature(handler["delete"]).parameters) == ["physical_id", "props"]
    assert list(inspect.signature(handler["update"]).parameters) == [
        "physical_id",
        "old_props",
        "new_props",
        "stack_name",
        "logical_id",
    ]
    for missing in (machines.VERSION, machines.ALIAS, machines.ACTIVITY):
        assert missing not in provisioners._RESOURCE_HANDLERS
    assert provisioners._REPLACING_PROPERTIES[machines.MACHINE] == ("StateMachineName", "StateMachineType")
    assert provisioners._STACK_TAG_PROPERTY[machines.MACHINE] == ("Tags", "list")


def test_what_is_left_to_ministack_of_a_template() -> None:
    assert provisioners._sfn_definition({"DefinitionString": "{}"}) == "{}"
    assert provisioners._sfn_encryption({"Type": "AWS_OWNED_KEY"})
    assert provisioners._physical_name("stack", "M", max_len=80).startswith("stack-M-")
    assert "Sfn" in provisioners._sdk_error("no", "Sfn", 400)
    assert isinstance(provisioners._sfn_handler_error("no"), ValueError)
    assert (provisioners.get_account_id(), provisioners.get_region()) == ("000000000000", "us-east-1")
    assert list(inspect.signature(provisioners._rename_replacement).parameters)[:9] == [
        "physical_id",
        "old_props",
        "new_props",
        "stack_name",
        "logical_id",
        "declared_name",
        "current_name",
        "create_fn",
        "delete_fn",
    ]


def test_drift_detection_looks_a_machine_up_in_one_mapping() -> None:
    assert "_sfn._state_machines" in inspect.getsource(drift).split('"AWS::StepFunctions::StateMachine":')[1][:80]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ({"source": ["aws.states"]}, True),
        ({"source": ["aws.s3", {"prefix": "aws."}]}, True),
        ({"detail-type": ["anything"]}, True),
        ({"source": ["aws.s3"]}, False),
        ({"source": ["aws.states"], "detail": {"status": ["FAILED", "ABORTED"]}}, True),
        ({"source": ["aws.states"], "detail": {"status": [{"anything-but": "RUNNING"}]}}, True),
        ({"source": ["aws.states"], "detail": {"status": ["RUNNING"]}}, False),
        (None, False),
    ],
)
def test_an_event_is_wanted_when_a_rule_may_match_its_source_and_status(
    pattern: Mapping[str, Any] | None, wanted: bool
) -> None:
    eventbridge._rules["default|wanted"] = {"EventPattern": json.dumps(pattern) if pattern else "", "Name": "wanted"}
    try:
        assert serving.wants("aws.states", "FAILED") is wanted
        eventbridge._archives["all"] = {}
        assert serving.wants("aws.states")
    finally:
        eventbridge._rules.pop("default|wanted")
        eventbridge._archives.pop("all", None)
