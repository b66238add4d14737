"""Whatever a job's process, its data or the local cloud does, the job ends with a reason and harms nothing else."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.jobs.training.kind import LOG_GROUP
from local.sagemaker.machine import logs
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import (
    await_training,
    channel,
    process,
    s3_output,
    start_training,
    train,
)

STUBBORN = "trap '' TERM\n(setsid sh -c 'trap \"\" TERM; while :; do read x < /dev/zero; done' &)\n"


@pytest.mark.parametrize(
    ("script", "code"),
    [("kill -9 $$", 137), ("exit 137", 137), ("kill -SEGV $$", 139), ("exec kill -TERM $$", 143)],
)
def test_a_process_that_is_killed_fails_its_job_with_the_exit_code(world: World, script: str, code: int) -> None:
    world.image("app", train=f"#!/bin/sh\necho m > /opt/ml/model/m\necho 'epoch 3' >&2\n{script}\n")
    job = train(world)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == f"AlgorithmError: epoch 3, exit code: {code}"
    assert "s3://out/models/job/output/model.tar.gz" not in world.cloud.s3.keys("s3://out/")


@pytest.mark.parametrize("isolation", ["auto", "base-dir"])
def test_a_job_that_ignores_every_signal_and_leaves_its_session_can_be_stopped(world: World, isolation: str) -> None:
    world.isolation = isolation
    world.grace_seconds = 0.1
    world.image("app", train=f"#!/bin/sh\n{STUBBORN}echo ready\nwhile :; do sleep 600; done\n")
    start_training(world, "job")
    world.cloud.await_line("ready")
    world.client.stop_training_job(TrainingJobName="job")
    # It ends only once everything that holds its output open is gone.
    assert await_training(world, "job")["TrainingJobStatus"] == "Stopped"
    assert any("did not end within 0.1 s of SIGTERM" in line for line in world.cloud.logs.lines(LOG_GROUP))


@pytest.mark.parametrize("isolation", ["auto", "base-dir"])
def test_a_hundred_children_end_with_their_job(world: World, isolation: str) -> None:
    world.isolation = isolation
    world.grace_seconds = 0.1
    fork = "i=0; while [ $i -lt 100 ]; do (trap '' TERM; exec setsid sleep 600) & i=$((i+1)); done"
    world.image("app", train=f"#!/bin/sh\ntrap '' TERM\n{fork}\necho ready\nwait\n")
    start_training(world, "job")
    world.cloud.await_line("ready")
    world.client.stop_training_job(TrainingJobName="job")
    assert await_training(world, "job")["TrainingJobStatus"] == "Stopped"


def test_output_without_end_is_bounded_in_the_file_and_at_cloudwatch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 MB in short and long lines against a thirtieth of the usual bounds; the end of standard error still counts."""
    monkeypatch.setattr(logs, "_MAX_FILE", 2 << 20)
    monkeypatch.setattr(logs, "_MAX_SHIPPED", 1 << 19)
    script = "import sys\nsys.stdout.write(('x' * 79 + '\\n') * 700_000)\nsys.stdout.write('y' * (8 << 20))\n"
    world.image("app", train=f"#!/usr/bin/env python3\n{script}sys.stdout.flush()\nsys.exit('the last word')\n")
    job = train(world)
    assert job["FailureReason"] == "AlgorithmError: the last word, exit code: 1"
    file = world.root / "state" / "jobs" / "training-job" / "job" / "algo-1.log"
    assert file.stat().st_size < (2 << 20) + 100
    assert file.read_bytes().endswith(b"x\n[further output is not kept]\n")
    lines = world.cloud.logs.lines(LOG_GROUP)
    assert sum(len(line) for line in lines) < 1 << 19
    assert lines[-1] == "[further output is only in the job's folder]"


def test_binary_output_is_text_in_the_log(world: World) -> None:
    world.image("app", train="#!/bin/sh\nhead -c 100000 /dev/urandom\nprintf '\\n\\377\\000\\n'\necho last\n")
    assert train(world)["TrainingJobStatus"] == "Completed"
    assert "last" in world.cloud.logs.lines(LOG_GROUP)
    assert "�\x00" in world.cloud.logs.lines(LOG_GROUP)


def test_an_object_that_vanishes_between_list_and_get_fails_the_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.image("app", train="#!/bin/sh\nexit 0\n")
    world.cloud.s3.put("s3://in/data/a", "1")
    get = world.cloud.s3.get_object

    def vanish(**given: str) -> Any:
        world.cloud.s3.objects.pop((given["Bucket"], given["Key"]))
        return get(**given)

    monkeypatch.setattr(world.cloud.s3, "get_object", vanish)
    job = train(world, InputDataConfig=[channel("train", "s3://in/data/")])
    assert job["FailureReason"].startswith("ClientError: Data download failed: cannot read s3://in/data/a")


def test_a_bucket_that_takes_no_model_fails_the_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.image("app", train="#!/bin/sh\necho m > /opt/ml/model/m\n")

    def refuse(*_: str) -> None:
        raise ClientError({"Error": {"Code": "NoSuchBucket", "Message": "gone"}}, "PutObject")

    monkeypatch.setattr(world.cloud.s3, "upload_file", refuse)
    assert "cannot write s3://out/models/job/output/model.tar.gz" in train(world)["FailureReason"]


@pytest.mark.parametrize("kind", ["training", "processing"])
def test_a_job_that_fills_its_volume_is_ended_and_says_so(world: World, kind: str) -> None:
    world.volume_bytes = 1 << 20
    world.image(
        "app",
        train="#!/bin/sh\nhead -c 4000000 /dev/zero > /opt/ml/model/big\nexec sleep 600\n",
        processing="#!/bin/sh\nhead -c 4000000 /dev/zero > ${TMPDIR:-/tmp}/big\nexec sleep 600\n",
    )
    job = train(world) if kind == "training" else process(world)
    assert job[f"{kind.capitalize()}JobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: algo-1: the files of the instance take more than its volume")
    assert world.cloud.s3.keys("s3://out/") == []


def test_a_job_writes_to_its_own_folders_and_nowhere_else(world: World, tmp_path: Path) -> None:
    service = world.start()
    assert service.isolation is not None
    if not service.isolation.readonly:
        pytest.skip("the kernel does not keep a process from writing")
    outside = [tmp_path / "x", Path("/usr/x"), Path("/etc/x"), world.root / "state" / "x"]
    tries = "\n".join(f"(echo harm > {path}) 2>/dev/null && echo wrote {path}" for path in outside)
    own = "\n".join(f"echo mine > {path}/y || exit 9" for path in ("/opt/ml/model", "/tmp", "/dev/shm", "$HOME"))
    world.image("app", train=f"#!/bin/sh\n{tries}\n{own}\nrm -rf {tmp_path} 2>/dev/null\necho done\n")
    (tmp_path / "precious").write_text("here")
    job = train(world)
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    # What is below /tmp was written to the job's own /tmp.
    assert [line for line in world.cloud.logs.lines(LOG_GROUP) if "/tmp/" not in line] == ["done"]
    assert (tmp_path / "precious").read_text() == "here"
    assert not Path("/tmp/y").exists()
    assert not Path("/dev/shm/y").exists()
    assert not any(path.exists() for path in outside)


def test_what_one_job_leaves_in_tmp_the_next_does_not_see(world: World) -> None:
    if not (world.start().isolation or pytest.fail("not started")).readonly:
        pytest.skip("jobs share the machine's /tmp")
    world.image("app", train="#!/bin/sh\nls -A /tmp | grep -v pytest\necho x > /tmp/left\n")
    for name in ("one", "two"):
        assert train(world, name)["TrainingJobStatus"] == "Completed"
    assert "left" not in world.cloud.logs.lines(LOG_GROUP)


def test_links_in_a_model_lead_nowhere_outside(world: World) -> None:
    world.image("app", processing="#!/bin/sh\nln -s / /opt/ml/processing/out/root\necho 1 > /opt/ml/processing/out/a\n")
    outputs = {"Outputs": [s3_output("out", "s3://out/p", "/opt/ml/processing/out", "Continuous")]}
    assert process(world, ProcessingOutputConfig=outputs)["ProcessingJobStatus"] == "Completed"
    assert world.cloud.s3.keys("s3://out/") == ["s3://out/p/a"]


def test_a_killed_cloud_takes_its_jobs_with_it_and_says_so_at_the_next_start(world: World) -> None:
    """A cloud in a process of its own is killed with -9 while a job of two stubborn instances runs."""
    world.image("app", train=f"#!/bin/sh\n{STUBBORN}echo ready\nwhile :; do sleep 600; done\n")
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from tests.unit.local.sagemaker.conftest import World
        from tests.unit.local.sagemaker.jobs.requests import resources, start_training
        world = World(Path(sys.argv[1]), Path(sys.argv[2]))
        world.images["headrace/app"] = world.root / "images" / "app"
        start_training(world, "job", ResourceConfig=resources(2))
        print("started", flush=True)
        with world.cloud.told:
            world.cloud.told.wait_for(lambda: world.cloud.logs.all_lines().count("ready") == 2)
        # The containers' own output goes through the cloud; this descriptor only tells when the cloud is gone.
        print("running", flush=True)
        time.sleep(600)
        """
    )
    arguments = [sys.executable, "-c", script, str(world.root), str(world.cache)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as cloud:
        assert cloud.stdout is not None
        assert cloud.stdout.readline() == b"started\n"
        assert cloud.stdout.readline() == b"running\n"
        os.kill(cloud.pid, signal.SIGKILL)
    job = world.client.describe_training_job(TrainingJobName="job")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"] == "InternalServerError: the local cloud stopped while the job ran"
    world.client.delete_training_job(TrainingJobName="job")
