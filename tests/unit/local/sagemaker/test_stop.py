"""A stop is short whatever is in flight, says nothing on standard error, and loses nothing that was acknowledged."""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.machine import environments
from local.store import Store, StoreClosed
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.endpoints.serving import asked, configure, create, serving_image
from tests.unit.local.sagemaker.endpoints.test_async import SUCCESS, ask, message, serve
from tests.unit.local.sagemaker.jobs.requests import channel, start_training
from tests.unit.local.sagemaker.pipelines.definitions import create as create_pipeline
from tests.unit.local.sagemaker.pipelines.definitions import definition, ended, lambda_step
from tests.unit.local.sagemaker.pipelines.definitions import start as start_pipeline

SECONDS = 4.5
"""The grace of these clouds (1 s) and what a stop may take beyond it."""


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No traceback: neither logged nor of a thread that ended by an exception."""
    ended_badly: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda given: ended_badly.append(f"{given.thread}: {given.exc_value}"))
    yield
    assert ended_badly == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def timed_stop(world: World) -> None:
    begun = time.monotonic()
    world.stop()
    assert time.monotonic() - begun < SECONDS


def await_threads(prefix: str) -> None:
    for thread in threading.enumerate():
        if thread.name.startswith(prefix):
            thread.join(60)
            assert not thread.is_alive()


class Gate:
    """A call to the cloud that blocks until it is let go."""

    def __init__(self, does: Any) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self._does = does

    def __call__(self, *given: Any, **more: Any) -> Any:
        self.reached.set()
        assert self.open.wait(60)
        return self._does(*given, **more)


def test_everything_at_once(world: World) -> None:
    serve(world)
    stubborn = "#!/bin/sh\ntrap '' TERM\necho training\nwhile :; do sleep 600; done\n"
    world.image("app", train=stubborn)
    ask(world, b"hang")
    start_training(world, "job")
    function = Gate(lambda _: {})
    world.cloud.functions["fn:Slow"] = function
    create_pipeline(world, definition(lambda_step("Slow", {})))
    arn = start_pipeline(world)
    for line in ("hanging", "training"):
        world.cloud.await_line(line)
    assert function.reached.wait(60)
    timed_stop(world)
    function.open.set()
    await_threads("step-")
    world.start()
    assert message(world)[0] == SUCCESS
    assert ended(world, arn)["PipelineExecutionStatus"] == "Succeeded"
    job = world.client.describe_training_job(TrainingJobName="job")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert "the local cloud stopped while the job ran" in job["FailureReason"]


def test_a_job_that_is_still_downloading_is_left_to_the_next_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.image("app", train="#!/bin/sh\nexit 0\n")
    world.cloud.s3.put("s3://in/data/a", "1")
    download = Gate(world.cloud.s3.get_object)
    monkeypatch.setattr(world.cloud.s3, "get_object", download)
    start_training(world, "job", InputDataConfig=[channel("train", "s3://in/data/")])
    assert download.reached.wait(60)
    timed_stop(world)
    # It comes back to a closed store.
    download.open.set()
    await_threads("training-job-")
    job = world.client.describe_training_job(TrainingJobName="job")
    assert job["TrainingJobStatus"] == "Failed"
    assert "the local cloud stopped while the job ran" in job["FailureReason"]


def test_of_many_objects_none_is_begun_after_the_stop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.image("app", train="#!/bin/sh\nexit 0\n")
    for number in range(100):
        world.cloud.s3.put(f"s3://in/data/{number}", "1")
    begun: list[str] = []
    all_begun = threading.Event()
    get_object = world.cloud.s3.get_object

    def download(**given: str) -> Any:
        begun.append(given["Key"])
        if len(begun) == 8:
            all_begun.set()
        assert closing.wait(60)
        return get_object(**given)

    started = world.start()._running
    assert started is not None
    closing = started.machine.closing
    monkeypatch.setattr(world.cloud.s3, "get_object", download)
    start_training(world, "job", InputDataConfig=[channel("train", "s3://in/data/")])
    assert all_begun.wait(60)
    timed_stop(world)
    await_threads("training-job-")
    assert len(begun) == 8


def test_an_environment_that_is_being_built_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world.cache = tmp_path_factory.mktemp("empty")
    world.image("app", train="#!/bin/sh\nexit 0\n")
    builder = tmp_path_factory.mktemp("python") / "python"
    builder.write_text("#!/bin/sh\necho building\nexec sleep 600\n")
    builder.chmod(0o755)
    world.start()
    with monkeypatch.context() as patched:
        patched.setattr(environments.sys, "executable", str(builder))  # type: ignore[attr-defined]
        start_training(world, "job")
        world.cloud.await_line("building")
    begun = time.monotonic()
    world.stop()
    assert time.monotonic() - begun < 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("training-job-")]
    job = world.client.describe_training_job(TrainingJobName="job")
    assert "the local cloud stopped while the job ran" in job["FailureReason"]


def test_an_upload_that_the_interpreter_refuses_leaves_the_request_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    serve(world)
    upload = Gate(refuse)
    with monkeypatch.context() as patched:
        patched.setattr(world.cloud.s3, "put_object", upload)
        answer = ask(world, b"later")
        assert upload.reached.wait(60)
        timed_stop(world)
        upload.open.set()
        await_threads("async-")
    assert world.cloud.messages == []
    world.start()
    assert message(world)[0] == SUCCESS
    assert world.cloud.s3.text(answer["OutputLocation"]) == "face:later"


def test_an_endpoint_that_is_draining_does_not_hold_the_stop(world: World) -> None:
    serving_image(world)
    configure(world, "one")
    create(world, "one")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(asked, world, b"hang")
        world.cloud.await_line("hanging")
        world.client.delete_endpoint(EndpointName="face")
        timed_stop(world)
        with pytest.raises(ClientError, match="ModelError"):
            held.result()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("server-", "endpoint-"))]


def test_what_is_asked_for_during_the_stop_is_for_the_next_start(world: World) -> None:
    world.image("app", train="#!/bin/sh\nexit 0\n")
    world.cloud.functions["fn:A"] = lambda _: {}
    create_pipeline(world, definition(lambda_step("A", {})))
    started = world.service._running if world.service else None
    assert started is not None
    started.executions.stop_all()
    started.jobs.stop_all()
    arn = start_pipeline(world)
    start_training(world, "job")
    timed_stop(world)
    assert world.cloud.logs.all_lines() == []
    job = world.client.describe_training_job(TrainingJobName="job")
    assert "the local cloud stopped while the job ran" in job["FailureReason"]
    assert ended(world, arn)["PipelineExecutionStatus"] == "Succeeded"


def test_a_request_in_flight_is_answered_when_the_store_is_closed(world: World) -> None:
    service = world.start()
    started = service._running
    assert started is not None
    started.machine.store.close()
    with pytest.raises(ClientError, match="is not running"):
        world.client.list_models()


def test_a_closed_store_says_that_it_is_closed(tmp_path: Any) -> None:
    store = Store(tmp_path / "db")
    store.close()
    for use in (lambda: store.get("k", "n"), lambda: store.put("k", "n", {}), lambda: store.items("k")):
        with pytest.raises(StoreClosed):
            use()
