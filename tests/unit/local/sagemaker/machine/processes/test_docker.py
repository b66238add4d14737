"""Isolation docker, up to the edge: the command lines that a `docker` on PATH is given, and what follows from its end.

The program here stands for the client and the engine; no image is fetched or run.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from local.sagemaker.jobs.training.kind import LOG_GROUP
from local.sagemaker.machine.processes import docker
from local.sagemaker.machine.processes.isolation import probe
from local.sagemaker.wire.errors import IsolationError
from tests.unit.local.sagemaker.cloud import ROLE
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.jobs.requests import (
    await_training,
    process,
    resources,
    start_training,
    train,
    transform,
    transform_input,
)
from tests.unit.local.sagemaker.jobs.test_training import MODEL, members

DOCKER = """#!/usr/bin/env python3
import http.server, json, os, pathlib, sys
folder = pathlib.Path(sys.argv[0]).parent
words = sys.argv[1:]
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps([words, dict(os.environ)]) + "\\n")
def value(option):
    return [words[n + 1] for n, word in enumerate(words) if word == option]
if words[0] == "version":
    sys.exit((folder / "engine").read_text() if (folder / "engine").exists() else 0)
if words[0] == "rm":

    sys.exit(0)
ml = pathlib.Path(value("--volume")[0].split(":")[0])
if words[-1] == "serve":
    class H(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.do_POST()
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *a):
            pass
    address, port, _ = value("--publish")[0].split(":")
    http.server.ThreadingHTTPServer((address, int(port)), H).serve_forever()
print("image", words[-2], "told", os.environ.get("GIVEN"), flush=True)
if os.environ.get("GIVEN") == "hang":
    import signal
    signal.pause()
(ml / "model" if (ml / "model").exists() else ml / "processing/out").joinpath("made").write_text("by docker")
sys.exit(int(os.environ.get("CODE", "0")))
"""
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/anything:1"
ALGORITHM: dict[str, Any] = {"AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"}}


class Docker:
    """The stand-in's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def calls(self, command: str = "run") -> list[tuple[list[str], dict[str, str]]]:
        lines = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        return [(words, environment) for words, environment in lines if words[0] == command]


@pytest.fixture
def engine(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    folder = tmp_path / "docker-bin"
    folder.mkdir()
    program = folder / "docker"
    program.write_text(DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    world.isolation = "docker"
    return Docker(folder)


def test_a_training_job_is_one_run_of_its_image(world: World, engine: Docker) -> None:
    job = train(world, Environment={"GIVEN": "a b"}, **ALGORITHM)
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    assert members(world.cloud.s3.content(MODEL)) == {"made": b"by docker"}
    ((words, environment),) = engine.calls()
    folder = world.root / "state" / "jobs" / "training-job" / "job" / "algo-1" / "ml"
    assert words[:3] == ["run", "--rm", "--name"]
    assert words[4:6] == ["--network", "host"]
    assert f"{folder}:/opt/ml" in words
    assert words[-2:] == [IMAGE, "train"]
    # Values travel in the client's environment: a command line is for everybody to read.
    assert "--env GIVEN --env" in " ".join(words)
    assert "a b" not in words
    assert (environment["GIVEN"], environment["TRAINING_JOB_NAME"]) == ("a b", "job")
    assert f"image {IMAGE} told a b" in world.cloud.logs.lines(LOG_GROUP)


def test_an_isolated_job_has_no_network_and_an_entry_point_takes_the_images_place(world: World, engine: Docker) -> None:
    algorithm = {**ALGORITHM["AlgorithmSpecification"], "ContainerEntrypoint": ["python", "x.py"]}
    train(world, AlgorithmSpecification=algorithm, EnableNetworkIsolation=True)
    words = engine.calls()[0][0]
    assert words[4:6] == ["--network", "none"]
    assert words[-4:] == ["--entrypoint", "python", IMAGE, "x.py"]


def test_instances_are_told_each_others_names(world: World, engine: Docker) -> None:
    train(world, ResourceConfig=resources(2), **ALGORITHM)
    runs = [words for words, _ in engine.calls()]
    assert len({words[3] for words in runs}) == 2
    for words in runs:
        assert [words[n + 1] for n, word in enumerate(words) if word == "--add-host"] == [
            "algo-1:127.0.0.1",
            "algo-2:127.0.0.2",
        ]


def test_the_exit_code_of_the_container_is_the_jobs(world: World, engine: Docker) -> None:
    assert engine.folder
    assert train(world, Environment={"CODE": "7"}, **ALGORITHM)["FailureReason"].endswith("exit code: 7")


def test_a_processing_job_without_an_entry_point_has_its_images(world: World, engine: Docker) -> None:
    outputs: dict[str, Any] = {
        "Outputs": [
            {
                "OutputName": "out",
                "S3Output": {
                    "S3Uri": "s3://out/p",
                    "LocalPath": "/opt/ml/processing/out",
                    "S3UploadMode": "EndOfJob",
                },
            }
        ]
    }
    application = {"ImageUri": IMAGE, "ContainerArguments": ["--x"]}
    job = process(world, AppSpecification=application, ProcessingOutputConfig=outputs)
    assert job["ProcessingJobStatus"] == "Completed", job
    assert engine.calls()[0][0][-2:] == [IMAGE, "--x"]
    assert world.cloud.s3.text("s3://out/p/made") == "by docker"


def test_a_stop_removes_the_container_that_does_not_end(world: World, engine: Docker) -> None:
    start_training(world, "job", Environment={"GIVEN": "hang"}, **ALGORITHM)
    world.cloud.await_line(f"image {IMAGE} told hang")
    world.client.stop_training_job(TrainingJobName="job")
    assert await_training(world, "job")["TrainingJobStatus"] == "Stopped"
    assert [call[0][:2] for call in engine.calls("rm")] == [["rm", "--force"]]


def test_a_serving_container_has_a_port_of_this_machine_only(world: World, engine: Docker) -> None:
    world.client.create_model(ModelName="m", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
    world.cloud.s3.put("s3://in/data/a", "echo")
    job = transform(world, TransformInput=transform_input("s3://in/data/"))
    assert job["TransformJobStatus"] == "Completed", job
    assert world.cloud.s3.text("s3://out/t/a.out") == "echo"
    words, environment = engine.calls()[0]
    published = words[words.index("--publish") + 1]
    assert published.startswith("127.0.0.1:")
    assert published.endswith(":8080")
    assert environment["SAGEMAKER_BIND_TO_PORT"] == "8080"
    assert "--network" not in words
    assert words[-2:] == [IMAGE, "serve"]
    # The end of the server's process does not end what the engine runs; this does.
    assert [call[0] for call in engine.calls("rm")] == [["rm", "--force", words[3]]]


def test_an_engine_that_does_not_answer_is_an_error_at_the_start(engine: Docker) -> None:
    (engine.folder / "engine").write_text("Cannot connect to the Docker daemon")
    with pytest.raises(IsolationError, match="no engine answers: Cannot connect to the Docker daemon"):
        probe("docker")


def test_without_the_client_the_error_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(IsolationError, match="docker cannot be used"):
        docker.check()
