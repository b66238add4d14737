"""Permissions and environment agree with the code: each statement is used by a call, each call has its statement."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.environment import Environment
from tests.agreement.calls import Call, calls, variables
from tests.agreement.template import ROOT, Resource, Statement, statements, template

T = template()
FUNCTIONS = T.resources("AWS::Serverless::Function")
MACHINES = T.resources("AWS::Serverless::StateMachine")
ENVIRONMENT = Environment()
STATEMENTS = list(statements(T))

each_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
each_machine = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
each_statement = pytest.mark.parametrize("statement", STATEMENTS, ids=[f"{one.owner}.{one.sid}" for one in STATEMENTS])

# These know no resource but "*" (Service Authorization Reference); a condition on the namespace holds PutMetricData.
WITHOUT_RESOURCE = {
    "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
    "ecr:GetAuthorizationToken", "cloudwatch:PutMetricData",
}  # fmt: skip

Permission = tuple[str, str | None]
"""An action, with its table or index where it is one of DynamoDB."""


def module_of(function: Resource) -> str:
    return str(function.properties["Handler"]).split(".")[1]


def granted(owner: str) -> Iterator[tuple[str, str]]:
    """Pairs of action and resource that the statements of one resource allow."""
    for statement in STATEMENTS:
        if statement.owner == owner:
            yield from ((action, resource) for action in statement.actions for resource in statement.resources)


def needed(call: Call) -> Iterator[Permission]:
    table = f"<{call.table.title()}Table.Arn>" if call.table else None
    for action in call.actions:
        yield action, f"{table}/index/{call.index}" if call.index else table


# ---- functions -------------------------------------------------------------------------------------------------------


@each_function
def test_function_may_do_what_it_does_and_nothing_else(function: Resource) -> None:
    wanted = {permission for call in calls(module_of(function)) for permission in needed(call)}
    assert wanted
    given: set[Permission] = {
        (action, resource if action.startswith("dynamodb:") else None)
        for action, resource in granted(function.logical_id)
    }
    assert given == wanted


@each_function
def test_function_has_the_names_it_asks_for(function: Resource) -> None:
    everywhere = T.document["Globals"]["Function"]["Environment"]["Variables"]
    own = function.properties.get("Environment", {}).get("Variables", {})
    wanted = variables(module_of(function))
    # These know what they are about from their events alone.
    assert bool(wanted) is (module_of(function) not in {"drop_endpoint", "find_deployed"})
    assert wanted <= {*everywhere, *own}
    assert set(own) <= wanted


def test_every_name_is_asked_for_by_some_function() -> None:
    asked = {name for function in FUNCTIONS.values() for name in variables(module_of(function))}
    # STAGE is for the logs' reader, and the service name for Powertools.
    assert (
        set(T.document["Globals"]["Function"]["Environment"]["Variables"]) - {"STAGE", "POWERTOOLS_SERVICE_NAME"}
        <= asked
    )


def test_names_written_by_hand_are_those_of_the_resources() -> None:
    training = (
        f"arn:aws:states:us-east-1:000000000000:stateMachine:{T.text(T['TrainingStateMachine'].properties['Name'])}"
    )
    assert (
        T.text(FUNCTIONS["ApiFunction"].properties["Environment"]["Variables"]["TRAINING_STATE_MACHINE_ARN"])
        == training
    )
    assert ("states:StartExecution", training) in set(granted("ApiFunction"))
    for name, arn in (("PipelineRole", ENVIRONMENT.pipeline_role_arn), ("JobRole", ENVIRONMENT.job_role_arn)):
        assert arn.endswith(f":role/{T.text(T[name].properties['RoleName'])}")


# ---- state machines --------------------------------------------------------------------------------------------------


def tasks(states: Any) -> Iterator[dict[str, Any]]:
    """Every Task state of a definition, those inside Map and Parallel included."""
    match states:
        case {"Type": "Task", "Resource": str()}:
            yield states
        case dict():
            for one in states.values():
                yield from tasks(one)
        case list():
            for one in states:
                yield from tasks(one)


_INTEGRATIONS = {
    "lambda:invoke": ("lambda:InvokeFunction", "FunctionName"),
    "dynamodb:updateItem": ("dynamodb:UpdateItem", "TableName"),
    "sns:publish": ("sns:Publish", "TopicArn"),
    "states:startExecution": ("states:StartExecution", "StateMachineArn"),
}


@each_machine
def test_state_machine_may_do_what_its_states_do_and_nothing_else(machine: Resource) -> None:
    definition = json.loads((ROOT / machine.properties["DefinitionUri"]).read_text())
    wanted = set()
    for task in tasks(definition):
        integration = re.fullmatch(
            r"arn:\$\{Partition\}:states:::([a-z]+:[a-zA-Z]+)(\.waitForTaskToken)?", task["Resource"]
        )
        assert integration, task["Resource"]
        action, argument = _INTEGRATIONS[integration[1]]
        wanted.add((action, T.text(machine.properties["DefinitionSubstitutions"][task["Parameters"][argument][2:-1]])))
    assert wanted
    # A table is handed over by its name and granted by its ARN.
    assert {
        (action, resource.replace("Table.Arn>", "Table>")) for action, resource in granted(machine.logical_id)
    } == wanted


# ---- every statement -------------------------------------------------------------------------------------------------


@each_statement
def test_statement_names_its_actions(statement: Statement) -> None:
    assert statement.effect == "Allow"
    assert [action for action in statement.actions if "*" in action] == []


@each_statement
def test_statement_names_its_resources_where_the_action_knows_any(statement: Statement) -> None:
    if statement.resources == {"*"}:
        assert statement.actions <= WITHOUT_RESOURCE
        return
    for resource in statement.resources:
        assert not re.fullmatch(r"\*|arn:[^:]+:[^:]+:[^:]*:[^:]*:(\*|[^:/]+[:/]\*)", resource)


@each_statement
def test_role_is_passed_to_sagemaker_alone(statement: Statement) -> None:
    if "iam:PassRole" in statement.actions:
        assert statement.actions == {"iam:PassRole"}
        assert statement.condition == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_metrics_are_written_to_sagemaker_namespaces_alone() -> None:
    writing = [one for one in STATEMENTS if "cloudwatch:PutMetricData" in one.actions]
    assert {statement.owner for statement in writing} == {"JobRole", "ServingRole"}
    for statement in writing:
        assert statement.condition == {"StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*", "AWS/SageMaker/*"]}}


# ---- the three roles of SageMaker ------------------------------------------------------------------------------------


def test_code_that_is_trained_or_served_starts_nothing_and_is_nobody_else() -> None:
    for name in ("JobRole", "ServingRole"):
        services = {action.partition(":")[0] for action, _ in granted(name)}
        assert services <= {"s3", "ecr", "logs", "cloudwatch", "sns"}


def test_each_role_writes_where_its_work_goes_and_nowhere_else() -> None:
    written = {
        name: {resource.partition(":::")[2] for action, resource in granted(name) if action == "s3:PutObject"}
        for name in ("PipelineRole", "JobRole", "ServingRole")
    }
    assert written == {
        "PipelineRole": set(),
        "JobRole": {"<ArtifactsBucket>/runs/*"},
        "ServingRole": {"<ArtifactsBucket>/async/*"},
    }
    assert {owner for owner in written for action, _ in granted(owner) if action == "sns:Publish"} == {"ServingRole"}


def test_no_role_of_sagemaker_reads_an_upload_that_may_be_overwritten_meanwhile() -> None:
    for name in ("PipelineRole", "JobRole", "ServingRole"):
        assert [resource for _, resource in granted(name) if "Uploads" in resource] == []
    read = {resource.partition(":::")[2] for action, resource in granted("JobRole") if action == "s3:GetObject"}
    assert {"<ArtifactsBucket>/runs/*", "<ArtifactsBucket>/inputs/*"} <= read


def test_each_role_is_passed_by_the_one_that_starts_what_runs_as_it() -> None:
    passed = {
        (statement.owner, *statement.resources) for statement in STATEMENTS if "iam:PassRole" in statement.actions
    }
    assert passed == {
        ("PipelineRole", "<JobRole.Arn>"),
        ("DeployEndpointFunction", "<ServingRole.Arn>"),
        ("PrepareDeploymentFunction", "<ServingRole.Arn>"),
    }


def test_jobs_run_as_the_job_role_in_every_definition() -> None:
    definitions = [path.read_text() for path in (ROOT / "tests" / "golden" / "pipelines").glob("*.json")]
    assert {role for text in definitions for role in re.findall(r'"(?:Execution)?RoleArn": "([^"]+)"', text)} == {
        ENVIRONMENT.job_role_arn
    }


def test_roles_for_other_services_are_assumed_for_this_account_alone() -> None:
    for name in ("EventsRole", "SchedulerRole", "PipelineRole", "JobRole", "ServingRole"):
        (trust,) = T[name].properties["AssumeRolePolicyDocument"]["Statement"]
        assert T.text(trust["Condition"]) == {"StringEquals": {"aws:SourceAccount": "000000000000"}}
