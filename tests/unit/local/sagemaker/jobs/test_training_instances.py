"""Several instances, checkpoints, stops, retries: what a training job is beyond one process and one model."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.jobs.training.kind import LOG_GROUP
from local.settings import free_port
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import await_training, resources, start_training, train
from tests.unit.local.sagemaker.jobs.test_training import MODEL, members

CHECKPOINTS: dict[str, Any] = {"CheckpointConfig": {"S3Uri": "s3://out/checkpoints"}}


def python(script: str) -> str:
    return f"#!/usr/bin/env python3\nimport json, os, pathlib, socket, sys, time\n{script}\n"


@pytest.mark.parametrize("isolation", ["auto", "base-dir"])
def test_instances_find_each_other_and_their_models_are_one(world: World, isolation: str) -> None:
    """The second instance connects to the first at its host name, on a port that both listen on."""
    world.isolation = isolation
    port = free_port()
    world.image(
        "app",
        train=python(
            "base = pathlib.Path(os.environ.get('SAGEMAKER_BASE_DIR', '/opt/ml'))\n"
            "config = json.loads((base / 'input/config/resourceconfig.json').read_text())\n"
            "hosts, me = config['hosts'], config['current_host']\n"
            f"own = socket.create_server((me, {port}))\n"
            "if me == hosts[0]:\n"
            "    peer = own.accept()[0].recv(100).decode()\n"
            "    (base / 'model/leader').write_text(f'{me} heard {peer} of {hosts}')\n"
            "else:\n"
            "    while True:\n"
            "        try:\n"
            f"            link = socket.create_connection((hosts[0], {port}))\n"
            "            break\n"
            "        except ConnectionRefusedError:\n"
            "            time.sleep(0.005)\n"
            "    link.sendall(me.encode())\n"
            "    (base / 'model/leader').write_text('not this one')\n"
            "    (base / 'model/shards').mkdir()\n"
            "    (base / 'model/shards/2').write_text('mine')\n"
            "    (base / 'output/data/seen').write_text('x')\n"
        ),
    )
    job = train(world, ResourceConfig=resources(2))
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    found = members(world.cloud.s3.content(MODEL))
    first, second = ("algo-1", "algo-2") if isolation == "auto" else ("127.0.0.1", "127.0.0.2")
    assert found["leader"].decode() == f"{first} heard {second} of ['{first}', '{second}']"
    assert found["shards/2"] == b"mine"
    assert "seen" in members(world.cloud.s3.content("s3://out/models/job/output/output.tar.gz"))


def test_one_instance_that_fails_ends_the_others(world: World) -> None:
    script = 'grep -q \'"current_host": "algo-2"\' /opt/ml/input/config/resourceconfig.json || exec sleep 600\n'
    world.image("app", train=f"#!/bin/sh\n{script}echo 'no peer' >&2\nexit 4\n")
    job = train(world, ResourceConfig=resources(3))
    assert job["FailureReason"] == "AlgorithmError: no peer, exit code: 4"
    streams = sorted(stream for group, stream in world.cloud.logs.streams if group == LOG_GROUP)
    assert [stream.rpartition("-")[0] for stream in streams] == ["job/algo-2"]


def test_checkpoints_come_back_and_go_up_while_the_job_runs(world: World) -> None:
    world.sync_seconds = 0.02
    world.image(
        "app",
        train="#!/bin/sh\ncd /opt/ml/checkpoints\ncat old > /opt/ml/model/seen\nmkdir -p deep\necho 1 > deep/new\n"
        "trap 'echo 2 > last; exit 0' TERM\nsleep 600 & wait\n",
    )
    world.cloud.s3.put("s3://out/checkpoints/old", "from before")
    uploaded = world.cloud.s3.told("s3://out/checkpoints/deep/new")
    start_training(world, "job", **CHECKPOINTS)
    assert uploaded.wait(20)
    world.client.stop_training_job(TrainingJobName="job")
    await_training(world, "job")
    assert members(world.cloud.s3.content(MODEL))["seen"] == b"from before"
    assert world.cloud.s3.text("s3://out/checkpoints/last") == "2\n"
    # What came from there is not sent back.
    assert "s3://out/checkpoints/old" not in world.cloud.s3.uploaded


def test_a_failed_job_keeps_its_checkpoints_and_its_output_but_has_no_model(world: World) -> None:
    script = "echo 1 > /opt/ml/checkpoints/c; echo x > /opt/ml/output/data/why; echo m > /opt/ml/model/m; exit 1"
    world.image("app", train=f"#!/bin/sh\n{script}\n")
    train(world, **CHECKPOINTS)
    assert world.cloud.s3.keys("s3://out/") == ["s3://out/checkpoints/c", "s3://out/models/job/output/output.tar.gz"]


def test_a_job_that_overran_keeps_its_model(world: World) -> None:
    world.image("app", train="#!/bin/sh\necho m > /opt/ml/model/m\nexec sleep 600\n")
    job = train(world, StoppingCondition={"MaxRuntimeInSeconds": 3})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert members(world.cloud.s3.content(MODEL)) == {"m": b"m\n"}


def test_times_are_what_aws_bills(world: World) -> None:
    world.image("app", train="#!/bin/sh\nexit 0\n")
    job = train(world)
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] == 1
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"] <= job["LastModifiedTime"]
    transitions = job["SecondaryStatusTransitions"]
    assert all(one["StartTime"] <= one["EndTime"] for one in transitions)


def test_a_job_with_retries_is_run_again_after_the_cloud_was_killed(world: World, tmp_path: Path) -> None:
    world.image("app", train="#!/bin/sh\necho m > /opt/ml/model/half\necho ready\nsleep 600\n")
    start_training(world, "job", RetryStrategy={"MaximumRetryAttempts": 1})
    world.cloud.await_line("ready")
    # What is on the disk now is what a kill -9 leaves.
    shutil.copytree(world.root / "state", tmp_path / "killed" / "state")
    after = World(tmp_path / "killed", world.cache)
    after.image("app", train="#!/bin/sh\necho m > /opt/ml/model/whole\n")
    after.start()
    job = await_training(after, "job")
    after.stop()
    assert job["TrainingJobStatus"] == "Completed"
    assert members(after.cloud.s3.content(MODEL)) == {"whole": b"m\n"}


def test_network_isolation_leaves_only_the_loopback(world: World) -> None:
    script = "print('interfaces', [name for _, name in socket.if_nameindex()])\nsocket.create_server(('127.0.0.1', 0))"
    world.image("app", train=python(script))
    job = train(world, EnableNetworkIsolation=True)
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    assert world.service is not None
    assert world.service.isolation is not None
    if not world.service.isolation.network:
        pytest.skip("the kernel gives no network namespace")
    assert world.cloud.logs.lines(LOG_GROUP)[0] == "interfaces ['lo']"


def test_where_the_network_cannot_be_taken_away_the_log_says_so(world: World) -> None:
    world.isolation = "base-dir"
    world.image("app", train="#!/bin/sh\nexit 0\n")
    train(world, EnableNetworkIsolation=True)
    assert "EnableNetworkIsolation is not enforced" in world.cloud.logs.lines(LOG_GROUP)[0]


def test_what_aws_takes_and_this_cloud_has_no_use_for_is_described_as_given(world: World) -> None:
    world.image("app", train="#!/bin/sh\nexit 0\n")
    given: dict[str, Any] = {
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "EnableManagedSpotTraining": True,
        "EnableInterContainerTrafficEncryption": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
        "ProfilerConfig": {"S3OutputPath": "s3://out/profile"},
        "DebugHookConfig": {"S3OutputPath": "s3://out/debug"},
        "OutputDataConfig": {"S3OutputPath": "s3://out/models", "KmsKeyId": "alias/k"},
    }
    job = train(world, **given)
    assert job["TrainingJobStatus"] == "Completed"
    assert {name: job[name] for name in given} == given


def test_the_profiler_of_a_running_job_can_be_changed_and_an_ended_job_deleted(world: World) -> None:
    world.image("app", train="#!/bin/sh\necho ready\nsleep 600 & wait\n")
    start_training(world, "job")
    world.cloud.await_line("ready")
    with pytest.raises(ClientError, match="ResourceInUse"):
        world.client.delete_training_job(TrainingJobName="job")
    world.client.update_training_job(TrainingJobName="job", ProfilerConfig={"DisableProfiler": True})
    assert world.client.describe_training_job(TrainingJobName="job")["ProfilerConfig"] == {"DisableProfiler": True}
    world.client.stop_training_job(TrainingJobName="job")
    await_training(world, "job")
    world.client.delete_training_job(TrainingJobName="job")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        world.client.describe_training_job(TrainingJobName="job")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 5, "MaxWaitTimeInSeconds": 9}}, "EnableManagedSpotTraining is"),
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds"),
        ({"CheckpointConfig": {"S3Uri": "s3://out/c", "LocalPath": "/tmp/c"}}, "must be below /opt/ml"),
        ({"ResourceConfig": {"InstanceType": "ml.m5.large"}}, "either InstanceGroups or InstanceType"),
        ({"RemoteDebugConfig": {"EnableRemoteDebug": True}}, "RemoteDebugConfig is not run"),
        (
            {"DebugRuleConfigurations": [{"RuleConfigurationName": "r", "RuleEvaluatorImage": "i"}]},
            "DebugRuleConfigurations is not run",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused(world: World, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match="ValidationException") as caught:
        start_training(world, "job", **change)
    assert message in str(caught.value)


def test_the_configuration_names_the_host_and_the_channels(world: World) -> None:
    world.image("app", train="#!/bin/sh\ncat /opt/ml/input/config/resourceconfig.json\n")
    train(world)
    configuration = json.loads(world.cloud.logs.lines(LOG_GROUP)[0])
    assert configuration["current_host"] == "algo-1"
    assert configuration["instance_groups"][0]["instance_type"] == "ml.m5.large"
