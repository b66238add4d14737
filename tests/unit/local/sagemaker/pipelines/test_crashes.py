"""A local cloud that was killed goes on with its executions, whatever their steps were at.

A kill -9 leaves exactly what is committed: a copy of the database, taken while everything runs, is that.
"""

import json
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.sagemaker.machine.events import PIPELINE_STEP
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import channel, s3_input
from tests.unit.local.sagemaker.pipelines.definitions import (
    callback_step,
    create,
    definition,
    ended,
    get,
    lambda_step,
    processing_step,
    start,
    step,
    steps,
    token_of,
)
from tests.unit.local.sagemaker.pipelines.test_jobs import tuning


@pytest.fixture
def killed(tmp_path: Path, cache: Path) -> Iterator[Any]:
    """The world as the next start finds it; the one that ran keeps on running, unheard."""
    made: list[World] = []

    def kill(world: World) -> World:
        after = World(tmp_path / "after", cache)
        after.images = world.images
        after.cloud.s3, after.cloud.functions = world.cloud.s3, dict(world.cloud.functions)
        (after.root / "state").mkdir(parents=True)
        before, copy = (sqlite3.connect(one.root / "state" / "sagemaker.db") for one in (world, after))
        before.backup(copy)
        before.close()
        copy.close()
        if (world.root / "steps.yaml").exists():
            (after.root / "steps.yaml").write_text((world.root / "steps.yaml").read_text())
        made.append(after)
        return after

    yield kill
    for one in made:
        one.stop()


def executing(world: World, name: str) -> None:
    """Until the step has begun its work."""
    world.cloud.await_event(
        lambda event: (
            event.detail_type == PIPELINE_STEP
            and event.detail["stepName"] == name
            and event.detail["currentStepStatus"] == "Executing"
            and bool(event.detail["metadata"] or event.detail["stepType"] in ("Lambda", "EMRServerless"))
        )
    )


def test_a_callback_step_waits_on_under_its_token_and_asks_no_second_time(world: World, killed: Any) -> None:
    world.cloud.functions["fn:Next"] = lambda given: given
    create(
        world,
        definition(
            callback_step("Ask", {}, "said"), lambda_step("Next", {"s": get("Steps.Ask.OutputParameters['said']")}, "s")
        ),
    )
    arn = start(world)
    token = token_of(world, "Ask", arn)
    world.cloud.await_message(lambda message: message[0] == "q")
    after = killed(world)
    outputs = [{"Name": "said", "Value": "yes"}]
    after.client.send_pipeline_execution_step_success(CallbackToken=token, OutputParameters=outputs)
    assert ended(after, arn)["PipelineExecutionStatus"] == "Succeeded"
    assert steps(after, arn)["Next"]["Metadata"]["Lambda"]["OutputParameters"] == [{"Name": "s", "Value": "yes"}]
    assert after.cloud.messages == []


def test_a_function_that_was_called_is_called_again(world: World, killed: Any) -> None:
    called, release = threading.Event(), threading.Event()

    def slow(_: Any) -> dict[str, Any]:
        called.set()
        release.wait(30)
        return {"n": 1}

    world.cloud.functions["fn:Slow"] = slow
    create(world, definition(lambda_step("Slow", {}, "n")))
    arn = start(world)
    assert called.wait(30)
    after = killed(world)
    after.cloud.functions["fn:Slow"] = lambda _: {"n": 2}
    after.start()
    assert ended(after, arn)["PipelineExecutionStatus"] == "Succeeded"
    release.set()
    assert steps(after, arn)["Slow"]["Metadata"]["Lambda"]["OutputParameters"] == [{"Name": "n", "Value": "2"}]


def test_an_interrupted_job_is_run_again_under_a_new_name(world: World, killed: Any) -> None:
    world.image("app", processing="#!/bin/sh\ntest -f /opt/ml/processing/input/go/again && exit 0\nsleep 600\n")
    world.cloud.s3.put("s3://in/go/x", "")
    inputs = [s3_input("go", "s3://in/go/", "/opt/ml/processing/input/go")]
    create(world, definition(processing_step("P", {"ProcessingInputs": inputs})))
    arn = start(world)
    executing(world, "P")
    after = killed(world)
    interrupted = steps(world, arn)["P"]["Metadata"]["ProcessingJob"]["Arn"]
    world.cloud.s3.put("s3://in/go/again", "")
    after.start()
    assert ended(after, arn)["PipelineExecutionStatus"] == "Succeeded"
    assert steps(after, arn)["P"]["Metadata"]["ProcessingJob"]["Arn"] != interrupted


def test_a_job_that_had_ended_is_not_run_again(world: World, killed: Any) -> None:
    world.image("app", processing="#!/bin/sh\nexit 0\n")
    create(world, definition(processing_step("P")))
    arn = start(world)
    ended(world, arn)
    after = killed(world)
    database = sqlite3.connect(after.root / "state" / "sagemaker.db")
    # As if the job's end had been the last that was committed.
    for kind, change in (
        ("pipeline-execution", {"PipelineExecutionStatus": "Executing"}),
        ("pipeline-execution-step", {"StepStatus": "Executing"}),
    ):
        ((name, body),) = database.execute("SELECT name, body FROM documents WHERE kind = ?", (kind,)).fetchall()
        text = json.dumps({**json.loads(body), **change})
        database.execute("UPDATE documents SET body = ? WHERE kind = ? AND name = ?", (text, kind, name))
    database.commit()
    database.close()
    after.start()
    assert ended(after, arn)["PipelineExecutionStatus"] == "Succeeded"
    assert len(after.client.list_processing_jobs()["ProcessingJobSummaries"]) == 1


def test_a_tuning_job_that_goes_on_is_waited_for(world: World, killed: Any) -> None:
    world.image("app", train="#!/bin/sh\ntest -f /opt/ml/input/data/go/again || sleep 600\necho score=1\n")
    world.cloud.s3.put("s3://in/go/x", "")
    body = tuning()
    body["Arguments"]["TrainingJobDefinition"]["InputDataConfig"] = [channel("go", "s3://in/go/")]
    create(world, definition(body))
    arn = start(world)
    executing(world, "Tune")
    job = steps(world, arn)["Tune"]["Metadata"]["TuningJob"]
    after = killed(world)
    world.cloud.s3.put("s3://in/go/again", "")
    after.start()
    assert ended(after, arn)["PipelineExecutionStatus"] == "Succeeded", steps(after, arn)
    assert steps(after, arn)["Tune"]["Metadata"]["TuningJob"] == job


def test_an_interrupted_command_is_run_again(world: World, killed: Any) -> None:
    script = "import json, os, sys, time; os.path.exists('again') or time.sleep(600); print(json.dumps({'n': 3}))"
    entries = [{"type": "EMRServerless", "command": [sys.executable, "-c", script]}]
    (world.root / "steps.yaml").write_text(json.dumps({"steps": entries}))
    create(world, definition(step("Crunch", "EMRServerless")))
    arn = start(world)
    executing(world, "Crunch")
    after = killed(world)
    (after.root / "again").touch()
    after.start()
    assert ended(after, arn)["PipelineExecutionStatus"] == "Succeeded"


def test_an_execution_that_was_being_stopped_is_stopped(world: World, killed: Any) -> None:
    world.image("app", processing="#!/bin/sh\ntrap '' TERM\nsleep 600 & wait; wait; sleep 600\n")
    create(world, definition(processing_step("P"), callback_step("Ask", {})))
    arn = start(world)
    executing(world, "P")
    token = token_of(world, "Ask", arn)
    world.client.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    after = killed(world)
    after.start()
    # The message may have been lost with the process: it is sent again.
    after.cloud.await_message(lambda message: message[1]["status"] == "Stopping")
    after.client.send_pipeline_execution_step_success(CallbackToken=token)
    assert ended(after, arn)["PipelineExecutionStatus"] == "Stopped"
    assert steps(after, arn)["P"]["StepStatus"] == "Stopped"


def test_an_event_that_was_not_taken_is_sent_by_the_next_start(world: World, killed: Any) -> None:
    refused = threading.Event()

    def refuse(*_: object) -> None:
        refused.set()
        raise RuntimeError("the bus is gone")

    world.cloud.emit = refuse  # type: ignore[method-assign, assignment]
    world.client.create_model_package_group(ModelPackageGroupName="g")
    world.client.create_model_package(ModelPackageGroupName="g", SourceUri="s3://m")
    assert refused.wait(30)
    after = killed(world)
    after.start()
    told = after.cloud.await_event(lambda event: "ModelPackageArn" in event.detail)
    assert told.detail["ModelPackageVersion"] == 1
