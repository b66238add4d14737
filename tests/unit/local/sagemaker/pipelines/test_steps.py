"""What each step type does beyond one operation, and what spares a step its run or gives it another."""

import json
import os
import select
import sys
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.documents import Document
from local.sagemaker.jobs.job import JobKind
from local.sagemaker.jobs.runner import Jobs
from local.sagemaker.machine.events import PIPELINE_EXECUTION, PIPELINE_STEP
from local.sagemaker.operations import OF_MACHINE
from local.sagemaker.pipelines import callbacks, functions
from local.sagemaker.wire.errors import ApiError
from tests.unit.local.sagemaker.cloud import ROLE, image
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import s3_output
from tests.unit.local.sagemaker.pipelines.definitions import (
    callback_step,
    create,
    definition,
    ended,
    fail_step,
    get,
    lambda_step,
    processing_step,
    run,
    start,
    step,
    steps,
    token_of,
)

# Callback steps.


def test_a_callback_step_asks_on_its_queue_and_waits_for_the_answer(world: World) -> None:
    world.cloud.functions["fn:Next"] = lambda given: given
    create(
        world,
        definition(
            callback_step("Ask", {"model": get("Parameters.m"), "deep": {"n": 1}}, "verdict", "by"),
            lambda_step("Next", {"said": get("Steps.Ask.OutputParameters['verdict']")}, "said"),
            parameters=[{"Name": "m", "Type": "String"}],
        ),
    )
    arn = start(world, m="m-1")
    body = world.cloud.await_message(lambda message: message[0] == "q")
    assert body == {
        "token": token_of(world, "Ask", arn),
        "pipelineExecutionArn": arn,
        "arguments": {"model": "m-1", "deep": {"n": 1}},
        "status": "Executing",
    }
    outputs = [{"Name": "verdict", "Value": "good"}, {"Name": "by", "Value": "me"}]
    answer = world.client.send_pipeline_execution_step_success(CallbackToken=body["token"], OutputParameters=outputs)
    assert answer["PipelineExecutionArn"] == arn
    assert ended(world, arn)["PipelineExecutionStatus"] == "Succeeded"
    done = steps(world, arn)
    assert done["Ask"]["Metadata"]["Callback"] == {
        "CallbackToken": body["token"], "SqsQueueUrl": "q", "OutputParameters": outputs,
    }  # fmt: skip
    assert done["Next"]["Metadata"]["Lambda"]["OutputParameters"] == [{"Name": "said", "Value": "good"}]


def test_a_callback_is_answered_once(world: World) -> None:
    create(world, definition(callback_step("Ask", {})))
    token = token_of(world, "Ask", start(world))
    first = {"CallbackToken": token, "ClientRequestToken": "a" * 32}
    world.client.send_pipeline_execution_step_success(**first)
    world.client.send_pipeline_execution_step_success(**first)
    with pytest.raises(ClientError, match="Step Ask is already in a terminal status"):
        world.client.send_pipeline_execution_step_failure(CallbackToken=token, ClientRequestToken="b" * 32)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        world.client.send_pipeline_execution_step_success(CallbackToken="x" * 10)


def test_a_callback_that_is_failed_or_answered_short_fails_its_step(world: World) -> None:
    create(world, definition(callback_step("No", {}), callback_step("Short", {}, "verdict")))
    arn = start(world)
    world.client.send_pipeline_execution_step_failure(CallbackToken=token_of(world, "No", arn), FailureReason="spoilt")
    world.client.send_pipeline_execution_step_success(CallbackToken=token_of(world, "Short", arn))
    assert ended(world, arn)["PipelineExecutionStatus"] == "Failed"
    done = steps(world, arn)
    assert done["No"]["FailureReason"] == "spoilt"
    assert "did not give the output parameter verdict" in done["Short"]["FailureReason"]


def test_a_callback_is_told_of_a_stop_and_ends_it(world: World) -> None:
    create(world, definition(callback_step("Ask", {"a": 1}), lambda_step("Next", {}, DependsOn=["Ask"])))
    arn = start(world)
    token = token_of(world, "Ask", arn)
    world.client.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    told = world.cloud.await_message(lambda message: message[1]["status"] == "Stopping")
    assert told["token"] == token
    described = world.client.describe_pipeline_execution(PipelineExecutionArn=arn)
    assert described["PipelineExecutionStatus"] == "Stopping"
    assert steps(world, arn)["Ask"]["StepStatus"] == "Stopping"
    world.client.send_pipeline_execution_step_success(CallbackToken=token)
    assert ended(world, arn)["PipelineExecutionStatus"] == "Stopped"
    assert "Next" not in steps(world, arn)


def test_a_callback_that_is_never_answered_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks.run, "__defaults__", (0.05,))
    _, done = run(world, definition(callback_step("Ask", {})))
    assert "no answer to the callback came within 0.05 seconds" in done["Ask"]["FailureReason"]


# Lambda steps.


def test_a_function_that_takes_too_long_fails_its_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    world.cloud.functions["fn:Slow"] = lambda _: release.wait(30)
    monkeypatch.setattr(functions.run, "__defaults__", (0.05,))
    _, done = run(world, definition(lambda_step("Slow", {})))
    release.set()
    assert "did not answer within 0.05 seconds" in done["Slow"]["FailureReason"]


def test_a_stop_waits_for_the_function_that_runs(world: World) -> None:
    called, release = threading.Event(), threading.Event()

    def slow(_: Any) -> dict[str, Any]:
        called.set()
        release.wait(30)
        return {}

    world.cloud.functions["fn:Slow"] = slow
    create(world, definition(lambda_step("Slow", {}), lambda_step("Next", {}, DependsOn=["Slow"])))
    arn = start(world)
    assert called.wait(30)
    world.client.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    release.set()
    assert ended(world, arn)["PipelineExecutionStatus"] == "Stopped"
    assert {name: one["StepStatus"] for name, one in steps(world, arn).items()} == {"Slow": "Succeeded"}


def test_nested_outputs_of_a_function_become_one_text(world: World) -> None:
    world.cloud.functions["fn:A"] = lambda _: {"deep": {"n": [1]}, "flat": 2}
    _, done = run(world, definition(lambda_step("A", {}, "deep", "flat")))
    assert done["A"]["Metadata"]["Lambda"]["OutputParameters"] == [
        {"Name": "deep", "Value": '{"n": [1]}'}, {"Name": "flat", "Value": "2"},
    ]  # fmt: skip


def test_an_output_that_the_function_does_not_answer_fails_its_step(world: World) -> None:
    world.cloud.functions["fn:A"] = lambda _: {"a": 1}
    _, done = run(world, definition(lambda_step("A", {}, "a", "b")))
    assert "did not answer the output parameter(s) b" in done["A"]["FailureReason"]


# Steps that nothing here runs.


def test_a_step_type_that_is_not_run_here_names_the_file_to_edit(world: World) -> None:
    _, done = run(world, definition(step("Crunch", "EMR", {"StepConfig": {}})))
    reason = done["Crunch"]["FailureReason"]
    assert reason.startswith("Step type EMR is not run by this local SageMaker.")
    assert str(world.root / "steps.yaml") in reason


def supply(world: World, script: str, **entry: str) -> None:
    file = world.root / "command.py"
    file.write_text(script)
    entries = [{**entry, "command": [sys.executable, "command.py"]}]
    (world.root / "steps.yaml").write_text(json.dumps({"steps": entries}))


def test_a_command_of_the_user_stands_in_for_a_step(world: World) -> None:
    supply(world, "import json, sys; given = json.load(sys.stdin); print(json.dumps({'Given': given}))", type="EMR")
    world.cloud.functions["fn:Next"] = lambda given: given
    _, done = run(
        world,
        definition(
            step("Crunch", "EMR", {"ClusterId": "j-1", "StepConfig": {"Args": [get("Parameters.n")]}}),
            lambda_step("Next", {"n": get("Steps.Crunch.Given.Arguments.StepConfig.Args[0]")}, "n"),
            parameters=[{"Name": "n", "Type": "Integer", "DefaultValue": 7}],
        ),
    )
    assert done["Crunch"]["Metadata"] == {"EMR": {"ClusterId": "j-1", "StepName": "Crunch"}}
    assert done["Next"]["Metadata"]["Lambda"]["OutputParameters"] == [{"Name": "n", "Value": "7"}]


def test_a_command_that_fails_says_why(world: World) -> None:
    supply(world, "import sys; sys.exit('drift of 0.4')", name="Check")
    check = processing_step("Check") | {"Type": "QualityCheck", "CheckType": "DATA_QUALITY", "SkipCheck": False}
    _, done = run(world, definition(check))
    assert done["Check"]["FailureReason"] == "AlgorithmError: drift of 0.4, exit code: 1"
    assert done["Check"]["Metadata"]["QualityCheck"] == {"CheckType": "DATA_QUALITY", "SkipCheck": False}


def test_a_stop_ends_the_command_and_what_it_started(world: World) -> None:
    # In a session of its own, where a signal to the command's group does not come.
    child = (
        "import subprocess, time; child = subprocess.Popen(['sleep', '600'], start_new_session=True);"
        "print(child.pid, file=open('pid', 'w'), flush=True)"
    )
    supply(world, f"{child}; time.sleep(600)", name="Crunch")
    create(world, definition(step("Crunch", "EMRServerless", {}), fail_step("Late", DependsOn=["Crunch"])))
    arn = start(world)
    world.cloud.await_event(lambda e: e.detail_type == PIPELINE_STEP and e.detail["currentStepStatus"] == "Executing")
    world.client.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    assert ended(world, arn)["PipelineExecutionStatus"] == "Stopped"
    pid = world.root / "pid"
    assert not pid.exists() or not pid.read_text() or _ends(int(pid.read_text()))


def test_a_command_that_is_not_there_is_named(world: World) -> None:
    (world.root / "steps.yaml").write_text(json.dumps({"steps": [{"type": "EMR", "command": ["no-such-command"]}]}))
    _, done = run(world, definition(step("Crunch", "EMR", {})))
    assert done["Crunch"]["FailureReason"].startswith("ClientError: the command no-such-command cannot be run")


def _ends(pid: int) -> bool:
    """Whether a process is gone, or is so as soon as a busy machine comes to it."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 60.0)[0])
    finally:
        os.close(descriptor)


# Models.


def test_a_pipeline_makes_a_model_and_serves_it_from_a_configuration(world: World) -> None:
    variant = {"VariantName": "v", "ModelName": get("Steps.Make.ModelName"), "InitialInstanceCount": 1,
               "InstanceType": "ml.m5.large"}  # fmt: skip
    _, done = run(
        world,
        definition(
            step(
                "Make", "Model", {"PrimaryContainer": {"Image": image("app"), "ModelDataUrl": "s3://in/m.tar.gz"},
                                  "ExecutionRoleArn": ROLE},
            ),
            step("Configure", "EndpointConfig", {"EndpointConfigName": "c", "ProductionVariants": [variant]}),
        ),
    )  # fmt: skip
    model = done["Make"]["Metadata"]["Model"]["Arn"].rsplit("/", 1)[1]
    assert model.startswith("pipelines-")
    config = world.client.describe_endpoint_config(EndpointConfigName="c")
    assert config["ProductionVariants"][0]["ModelName"] == model
    assert done["Configure"]["Metadata"]["EndpointConfig"]["Arn"] == config["EndpointConfigArn"]


def test_an_operation_that_refuses_is_the_reason_in_the_words_of_aws(world: World) -> None:
    register = step("Register", "RegisterModel", {"SourceUri": "s3://m", "ModelPackageGroupName": "g", "Domain": "d"})
    make = step("Make", "Model", {"PrimaryContainer": {"ModelPackageName": "none"}, "ExecutionRoleArn": ROLE})
    _, done = run(world, definition(register, make))
    assert done["Register"]["StepStatus"] == "Succeeded"
    assert done["Make"]["FailureReason"].startswith(
        "ClientError: Failed to invoke sagemaker:CreateModel. Error Details: ModelPackage"
    )


def test_a_custom_prefix_names_the_job(world: World) -> None:
    world.image("app", processing="#!/bin/sh\nexit 0\n")
    named = processing_step("P")
    named["Arguments"]["ProcessingJobName"] = "mine"
    execution, done = run(world, definition(named))
    name = done["P"]["Metadata"]["ProcessingJob"]["Arn"].rsplit("/", 1)[1]
    assert name.startswith(f"mine-{execution['PipelineExecutionArn'].rsplit('/', 1)[1]}-")


# One branch fails.


def test_the_other_branch_goes_on_to_its_end_when_one_fails(world: World) -> None:
    def broken(_: Any) -> None:
        raise ValueError("no")

    world.cloud.functions |= {"fn:Bad": broken, **{f"fn:{name}": lambda _: {} for name in ("A", "B", "After")}}
    execution, done = run(
        world,
        definition(
            lambda_step("Bad", {}),
            lambda_step("After", {}, DependsOn=["Bad"]),
            lambda_step("A", {}),
            lambda_step("B", {}, DependsOn=["A"]),
        ),
    )
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert {name: one["StepStatus"] for name, one in done.items()} == {
        "Bad": "Failed", "A": "Succeeded", "B": "Succeeded",
    }  # fmt: skip


def test_no_more_steps_run_at_once_than_may(world: World) -> None:
    lock, now, most = threading.Lock(), 0, 0
    full = threading.Semaphore(0)

    def work(_: Any) -> dict[str, Any]:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == 2:
                full.release(100)
        full.acquire(timeout=30)
        with lock:
            now -= 1
        return {}

    names = [f"S{number}" for number in range(6)]
    world.cloud.functions |= {f"fn:{name}": work for name in names}
    create(world, definition(*(lambda_step(name, {}) for name in names)))
    arn = start(world, more={"ParallelismConfiguration": {"MaxParallelExecutionSteps": 2}})
    assert ended(world, arn)["PipelineExecutionStatus"] == "Succeeded"
    assert most == 2


# Caching.


CACHED = {"Enabled": True, "ExpireAfter": "P1D"}


def test_a_step_that_ran_with_the_same_arguments_is_not_run_again(world: World) -> None:
    world.image("app", processing="#!/bin/sh\necho made > /opt/ml/processing/out/x\n")
    output = s3_output("out", {"Std:Join": {"On": "/", "Values": ["s3://out", get("Execution.PipelineExecutionId")]}},
                       "/opt/ml/processing/out")  # fmt: skip
    text = definition(
        processing_step(
            "P",
            {"ProcessingOutputConfig": {"Outputs": [output]}, "Environment": {"A": get("Parameters.a")}},
            CacheConfig=CACHED,
        ),
        fail_step("Show", get("Steps.P.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri")),
        parameters=[{"Name": "a", "Type": "String"}],
    )
    create(world, text)
    arns = []
    for number, value in enumerate(("1", "1", "2")):
        arns.append(start(world, token=f"{number}" * 32, a=value))
        ended(world, arns[-1])
    first, second, third = (steps(world, arn) for arn in arns)
    assert "CacheHitResult" not in first["P"]
    assert second["P"]["CacheHitResult"] == {"SourcePipelineExecutionArn": arns[0]}
    assert second["P"]["Metadata"] == first["P"]["Metadata"]
    assert second["Show"]["FailureReason"] == first["Show"]["FailureReason"]
    assert "CacheHitResult" not in third["P"]
    told = world.cloud.await_event(
        lambda e: (
            e.detail.get("stepName") == "P"
            and e.detail["pipelineExecutionArn"] == arns[1]
            and "cacheHitResult" in e.detail
        )
    )
    assert told.detail["cacheHitResult"] == {"sourcePipelineExecutionArn": arns[0]}


def test_a_run_that_is_too_old_or_of_a_step_without_caching_is_no_hit(world: World) -> None:
    calls: list[int] = []

    def call(_: Any) -> dict[str, Any]:
        calls.append(1)
        return {}

    world.cloud.functions["fn:A"] = call
    for number, cache in enumerate(({"Enabled": True, "ExpireAfter": "T0S"}, {"Enabled": False}, CACHED)):
        text = definition(lambda_step("A", {}, CacheConfig=cache))
        create(world, text) if number == 0 else world.client.update_pipeline(PipelineName="p", PipelineDefinition=text)
        ended(world, start(world, token=f"{number}" * 32))
    assert len(calls) == 2


def test_a_failed_run_is_no_hit(world: World) -> None:
    healthy = threading.Event()

    def moody(_: Any) -> dict[str, Any]:
        if not healthy.is_set():
            raise ValueError("not yet")
        return {}

    world.cloud.functions["fn:A"] = moody
    create(world, definition(lambda_step("A", {}, CacheConfig=CACHED)))
    assert ended(world, start(world))["PipelineExecutionStatus"] == "Failed"
    healthy.set()
    assert ended(world, start(world, token="u" * 32))["PipelineExecutionStatus"] == "Succeeded"


# Retry policies.


def retry(*kinds: str, **more: Any) -> dict[str, Any]:
    return {"RetryPolicies": [{"ExceptionType": list(kinds), "IntervalSeconds": 0, **more}]}


def fail_jobs(monkeypatch: pytest.MonkeyPatch, count: int) -> threading.Event:
    """The first so many jobs end as if SageMaker itself had failed; the event is set at the first."""
    real, seen, failed = Jobs.wait, [], threading.Event()

    def wait(jobs: Jobs, kind: JobKind, name: str) -> Document:
        document = real(jobs, kind, name)
        seen.append(name)
        if len(seen) > count:
            return document
        failed.set()
        reason = "InternalServerError: We encountered an internal error. Please try again."
        return {**document, "ProcessingJobStatus": "Failed", "FailureReason": reason}

    monkeypatch.setattr(Jobs, "wait", wait)
    return failed


def test_a_job_that_fails_for_a_reason_of_its_policy_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.image("app", processing="#!/bin/sh\nexit 0\n")
    fail_jobs(monkeypatch, 2)
    policy = retry("SageMaker.JOB_INTERNAL_ERROR", MaxAttempts=2)
    execution, done = run(world, definition(processing_step("P", **policy)))
    assert execution["PipelineExecutionStatus"] == "Succeeded"
    assert done["P"]["AttemptCount"] == 3
    assert len(world.client.list_processing_jobs()["ProcessingJobSummaries"]) == 3


def test_a_failure_of_the_container_is_not_tried_again(world: World) -> None:
    world.image("app", processing="#!/bin/sh\nexit 1\n")
    policy = retry("SageMaker.JOB_INTERNAL_ERROR", MaxAttempts=2)
    _, done = run(world, definition(processing_step("P", **policy)))
    assert (done["P"]["AttemptCount"], done["P"]["StepStatus"]) == (1, "Failed")


def test_a_service_that_is_short_of_room_is_asked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(ApiError):
        code = "ResourceLimitExceeded"

    asked: list[int] = []
    real = OF_MACHINE["CreateModel"]

    def create_model(machine: Any, request: Any) -> Any:
        asked.append(1)
        if len(asked) < 3:
            raise Full("the limit is 0 models")
        return real(machine, request)

    monkeypatch.setitem(OF_MACHINE, "CreateModel", create_model)
    container = {"PrimaryContainer": {"Image": image("app")}, "ExecutionRoleArn": ROLE}
    again = step("Again", "Model", container, **retry("SageMaker.RESOURCE_LIMIT", MaxAttempts=5))
    execution, done = run(world, definition(again))
    assert execution["PipelineExecutionStatus"] == "Succeeded", done
    assert done["Again"]["AttemptCount"] == 3
    asked.clear()
    world.client.update_pipeline(PipelineName="p", PipelineDefinition=definition(step("Once", "Model", container)))
    arn = start(world, token="u" * 32)
    ended(world, arn)
    once = steps(world, arn)["Once"]
    assert once["FailureReason"] == (
        "ClientError: Failed to invoke sagemaker:CreateModel. Error Details: the limit is 0 models\n"
        f"Retry not appropriate on execution of step with PipelineExecutionArn {arn} and StepId Once. "
        "No retry policy configured for the exception type SAGEMAKER_RESOURCE_LIMIT."
    )


def test_a_stop_ends_the_pause_between_two_attempts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.image("app", processing="#!/bin/sh\nexit 0\n")
    failed = fail_jobs(monkeypatch, 100)
    policies = [{"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"], "IntervalSeconds": 600, "MaxAttempts": 5}]
    create(world, definition(processing_step("P", RetryPolicies=policies)))
    arn = start(world)
    assert failed.wait(30)
    world.client.stop_pipeline_execution(PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    assert ended(world, arn)["PipelineExecutionStatus"] == "Stopped"


def test_the_events_of_a_step_go_from_starting_to_its_end(world: World) -> None:
    world.image("app", processing="#!/bin/sh\nexit 0\n")
    run(world, definition(processing_step("P")))
    told = [event.detail for event in world.cloud.events if event.detail_type == PIPELINE_STEP]
    assert [(one.get("previousStepStatus"), one["currentStepStatus"]) for one in told] == [
        (None, "Starting"), ("Starting", "Executing"), ("Executing", "Succeeded"),
    ]  # fmt: skip
    assert world.cloud.events[-1].detail_type == PIPELINE_EXECUTION
