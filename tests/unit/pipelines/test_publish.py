"""Publishing brings AWS in line, once; here AWS is moto."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipelines.catalogue import load_catalogue
from pipelines.compile import compile_catalogue
from pipelines.compiled import CompiledPipeline
from pipelines.environment import Environment
from pipelines.problems import PublishError
from pipelines.publish import Action, Clients, PublishReport, publish, read_image_values
from tests.unit.pipelines.catalogues import FRAMEWORK, OWN, UNTRAINED, write_algorithm, write_catalogue

ENVIRONMENT = Environment(account="123456789012")
NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def compiled(folder: Path) -> tuple[CompiledPipeline, ...]:
    catalogue = write_catalogue(folder, OWN, FRAMEWORK, UNTRAINED)
    return compile_catalogue(catalogue, ENVIRONMENT, folder / "cache")


@pytest.fixture
def clients() -> Iterator[Clients]:
    with mock_aws():
        session = boto3.Session("test", "test", region_name=ENVIRONMENT.region)
        made = Clients(
            s3=session.client("s3"),
            sagemaker=session.client("sagemaker"),
            dynamodb=session.client("dynamodb"),
            ssm=session.client("ssm"),
            stepfunctions=session.client("stepfunctions"),
            scheduler=session.client("scheduler"),
        )
        made.scheduler.create_schedule_group(Name=ENVIRONMENT.schedule_group)
        made.s3.create_bucket(Bucket=ENVIRONMENT.artifacts_bucket)
        made.dynamodb.create_table(
            TableName=ENVIRONMENT.algorithms_table,
            KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        definition = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
        role = ENVIRONMENT.arn("iam", "role/x", region=False)
        name = f"{ENVIRONMENT.prefix}-training"
        made.stepfunctions.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)
        yield made


def published(
    pipelines: tuple[CompiledPipeline, ...], clients: Clients, said: list[str] | None = None
) -> PublishReport:
    lines = [] if said is None else said
    return publish(pipelines, ENVIRONMENT, clients, NOW, lines.append)


def test_everything_a_definition_refers_to_is_there(compiled: tuple[CompiledPipeline, ...], clients: Clients) -> None:
    published(compiled, clients)
    keys = {item["Key"] for item in clients.s3.list_objects_v2(Bucket=ENVIRONMENT.artifacts_bucket)["Contents"]}
    assert keys == {upload.key for pipeline in compiled for upload in pipeline.uploads}
    for pipeline in compiled:
        told = clients.sagemaker.describe_pipeline(PipelineName=pipeline.pipeline_name)
        assert told["PipelineDefinition"] == pipeline.definition
        assert told["RoleArn"] == ENVIRONMENT.sagemaker_role_arn


def test_functions_find_the_published_algorithm(compiled: tuple[CompiledPipeline, ...], clients: Clients) -> None:
    published(compiled, clients)
    row = clients.dynamodb.get_item(TableName=ENVIRONMENT.algorithms_table, Key={"name": {"S": "own"}})["Item"]
    assert row["published_at"] == {"S": "2026-11-20T06:00:00.000Z"}
    assert json.loads(row["spec"]["S"])["pipeline"] == "headrace-dev-own"
    value = clients.ssm.get_parameter(Name="/headrace/dev/algorithms/framework/source")["Parameter"]["Value"]
    assert value.startswith(f"s3://{ENVIRONMENT.artifacts_bucket}/sources/framework/")


def test_what_is_not_trained_is_deployed_by_the_training_flow(
    compiled: tuple[CompiledPipeline, ...], clients: Clients
) -> None:
    published(compiled, clients)
    arn = ENVIRONMENT.training_state_machine_arn
    (execution,) = clients.stepfunctions.list_executions(stateMachineArn=arn)["executions"]
    told = clients.stepfunctions.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(told["input"]) == {
        "job_id": execution["name"],
        "algorithm": "untrained",
        "source": None,
        "hyperparameters": {},
        "reason": "publish",
    }


def test_a_deployment_that_failed_is_tried_again_under_a_new_id(
    compiled: tuple[CompiledPipeline, ...], clients: Clients
) -> None:
    first = deployment_of(published(compiled, clients))
    arn = ENVIRONMENT.training_state_machine_arn.replace(":stateMachine:", ":execution:")
    assert deployment_of(published(compiled, clients)) == first
    clients.stepfunctions.stop_execution(executionArn=f"{arn}:{first}")
    second = deployment_of(published(compiled, clients))
    assert second != first
    assert deployment_of(published(compiled, clients)) == second


def deployment_of(report: PublishReport) -> str:
    (job_id,) = (change.job_id for change in report.changes if change.job_id)
    return job_id


def test_an_algorithm_that_is_trained_anew_has_a_schedule_of_its_own(
    compiled: tuple[CompiledPipeline, ...], clients: Clients
) -> None:
    own, *others = compiled if compiled[0].name == "own" else sorted(compiled, key=lambda item: item.name != "own")
    group = ENVIRONMENT.schedule_group
    published((replace(own, retrain_schedule="rate(1 day)"), *others), clients)
    schedule = clients.scheduler.get_schedule(GroupName=group, Name="headrace-dev-retrain-own")
    assert schedule["ScheduleExpression"] == "rate(1 day)"
    assert schedule["Target"]["Arn"] == ENVIRONMENT.retraining_state_machine_arn
    assert json.loads(schedule["Target"]["Input"]) == {"reason": "schedule", "algorithm": "own"}
    published((replace(own, retrain_schedule="cron(0 3 * * ? *)"), *others), clients)
    schedule = clients.scheduler.get_schedule(GroupName=group, Name="headrace-dev-retrain-own")
    assert schedule["ScheduleExpression"] == "cron(0 3 * * ? *)"
    again = published((replace(own, retrain_schedule="cron(0 3 * * ? *)"), *others), clients)
    assert again.changed == ()
    gone = published((replace(own, retrain_schedule=None), *others), clients)
    assert [(change.kind, change.action) for change in gone.changed] == [("schedule", Action.DELETED)]
    assert clients.scheduler.list_schedules(GroupName=group)["Schedules"] == []


def test_a_second_time_changes_nothing(compiled: tuple[CompiledPipeline, ...], clients: Clients) -> None:
    said: list[str] = []
    first = published(compiled, clients, said)
    assert len(said) == len(first.changed) == len(first.changes)
    again: list[str] = []
    assert published(compiled, clients, again).changed == ()
    assert again == []


def test_one_change_is_one_change(
    folder: Path, compiled: tuple[CompiledPipeline, ...], clients: Clients, tmp_path: Path
) -> None:
    published(compiled, clients)
    changed: dict[str, Any] = {**OWN, "training": {"volume_gb": 77}}
    catalogue = write_catalogue(tmp_path, changed, FRAMEWORK, UNTRAINED)
    report = published(compile_catalogue(catalogue, ENVIRONMENT, folder / "cache"), clients)
    assert {(change.kind, change.name, change.action) for change in report.changed} == {
        ("pipeline", "headrace-dev-own", Action.UPDATED),
        ("algorithm", "own", Action.UPDATED),
    }


def test_a_changed_container_is_deployed_again(
    folder: Path, compiled: tuple[CompiledPipeline, ...], clients: Clients, tmp_path: Path
) -> None:
    published(compiled, clients)
    catalogue = write_catalogue(tmp_path, UNTRAINED)
    (catalogue / "untrained" / "container" / "serve.py").write_text("print('another')\n")
    report = published(compile_catalogue(catalogue, ENVIRONMENT, folder / "cache"), clients)
    assert [(change.kind, change.action) for change in report.changed] == [("deployment", Action.STARTED)]


def test_a_refusal_names_the_call(compiled: tuple[CompiledPipeline, ...], clients: Clients) -> None:
    clients.dynamodb.delete_table(TableName=ENVIRONMENT.algorithms_table)
    with pytest.raises(PublishError, match=r"^GetItem: ResourceNotFoundException"):
        published(compiled, clients)


def test_a_source_that_went_away_is_told(clients: Clients, tmp_path: Path, folder: Path) -> None:
    catalogue = write_catalogue(tmp_path, FRAMEWORK)
    pipelines = compile_catalogue(catalogue, ENVIRONMENT, folder / "cache")
    (catalogue / "framework" / "source" / "train.py").unlink()
    with pytest.raises(PublishError, match=r"train\.py: expected a readable file"):
        published(pipelines, clients)


def test_images_named_by_parameters_are_read_before_compiling(clients: Clients, tmp_path: Path) -> None:
    write_algorithm(tmp_path / "algorithms", {**OWN, "image": {"ssm": "/images/own"}})
    clients.ssm.put_parameter(Name="/images/own", Value="example.test/own:1", Type="String")
    algorithms = load_catalogue(tmp_path / "algorithms").checked()
    assert read_image_values(algorithms, clients.ssm) == {"/images/own": "example.test/own:1"}
