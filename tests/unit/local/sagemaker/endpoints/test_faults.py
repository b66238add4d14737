"""What can go wrong with an endpoint: each is told in bounded time, in the runtime's words, and goes over."""

import dataclasses
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.endpoints.serving import asked, configure, create, deleted, die, said, serving_image
from tests.unit.local.sagemaker.killed import cloud, line


def served(world: World) -> None:
    serving_image(world)
    configure(world, "one", "one")
    assert create(world, "one")["EndpointStatus"] == "InService"


def refused(world: World, body: bytes) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        asked(world, body)
    response: Any = caught.value.response
    return dict(response)


def test_a_ping_that_is_never_200_fails_the_endpoint(world: World) -> None:
    world.startup_seconds = 4.0
    ill = '#!/bin/sh\ntouch "$HOME/ill"\nexec python -u "$(dirname "$0")/serve.py"\n'
    serving_image(world, serve=ill)
    configure(world, "one")
    endpoint = create(world, "one")
    assert endpoint["EndpointStatus"] == "Failed"
    assert "/ping answered 500" in endpoint["FailureReason"]


def test_a_container_that_takes_too_long_is_a_model_error_in_time(world: World) -> None:
    world.hosting = dataclasses.replace(world.hosting, invocation_seconds=3.0)
    served(world)
    begun = time.monotonic()
    response = refused(world, b"hang")
    assert time.monotonic() - begun < 60
    assert response["Error"]["Code"] == "ModelError"
    assert response["OriginalStatusCode"] == 0
    assert response["OriginalMessage"].startswith(
        "Your invocation timed out while waiting for a response from container primary."
    )
    assert response["LogStreamArn"] == "arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/face"
    assert said(world) == "one:x"


def test_a_connection_that_is_reset_is_a_model_error(world: World) -> None:
    served(world)
    response = refused(world, b"reset")
    assert (response["Error"]["Code"], response["OriginalStatusCode"]) == ("ModelError", 0)
    assert response["Error"]["Message"].startswith(
        'Received server error (0) from primary with message "An error occurred while handling request as the model '
        'process exited.". See https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1'
        "#logEventViewer:group=/aws/sagemaker/Endpoints/face in account 000000000000"
    )
    assert said(world) == "one:x"


def test_requests_go_on_when_a_process_died_among_them(world: World) -> None:
    served(world)
    with ThreadPoolExecutor(4) as pool:
        first = [pool.submit(said, world) for _ in range(20)]
        die(world)
        later = [pool.submit(said, world, b"later") for _ in range(20)]
    assert {each.result() for each in first if each.exception() is None} == {"one:x"}
    # One that was sent to the dying process may be lost with it; those after it are not.
    assert [each.result() for each in later if each.exception() is None][-10:] == ["one:later"] * 10


def test_requests_that_run_are_answered_before_the_endpoint_is_deleted(world: World) -> None:
    served(world)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(said, world, b"slow")
        started = world.service._running if world.service else None
        hosted = started.endpoints.live("face", 1) if started else None
        assert hosted is not None
        assert hosted.fleet is not None
        (instance,) = hosted.fleet.variants[0].instances
        with instance._changed:
            assert instance._changed.wait_for(lambda: instance.busy == 1 or running.done(), 20)
        world.client.delete_endpoint(EndpointName="face")
        assert running.result() == "one:slow"
    assert deleted(world)[-1] == "DELETED"
    assert refused(world, b"x")["Error"]["Code"] == "ValidationError"


def test_a_body_beyond_the_limit_is_refused(world: World) -> None:
    served(world)
    response = refused(world, b"x" * ((25 << 20) + 1))
    assert response["Error"]["Code"] == "ValidationError"
    assert "less than or equal to 26214400" in response["Error"]["Message"]


@pytest.mark.parametrize("member", ["InferenceComponentName", "EnableExplanations", "PrefixAwareId"])
def test_what_is_not_run_here_is_refused(world: World, member: str) -> None:
    served(world)
    with pytest.raises(ClientError, match=f"{member}: .* is not run by this local SageMaker"):
        asked(world, b"x", **{member: "some"})


KILLED = """
import json, sys, threading
from pathlib import Path
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.endpoints.serving import configure, create, said, serving_image
world = World(Path(sys.argv[1]), Path(sys.argv[2]))
serving_image(world)
if sys.argv[3] == "first":
    configure(world, "one", "one")
    assert create(world, "one")["EndpointStatus"] == "InService"
world.start() if world.service is None else None
print(json.dumps([world.client.describe_endpoint(EndpointName="face")["EndpointStatus"], said(world)]), flush=True)
if sys.argv[3] == "first":
    threading.Event().wait()
world.stop()
"""


def test_an_endpoint_is_in_service_again_after_the_cloud_was_killed(world: World) -> None:
    with cloud(world, KILLED, "first") as first:
        try:
            assert line(first) == ["InService", "one:x"]
        finally:
            first.send_signal(signal.SIGKILL)
    with cloud(world, KILLED, "second") as second:
        assert line(second) == ["InService", "one:x"]
        assert second.wait(20) == 0


def test_a_stop_leaves_no_process_and_no_thread(world: World) -> None:
    served(world)
    said(world)
    started = world.service._running if world.service else None
    hosted = started.endpoints.live("face", 1) if started else None
    assert hosted is not None
    assert hosted.fleet is not None
    (instance,) = hosted.fleet.variants[0].instances
    (server,) = instance._servers.values()
    world.stop()
    assert server._process is not None
    assert server._process.exited.is_set()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("server-", "endpoint-"))]
