"""Publishing plans, then brings AWS in line, once; here AWS is moto."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.catalogue import load_catalogue
from pipelines.compile import compile_algorithms
from pipelines.problems import CatalogueError, CompileError, Problem, PublishError
from pipelines.product import CompiledPipeline
from pipelines.publishing.apply import apply
from pipelines.publishing.catalogue import plan_catalogue, publish, read_image_values
from pipelines.publishing.changes import Action, Change, Kind, Plan, Step
from pipelines.publishing.publication import Publication, Scope
from pipelines.staging.uploads import Upload, UploadKind
from tests.unit.pipelines.catalogues import FRAMEWORK, OWN, UNTRAINED, write_algorithm, write_catalogue
from tests.unit.pipelines.deployment import ENVIRONMENT, answer, deployment, mutations_of, refuse

# What they share is made once: one worker runs them all.
pytestmark = pytest.mark.xdist_group("published")

Compiled = tuple[CompiledPipeline, ...]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def compiled(folder: Path, cache: Path) -> Compiled:
    catalogue = write_catalogue(folder, OWN, FRAMEWORK, UNTRAINED)
    return compile_algorithms(load_catalogue(catalogue).checked(), ENVIRONMENT, cache)


@pytest.fixture
def target() -> Iterator[Publication]:
    with deployment() as publication:
        yield publication


def published(compiled: Compiled, target: Publication, scope: Scope | None = None) -> Plan:
    return publish(compiled, target, lambda _: None, scope or Scope())


def planned(compiled: Compiled, target: Publication, folder: Path, scope: Scope | None = None) -> Plan:
    return plan_catalogue(compiled, target, folder, lambda _: None, scope or Scope())


def named(compiled: Compiled, name: str) -> CompiledPipeline:
    (pipeline,) = (item for item in compiled if item.name == name)
    return pipeline


def without(compiled: Compiled, name: str) -> Compiled:
    return tuple(item for item in compiled if item.name != name)


def changes(plan: Plan) -> list[tuple[Kind, str, Action]]:
    return [(change.kind, change.name, change.action) for change in plan.changed]


def keys(target: Publication) -> set[str]:
    listed = target.clients.s3.list_objects_v2(Bucket=ENVIRONMENT.artifacts_bucket)
    return {item["Key"] for item in listed.get("Contents", [])}


def rows(target: Publication) -> set[str]:
    return {item["name"]["S"] for item in target.clients.dynamodb.scan(TableName=ENVIRONMENT.algorithms_table)["Items"]}


def pipelines(target: Publication) -> set[str]:
    return {item["PipelineName"] for item in target.clients.sagemaker.list_pipelines()["PipelineSummaries"]}


def parameters(target: Publication) -> set[str]:
    pages = target.clients.ssm.get_paginator("get_parameters_by_path").paginate(Path="/", Recursive=True)
    return {item["Name"] for page in pages for item in page["Parameters"]}


def schedules(target: Publication) -> set[str]:
    listed = target.clients.scheduler.list_schedules(GroupName=ENVIRONMENT.schedule_group)
    return {item["Name"] for item in listed["Schedules"]}


def deployment_of(plan: Plan) -> str:
    (job_id,) = (change.job_id for change in plan.changes if change.job_id)
    return job_id


def from_repository(algorithm: str, error: Exception) -> Upload:
    """An upload whose repository says no."""

    class Gone:
        def fetch(self) -> Path:
            raise error

    return Upload(f"sources/{algorithm}/abc/sourcedir.tar.gz", Path("nowhere"), UploadKind.FOLDER, Gone())


def test_everything_a_definition_refers_to_is_there(compiled: Compiled, target: Publication) -> None:
    published(compiled, target)
    assert keys(target) == {upload.key for pipeline in compiled for upload in pipeline.uploads}
    for pipeline in compiled:
        told = target.clients.sagemaker.describe_pipeline(PipelineName=str(pipeline.pipeline_name))
        assert told["PipelineDefinition"] == pipeline.definition
        assert told["RoleArn"] == ENVIRONMENT.pipeline_role_arn


def test_functions_find_the_published_algorithm(compiled: Compiled, target: Publication) -> None:
    published(compiled, target)
    row = target.clients.dynamodb.get_item(TableName=ENVIRONMENT.algorithms_table, Key={"name": {"S": "own"}})["Item"]
    assert row["published_at"] == {"S": "2026-11-20T06:00:00.000Z"}
    assert json.loads(row["spec"]["S"])["pipeline"] == "headrace-dev-own"
    value = target.clients.ssm.get_parameter(Name="/headrace/dev/algorithms/framework/source")["Parameter"]["Value"]
    assert value.startswith(f"s3://{ENVIRONMENT.artifacts_bucket}/sources/framework/")


def test_what_is_not_trained_is_deployed_by_the_training_flow(compiled: Compiled, target: Publication) -> None:
    published(compiled, target)
    arn = ENVIRONMENT.training_state_machine_arn
    (execution,) = target.clients.stepfunctions.list_executions(stateMachineArn=arn)["executions"]
    told = target.clients.stepfunctions.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(told["input"]) == {
        "job_id": execution["name"],
        "algorithm": "untrained",
        "source": None,
        "hyperparameters": {},
        "reason": "publish",
    }


def test_what_does_not_run_there_is_published_but_neither_deployed_nor_fetched(
    compiled: Compiled, target: Publication
) -> None:
    untrained = named(compiled, "untrained")
    idle = replace(untrained, uploads=(*untrained.uploads, from_repository("untrained", CompileError("no answer"))))
    plan = published((idle,), target, Scope(idle=["untrained"]))
    assert Kind.DEPLOYMENT not in {change.kind for change in plan.changes}
    assert "untrained" in rows(target)
    assert keys(target) == {upload.key for upload in untrained.uploads}


def test_a_deployment_that_failed_is_tried_again_under_a_new_id(compiled: Compiled, target: Publication) -> None:
    first = deployment_of(published(compiled, target))
    arn = ENVIRONMENT.training_state_machine_arn.replace(":stateMachine:", ":execution:")
    again = published(compiled, target)
    assert deployment_of(again) == first
    assert not any(change.ended for change in again.changes)
    target.clients.stepfunctions.stop_execution(executionArn=f"{arn}:{first}")
    second = deployment_of(published(compiled, target))
    assert second != first
    assert deployment_of(published(compiled, target)) == second


def test_a_deployment_that_has_ended_is_not_waited_for(compiled: Compiled, target: Publication) -> None:
    published(compiled, target)
    answer(target.clients.stepfunctions, "DescribeExecution", {"status": "SUCCEEDED"})
    (deployment,) = (change for change in published(compiled, target).changes if change.kind is Kind.DEPLOYMENT)
    assert (deployment.action, deployment.ended) == (Action.UNCHANGED, True)


def test_an_algorithm_that_is_trained_anew_has_a_schedule_of_its_own(compiled: Compiled, target: Publication) -> None:
    own, others, group = named(compiled, "own"), without(compiled, "own"), ENVIRONMENT.schedule_group
    published((replace(own, retrain_schedule="rate(1 day)"), *others), target)
    schedule = target.clients.scheduler.get_schedule(GroupName=group, Name="headrace-dev-retrain-own")
    assert schedule["ScheduleExpression"] == "rate(1 day)"
    assert schedule["Target"]["Arn"] == ENVIRONMENT.retraining_state_machine_arn
    assert json.loads(schedule["Target"]["Input"]) == {"reason": "schedule", "algorithm": "own"}
    moved = published((replace(own, retrain_schedule="cron(0 3 * * ? *)"), *others), target)
    assert [change.detail for change in moved.changed] == ["ScheduleExpression"]
    schedule = target.clients.scheduler.get_schedule(GroupName=group, Name="headrace-dev-retrain-own")
    assert schedule["ScheduleExpression"] == "cron(0 3 * * ? *)"
    assert published((replace(own, retrain_schedule="cron(0 3 * * ? *)"), *others), target).changed == ()
    gone = published((replace(own, retrain_schedule=None), *others), target)
    assert changes(gone) == [(Kind.SCHEDULE, "headrace-dev-retrain-own", Action.DELETE)]
    assert schedules(target) == set()


def test_a_pipeline_carries_its_tags_and_keeps_those_of_others(compiled: Compiled, target: Publication) -> None:
    own, arn = named(compiled, "own"), ENVIRONMENT.arn("sagemaker", "pipeline/headrace-dev-own")

    def tags() -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in target.clients.sagemaker.list_tags(ResourceArn=arn)["Tags"]}

    def tagged(**wanted: str) -> Compiled:
        row = json.dumps({**json.loads(own.published), "tags": wanted})
        return (replace(own, tags=tuple(wanted.items()), published=row),)

    published(tagged(team="vision", cost="17"), target)
    assert tags() == {"team": "vision", "cost": "17"}
    target.clients.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "owner", "Value": "somebody"}])
    assert published(tagged(team="vision", cost="17"), target).changed == ()
    plan = published(tagged(team="audio"), target)
    assert [(change.kind, change.detail) for change in plan.changed] == [
        (Kind.PIPELINE, "tags"),
        (Kind.ALGORITHM, "tags"),
    ]
    assert tags() == {"team": "audio", "owner": "somebody"}


def test_an_algorithm_without_a_definition_has_a_row_and_no_pipeline(compiled: Compiled, target: Publication) -> None:
    own = named(compiled, "own")
    published((own,), target)
    chained = replace(own, pipeline_name=None, definition=None, uploads=(), parameters=())
    plan = published((chained,), target)
    assert [(change.kind, change.action) for change in plan.changed] == [
        (Kind.PIPELINE, Action.DELETE),
        *[(Kind.PARAMETER, Action.DELETE)] * len(own.parameters),
    ]
    assert (rows(target), pipelines(target), parameters(target)) == ({"own"}, set(), set())


def test_images_named_by_parameters_are_read_before_compiling(target: Publication, tmp_path: Path) -> None:
    write_algorithm(tmp_path / "algorithms", {**OWN, "image": {"ssm": "/images/own"}})
    target.clients.ssm.put_parameter(Name="/images/own", Value="example.test/own:1", Type="String")
    algorithms = load_catalogue(tmp_path / "algorithms").checked()
    assert read_image_values(algorithms, target.clients.ssm) == {"/images/own": "example.test/own:1"}


def test_a_plan_changes_nothing(compiled: Compiled, target: Publication, tmp_path: Path) -> None:
    made = mutations_of(target.clients)
    first = planned(compiled, target, tmp_path)
    assert first.changed == first.changes
    assert made == []
    apply(first, lambda _: None)
    assert {"PutObject", "CreatePipeline", "PutItem", "PutParameter", "StartExecution"} == set(made)
    del made[:]
    planned(without(compiled, "own"), target, tmp_path)
    assert made == []


def test_a_second_time_calls_nothing_that_changes_anything(compiled: Compiled, target: Publication) -> None:
    said: list[str] = []
    first = publish(compiled, target, said.append)
    sources = [change.size or 0 for change in first.changes if change.kind is Kind.SOURCE]
    packing, uploading, *done = said
    assert packing == f"packing {len(sources)} sources"
    assert uploading == f"uploading {len(sources)} sources, {sum(sources):,} bytes"
    assert len(done) == len(first.changed) == len(first.changes)
    again: list[str] = []
    made = mutations_of(target.clients)
    assert publish(compiled, target, again.append).changed == ()
    assert (again, made) == ([], [])


def test_one_change_is_one_change_and_says_what_differs(compiled: Compiled, target: Publication) -> None:
    published(compiled, target)
    own = named(compiled, "own")
    definition = str(own.definition).replace('"VolumeSizeInGB":10', '"VolumeSizeInGB":77')
    row = json.dumps({**json.loads(own.published), "definition_sha256": "another", "labels": ["new"]})
    changed = replace(own, definition=definition, published=row)
    plan = published((*without(compiled, "own"), changed), target)
    assert [(change.kind, change.name, change.action, change.detail) for change in plan.changed] == [
        (Kind.PIPELINE, "headrace-dev-own", Action.UPDATE, "step Train"),
        (Kind.ALGORITHM, "own", Action.UPDATE, "definition_sha256, labels"),
    ]


def test_a_pipeline_that_was_changed_by_hand_is_put_right(compiled: Compiled, target: Publication) -> None:
    published(compiled, target)
    target.clients.sagemaker.update_pipeline(
        PipelineName="headrace-dev-own", PipelineDefinition='{"Version":"2020-12-01","Steps":[]}'
    )
    (change,) = published(compiled, target).changed
    assert change.name == "headrace-dev-own"
    assert change.detail.startswith("+ step Process, + step Train, ")
    assert published(compiled, target).changed == ()


def test_a_changed_container_is_deployed_again(
    cache: Path, compiled: Compiled, target: Publication, tmp_path: Path
) -> None:
    published(compiled, target)
    catalogue = write_catalogue(tmp_path, UNTRAINED)
    (catalogue / "untrained" / "container" / "serve.py").write_text("print('another')\n")
    changed = compile_algorithms(load_catalogue(catalogue).checked(), ENVIRONMENT, cache)
    plan = published(changed, target, Scope(whole=False))
    assert [(change.kind, change.action) for change in plan.changed] == [(Kind.DEPLOYMENT, Action.START)]


def test_a_plan_tells_how_much_is_uploaded(compiled: Compiled, target: Publication, tmp_path: Path) -> None:
    for change in planned(compiled, target, tmp_path).changes:
        if change.kind is Kind.SOURCE:
            (upload,) = (one for item in compiled for one in item.uploads if one.key == change.name)
            assert change.size == len(upload.body())


def test_what_is_referred_to_comes_first_and_removals_last(
    compiled: Compiled, target: Publication, tmp_path: Path
) -> None:
    published((replace(named(compiled, "own"), retrain_schedule="rate(1 day)"),), target)
    plan = planned(without(compiled, "own"), target, tmp_path)
    order = list(dict.fromkeys((change.action is Action.DELETE, change.kind) for change in plan.changed))
    assert order == [
        (False, Kind.SOURCE),
        (False, Kind.PIPELINE),
        (False, Kind.ALGORITHM),
        (False, Kind.PARAMETER),
        (False, Kind.DEPLOYMENT),
        (True, Kind.SCHEDULE),
        (True, Kind.ALGORITHM),
        (True, Kind.PIPELINE),
        (True, Kind.PARAMETER),
    ]


def test_sources_go_alone(compiled: Compiled, target: Publication) -> None:
    made = mutations_of(target.clients)
    published(compiled, target, Scope(pipelines=False))
    assert set(made) == {"PutObject"}


def test_pipelines_go_alone_once_their_sources_are_there(compiled: Compiled, target: Publication) -> None:
    made = mutations_of(target.clients)
    with pytest.raises(PublishError, match="not uploaded yet"):
        published(compiled, target, Scope(sources=False))
    assert made == []
    published(compiled, target, Scope(pipelines=False))
    del made[:]
    assert published(compiled, target, Scope(sources=False)).changed
    assert "PutObject" not in made


def test_one_algorithm_alone_leaves_the_others(compiled: Compiled, target: Publication) -> None:
    published(compiled, target)
    plan = published((replace(named(compiled, "own"), retrain_schedule="rate(1 day)"),), target, Scope(whole=False))
    assert changes(plan) == [(Kind.SCHEDULE, "own", Action.CREATE)]
    assert published((named(compiled, "framework"),), target, Scope(whole=False)).changed == ()
    assert schedules(target) == {"headrace-dev-retrain-own"}


def test_an_algorithm_that_is_gone_loses_what_publishing_made(compiled: Compiled, target: Publication) -> None:
    published((replace(named(compiled, "own"), retrain_schedule="rate(1 day)"), *without(compiled, "own")), target)
    before = keys(target)
    plan = published(without(compiled, "own"), target)
    assert {change.action for change in plan.changed} == {Action.DELETE}
    assert rows(target) == {"framework", "untrained"}
    assert pipelines(target) == {"headrace-dev-framework", "headrace-dev-untrained"}
    assert schedules(target) == set()
    assert not any("/own/" in name for name in parameters(target))
    assert keys(target) == before
    assert plan.notes == ("own: its endpoint, model packages, jobs and uploaded objects stay",)
    assert published(without(compiled, "own"), target).changed == ()


def test_what_others_made_is_left(compiled: Compiled, target: Publication) -> None:
    published(compiled, target)
    for name in ("headrace-dev-mine", "headrace-dev2-own", "headrace-prod-own"):
        target.clients.sagemaker.create_pipeline(
            PipelineName=name,
            PipelineDefinition=str(named(compiled, "own").definition),
            RoleArn=ENVIRONMENT.pipeline_role_arn,
            ClientRequestToken="0" * 32,
        )
    theirs = {
        "/headrace/dev/algorithms/own/note",
        "/headrace/prod/algorithms/own/source",
        "/headrace/dev/jobs_topic_arn",
    }
    for name in theirs:
        target.clients.ssm.put_parameter(Name=name, Value="x", Type="String")
    published((), target)
    assert pipelines(target) == {"headrace-dev-mine", "headrace-dev2-own", "headrace-prod-own"}
    assert parameters(target) == theirs


def test_an_algorithm_is_not_removed_while_its_pipeline_runs(compiled: Compiled, target: Publication) -> None:
    published(compiled, target)
    running = {"PipelineExecutionSummaries": [{"PipelineExecutionStatus": "Executing"}]}
    ended = answer(target.clients.sagemaker, "ListPipelineExecutions", running)
    plan = published(without(compiled, "own"), target)
    assert plan.changed == ()
    assert plan.notes == ("own: not removed while its pipeline is running; publish again when it has ended",)
    ended()
    assert published(without(compiled, "own"), target).changed


@pytest.mark.parametrize("operation", ["DeleteItem", "DeletePipeline", "DeleteParameters"])
def test_a_removal_that_was_cut_short_is_finished_by_the_next(
    compiled: Compiled, target: Publication, operation: str
) -> None:
    published(compiled, target)
    clients = target.clients
    client: Any = {
        "DeleteItem": clients.dynamodb,
        "DeletePipeline": clients.sagemaker,
        "DeleteParameters": clients.ssm,
    }[operation]
    allow = refuse(client, operation)
    with pytest.raises(PublishError, match=f"^{operation}: AccessDeniedException"):
        published((), target)
    # What a row names is there as long as the row.
    assert all(f"headrace-dev-{name}" in pipelines(target) for name in rows(target))
    allow()
    published((), target)
    assert (rows(target), pipelines(target), parameters(target)) == (set(), set(), set())


def test_a_refusal_names_the_call_and_what_was_done(compiled: Compiled, target: Publication) -> None:
    allow = refuse(target.clients.dynamodb, "PutItem")
    with pytest.raises(
        PublishError,
        match=r"^PutItem: AccessDeniedException: not for you: at algorithm framework "
        r"\(done before: \d+ sources created, 3 pipelines created; publish again to go on\)$",
    ):
        published(compiled, target)
    assert rows(target) == set()
    allow()
    plan = published(compiled, target)
    assert {change.kind for change in plan.changed} == {Kind.ALGORITHM, Kind.PARAMETER, Kind.DEPLOYMENT}


def test_a_refusal_while_planning_says_that_nothing_was_changed(compiled: Compiled, target: Publication) -> None:
    refuse(target.clients.ssm, "GetParametersByPath")
    with pytest.raises(PublishError, match=r"^GetParametersByPath: AccessDenied.* \(nothing was changed\)$"):
        published(compiled, target)


def test_where_nothing_was_deployed_it_says_so(compiled: Compiled, target: Publication) -> None:
    target.clients.dynamodb.delete_table(TableName=ENVIRONMENT.algorithms_table)
    with pytest.raises(PublishError, match=r"^no deployment headrace-dev in account 123456789012, region us-east-1"):
        published(compiled, target)


def test_a_source_that_went_away_ends_it_before_anything_is_changed(
    target: Publication, tmp_path: Path, cache: Path
) -> None:
    catalogue = write_catalogue(tmp_path, FRAMEWORK)
    made = mutations_of(target.clients)
    compiled = compile_algorithms(load_catalogue(catalogue).checked(), ENVIRONMENT, cache)
    (catalogue / "framework" / "source" / "train.py").unlink()
    with pytest.raises(PublishError, match=r"train\.py: expected a readable file"):
        published(compiled, target)
    assert made == []


def test_a_repository_that_is_gone_ends_it_before_anything_is_changed(compiled: Compiled, target: Publication) -> None:
    made, own = mutations_of(target.clients), named(compiled, "own")
    gone = CatalogueError([Problem("algorithms/own/algorithm.yaml", "framework.git.branch", "gone")])
    late = from_repository("own", gone)
    with pytest.raises(CatalogueError, match=r"algorithm\.yaml: framework\.git\.branch: gone"):
        published((*without(compiled, "own"), replace(own, uploads=(*own.uploads, late))), target)
    assert made == []


def test_on_a_laptop_a_repository_that_does_not_answer_costs_its_own_algorithm_only(
    compiled: Compiled, target: Publication
) -> None:
    own = named(compiled, "own")
    silent = replace(own, uploads=(from_repository("own", CompileError("no answer")),))
    with pytest.raises(CompileError, match="no answer"):
        published((silent, *without(compiled, "own")), target)
    plan = published((silent, *without(compiled, "own")), target, Scope(lenient=True))
    assert rows(target) == {"own", "framework", "untrained"}
    assert plan.notes == ("no answer; not uploaded, so jobs that need it fail",)


def test_an_interrupt_says_how_far_it_came(compiled: Compiled, target: Publication, tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    plan = planned(compiled, target, tmp_path)
    stopping = Step(Change(Kind.PIPELINE, "stopped", Action.CREATE), interrupt)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        apply(Plan.of([*plan.steps, stopping]), said.append)
    assert said[-1].startswith("stopped: done before: ")
    assert rows(target) == set()
    assert {change.kind for change in published(compiled, target).changed} == {
        Kind.ALGORITHM,
        Kind.PARAMETER,
        Kind.DEPLOYMENT,
    }
