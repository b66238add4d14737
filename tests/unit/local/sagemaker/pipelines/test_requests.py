"""The operations on pipelines and their executions, as clients use them."""

import json
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.sagemaker.cloud import ROLE
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.pipelines.definitions import (
    TOKEN,
    callback_step,
    create,
    definition,
    ended,
    fail_step,
    get,
    lambda_step,
    start,
    steps,
    token_of,
)


def numbered(world: World, *names: str) -> list[str]:
    """Functions that answer how often each was called; the list of calls."""
    calls: list[str] = []

    def function(name: str) -> Any:
        def call(_: Any) -> dict[str, Any]:
            calls.append(name)
            return {"n": calls.count(name)}

        return call

    world.cloud.functions |= {f"fn:{name}": function(name) for name in names}
    return calls


def test_a_definition_may_lie_in_s3(world: World) -> None:
    world.cloud.s3.put("s3://definitions/p.json", definition(fail_step("F")))
    location = {"Bucket": "definitions", "ObjectKey": "p.json"}
    request = {"PipelineName": "p", "RoleArn": ROLE, "ClientRequestToken": TOKEN}
    world.client.create_pipeline(**request, PipelineDefinitionS3Location=location)
    described = world.client.describe_pipeline(PipelineName="p")
    assert json.loads(described["PipelineDefinition"])["Steps"][0]["Name"] == "F"
    for wrong in ({}, {"PipelineDefinitionS3Location": location, "PipelineDefinition": "{}"}):
        with pytest.raises(ClientError, match="exactly one of"):
            world.client.create_pipeline(**{**request, "PipelineName": "q"}, **wrong)
    with pytest.raises(ClientError, match="cannot be read"):
        world.client.create_pipeline(
            **{**request, "PipelineName": "q"},
            PipelineDefinitionS3Location={"Bucket": "definitions", "ObjectKey": "none"},
        )


def test_each_update_is_a_version_that_can_be_described_and_started(world: World) -> None:
    create(world, definition(fail_step("First")))
    updated = world.client.update_pipeline(PipelineName="p", PipelineDefinition=definition(fail_step("Second")))
    assert updated["PipelineVersionId"] == 2
    arn = updated["PipelineArn"]
    world.client.update_pipeline_version(PipelineArn=arn, PipelineVersionId=1, PipelineVersionDisplayName="old")
    first = world.client.describe_pipeline(PipelineName=arn, PipelineVersionId=1)
    assert first["PipelineVersionDisplayName"] == "old"
    assert json.loads(first["PipelineDefinition"])["Steps"][0]["Name"] == "First"
    execution = start(world, more={"PipelineVersionId": 1})
    assert ended(world, execution)["PipelineVersionId"] == 1
    assert list(steps(world, execution)) == ["First"]
    listed = world.client.list_pipeline_versions(PipelineName="p")["PipelineVersionSummaries"]
    assert [one["PipelineVersionId"] for one in listed] == [2, 1]
    assert listed[1]["LastExecutionPipelineExecutionArn"] == execution
    for call in (
        lambda: world.client.describe_pipeline(PipelineName="p", PipelineVersionId=3),
        lambda: start(world, token="u" * 32, more={"PipelineVersionId": 3}),
    ):
        with pytest.raises(ClientError, match="has no version 3"):
            call()


def test_a_token_stands_for_one_request(world: World) -> None:
    create(world, definition(fail_step("F"), parameters=[{"Name": "x", "Type": "String", "DefaultValue": "a"}]))
    arn = start(world, x="1")
    assert start(world, x="1") == arn
    with pytest.raises(ClientError, match="ConflictException"):
        start(world, x="2")


def test_a_definition_for_an_execution_is_the_one_it_was_started_with(world: World) -> None:
    text = definition(fail_step("F"))
    create(world, text)
    arn = start(world)
    world.client.update_pipeline(PipelineName="p", PipelineDefinition=definition(fail_step("G")))
    assert (
        world.client.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)["PipelineDefinition"] == text
    )


def test_pipelines_and_executions_are_listed_in_the_order_asked_for(world: World) -> None:
    for name in ("b", "a", "other"):
        create(world, definition(fail_step("F")), name)
    answer = world.client.list_pipelines(SortBy="Name", SortOrder="Ascending")["PipelineSummaries"]
    assert [one["PipelineName"] for one in answer] == ["a", "b", "other"]
    answer = world.client.list_pipelines(PipelineNamePrefix="o")["PipelineSummaries"]
    assert [one["PipelineName"] for one in answer] == ["other"]
    arns = [start(world, "a", token=str(number) * 32) for number in range(3)]
    for arn in arns:
        ended(world, arn)
    listed = world.client.list_pipeline_executions(PipelineName="a", MaxResults=2)
    assert [one["PipelineExecutionArn"] for one in listed["PipelineExecutionSummaries"]] == [arns[2], arns[1]]
    assert listed["PipelineExecutionSummaries"][0]["PipelineExecutionFailureReason"].startswith("Step failure")
    rest = world.client.list_pipeline_executions(PipelineName="a", MaxResults=2, NextToken=listed["NextToken"])
    assert [one["PipelineExecutionArn"] for one in rest["PipelineExecutionSummaries"]] == [arns[0]]
    by_arn = world.client.list_pipeline_executions(
        PipelineName="a", SortBy="PipelineExecutionArn", SortOrder="Ascending"
    )["PipelineExecutionSummaries"]
    assert [one["PipelineExecutionArn"] for one in by_arn] == sorted(arns)


def test_selected_steps_run_over_what_an_earlier_execution_left(world: World) -> None:
    calls = numbered(world, "A", "B", "C")
    create(
        world,
        definition(
            lambda_step("A", {}, "n"),
            lambda_step("B", {"n": get("Steps.A.OutputParameters['n']")}, "n"),
            lambda_step("C", {}, DependsOn=["B"]),
        ),
    )
    source = start(world)
    ended(world, source)
    selected = {"SelectedSteps": [{"StepName": "B"}], "SourcePipelineExecutionArn": source}
    arn = start(world, token="u" * 32, more={"SelectiveExecutionConfig": selected})
    execution = ended(world, arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert execution["SelectiveExecutionConfig"] == selected
    assert calls == ["A", "B", "C", "B"]
    done = steps(world, arn)
    assert done["A"]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": source}
    assert list(done) == ["A", "B"]
    with pytest.raises(ClientError, match="Invalid SourcePipelineExecutionArn: null"):
        start(world, token="v" * 32, more={"SelectiveExecutionConfig": {"SelectedSteps": [{"StepName": "B"}]}})


def test_a_selection_may_not_take_from_what_still_runs_or_is_another_pipelines(world: World) -> None:
    create(world, definition(callback_step("Ask", {}), fail_step("F", DependsOn=["Ask"])))
    create(world, definition(fail_step("F")), "q")
    running, other = start(world), start(world, "q")
    token = token_of(world, "Ask", running)
    for source, problem in ((running, "is still Executing"), (other, "is of another pipeline")):
        selected = {"SelectedSteps": [{"StepName": "F"}], "SourcePipelineExecutionArn": source}
        with pytest.raises(ClientError, match=problem):
            start(world, token="u" * 32, more={"SelectiveExecutionConfig": selected})
    world.client.send_pipeline_execution_step_success(CallbackToken=token)
    ended(world, running)


def test_an_execution_is_renamed_and_widened_while_it_runs(world: World) -> None:
    both = threading.Barrier(2, timeout=30)
    world.cloud.functions |= {"fn:A": lambda _: both.wait() and {}, "fn:B": lambda _: both.wait() and {}}
    create(world, definition(lambda_step("A", {}), lambda_step("B", {})))
    arn = start(world, more={"ParallelismConfiguration": {"MaxParallelExecutionSteps": 1}})
    world.client.update_pipeline_execution(
        PipelineExecutionArn=arn,
        PipelineExecutionDisplayName="renamed",
        PipelineExecutionDescription="why",
        ParallelismConfiguration={"MaxParallelExecutionSteps": 2},
    )
    # One at a time they would wait for each other for ever.
    execution = ended(world, arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert (execution["PipelineExecutionDisplayName"], execution["PipelineExecutionDescription"]) == ("renamed", "why")


def test_what_has_ended_cannot_be_stopped_and_what_succeeded_not_retried(world: World) -> None:
    numbered(world, "A")
    create(world, definition(lambda_step("A", {})))
    arn = start(world)
    ended(world, arn)
    with pytest.raises(ClientError, match="Only pipelines with an Executing status can be stopped"):
        world.client.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    with pytest.raises(ClientError, match="Only a failed or stopped execution can be retried"):
        world.client.retry_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="r" * 32)


def test_a_stopped_execution_goes_on_when_it_is_retried(world: World) -> None:
    calls = numbered(world, "A", "B")
    create(
        world,
        definition(
            lambda_step("A", {}), callback_step("Ask", {}, DependsOn=["A"]), lambda_step("B", {}, DependsOn=["Ask"])
        ),
    )
    arn = start(world)
    token = token_of(world, "Ask", arn)
    world.client.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    world.client.send_pipeline_execution_step_failure(CallbackToken=token)
    assert ended(world, arn)["PipelineExecutionStatus"] == "Stopped"
    seen = len(world.cloud.events)
    again = {"PipelineExecutionArn": arn, "ClientRequestToken": "r" * 32}
    world.client.retry_pipeline_execution(**again)
    world.client.retry_pipeline_execution(**again)
    world.cloud.await_event(
        lambda e: (
            e in world.cloud.events[seen:] and e.detail.get("stepName") == "Ask" and "callback" in e.detail["metadata"]
        )
    )
    newer = steps(world, arn)["Ask"]["Metadata"]["Callback"]["CallbackToken"]
    assert newer != token
    world.client.send_pipeline_execution_step_success(CallbackToken=newer)
    assert ended(world, arn, since=seen)["PipelineExecutionStatus"] == "Succeeded"
    assert calls == ["A", "B"]


def test_a_pipeline_goes_with_its_executions_and_not_while_one_runs(world: World) -> None:
    create(world, definition(callback_step("Ask", {}, CacheConfig={"Enabled": True})))
    arn = start(world)
    token = token_of(world, "Ask", arn)
    with pytest.raises(ClientError, match="running executions"):
        world.client.delete_pipeline(PipelineName="p", ClientRequestToken="d" * 32)
    world.client.send_pipeline_execution_step_success(CallbackToken=token)
    ended(world, arn)
    world.client.delete_pipeline(PipelineName="p", ClientRequestToken="d" * 32)
    with pytest.raises(ClientError, match="does not exist"):
        world.client.describe_pipeline_execution(PipelineExecutionArn=arn)
    create(world, definition(fail_step("F")))
    assert world.client.list_pipeline_executions(PipelineName="p")["PipelineExecutionSummaries"] == []
    assert start(world) != arn


def test_an_experiment_is_named_as_the_definition_says(world: World) -> None:
    document = json.loads(definition(fail_step("F")))
    document["PipelineExperimentConfig"] = {
        "ExperimentName": get("Execution.PipelineName"), "TrialName": get("Execution.PipelineExecutionId"),
    }  # fmt: skip
    create(world, json.dumps(document), "Trees")
    execution = ended(world, start(world, "Trees"))
    assert execution["PipelineExperimentConfig"] == {
        "ExperimentName": "trees", "TrialName": execution["PipelineExecutionArn"].rsplit("/", 1)[1],
    }  # fmt: skip
