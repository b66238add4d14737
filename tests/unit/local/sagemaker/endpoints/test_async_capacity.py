"""An asynchronous endpoint's backlog waits for instances, survives a kill, and its messages carry what was asked."""

import base64
import copy
import io
import signal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.local.sagemaker.cloud import WAIT_SECONDS
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.endpoints.serving import configure, create, serving_image, settled
from tests.unit.local.sagemaker.endpoints.test_async import CONFIG, ERROR, SUCCESS, ask, message, serve
from tests.unit.local.sagemaker.killed import cloud, line


def scaled(world: World, count: int) -> dict[str, Any]:
    seen = len(world.cloud.events)
    wanted = [{"VariantName": "main", "DesiredInstanceCount": count}]
    world.client.update_endpoint_weights_and_capacities(EndpointName="face", DesiredWeightsAndCapacities=wanted)
    return settled(world, since=seen)


def test_requests_wait_while_there_is_no_instance(world: World) -> None:
    serve(world)
    found = scaled(world, 0)
    assert (found["EndpointStatus"], found["ProductionVariants"][0]["CurrentInstanceCount"]) == ("InService", 0)
    answers = [ask(world, b"later", f"job-{number}") for number in range(3)]
    world.stop()
    world.start()
    assert world.cloud.messages == []
    assert world.client.describe_endpoint(EndpointName="face")["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    assert scaled(world, 1)["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    for number, answer in enumerate(answers):
        assert message(world, f"job-{number}")[0] == SUCCESS
        assert world.cloud.s3.text(answer["OutputLocation"]) == "face:later"
    world.stop()
    without = [
        metric["StatisticValues"]["Maximum"]
        for metric in world.cloud.cloudwatch.metrics
        if metric["MetricName"] == "HasBacklogWithoutCapacity"
    ]
    assert max(without) == 1


def including(*topics: str, path: bool = True) -> dict[str, Any]:
    config: dict[str, Any] = copy.deepcopy(CONFIG)
    config["OutputConfig"]["NotificationConfig"]["IncludeInferenceResponseIn"] = list(topics)
    if not path:
        del config["OutputConfig"]["S3OutputPath"]
    return config


def served(world: World, config: dict[str, Any]) -> None:
    serving_image(world)
    configure(world, "async", "face", config)
    create(world, "async")


def content(told: dict[str, Any]) -> bytes:
    body = told["responseBody"]
    assert body["encoding"] == "BASE64"
    return base64.b64decode(body["content"])


def test_a_message_carries_the_response_when_it_is_to(world: World) -> None:
    served(world, including("SUCCESS_NOTIFICATION_TOPIC", "ERROR_NOTIFICATION_TOPIC"))
    ask(world, b"x", "job-1")
    assert content(message(world, "job-1")[1]) == b"face:x"
    ask(world, b"bad", "job-2")
    topic, told = message(world, "job-2")
    assert (topic, content(told)) == (ERROR, b"No face found in the photo")
    ask(world, b"x" * 128_001, "job-3")
    assert content(message(world, "job-3")[1]) == b""


def test_a_response_that_goes_only_into_the_message_has_no_location(world: World) -> None:
    served(world, including("SUCCESS_NOTIFICATION_TOPIC", path=False))
    answer = ask(world, b"x")
    assert "OutputLocation" not in answer
    told = message(world)[1]
    assert content(told) == b"face:x"
    assert told["responseParameters"] == {"contentType": "text/csv"}


def test_an_output_that_goes_nowhere_is_refused(world: World) -> None:
    serving_image(world)
    with pytest.raises(ClientError, match="OutputConfig needs an S3OutputPath"):
        configure(world, "async", "face", including("ERROR_NOTIFICATION_TOPIC", path=False))


def test_a_small_request_may_be_in_the_call_itself(world: World) -> None:
    serve(world)
    answer = world.runtime.invoke_endpoint_async(EndpointName="face", Body=b"inline", InferenceId="job-1")
    told = message(world)[1]
    assert "inputLocation" not in told["requestParameters"]
    assert world.cloud.s3.text(answer["OutputLocation"]) == "face:inline"
    with pytest.raises(ClientError, match="either an InputLocation or a Body"):
        world.runtime.invoke_endpoint_async(EndpointName="face")


def test_a_request_that_waited_too_long_is_expired(world: World) -> None:
    serve(world)
    scaled(world, 0)
    answer = ask(world, b"x", RequestTTLSeconds=60)
    started = world.service._running if world.service else None
    assert started is not None
    for name, stored in started.machine.store.items("inference-request"):
        started.machine.store.put("inference-request", name, {**stored, "ReceivedTime": stored["ReceivedTime"] - 61})
    world.stop()
    world.start()
    scaled(world, 1)
    topic, told = message(world)
    assert topic == ERROR
    assert "expired: it was not started within 60 seconds" in told["failureReason"]
    assert "expired" in world.cloud.s3.text(answer["FailureLocation"])


def test_a_container_that_takes_longer_than_the_timeout_is_a_failure(world: World) -> None:
    serve(world)
    ask(world, b"hang", InvocationTimeoutSeconds=1)
    topic, told = message(world)
    assert topic == ERROR
    assert "Your invocation timed out while waiting for a response from container primary" in told["failureReason"]


def test_a_large_input_is_streamed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(world)
    size, reads = 20 << 20, []

    class Body(io.BytesIO):
        def read(self, wanted: int | None = -1) -> bytes:
            reads.append(wanted)
            return super().read(wanted)

    get_object = world.cloud.s3.get_object

    def get(**given: str) -> dict[str, Any]:
        return {**get_object(**given), "Body": Body(world.cloud.s3.objects[given["Bucket"], given["Key"]])}

    monkeypatch.setattr(world.cloud.s3, "get_object", get)
    answer = ask(world, b"x" * size)
    assert message(world)[0] == SUCCESS
    assert len(world.cloud.s3.content(answer["OutputLocation"])) == size + len("face:")
    assert max(wanted or 0 for wanted in reads) <= 1 << 20


KILLED = """
import json, sys, threading
from pathlib import Path
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.endpoints.test_async import ask, message, serve
world = World(Path(sys.argv[1]), Path(sys.argv[2]))
if sys.argv[3] == "first":
    serve(world)
    answer = ask(world, b"hang", "job-1")
    world.cloud.await_line("hanging")
    print(json.dumps(answer["OutputLocation"]), flush=True)
    threading.Event().wait()
from tests.unit.local.sagemaker.endpoints.serving import serving_image
serving_image(world)
world.cloud.s3.put("s3://in/photo.jpg", b"hang")
world.start()
topic, told = message(world)
print(json.dumps([topic, told["responseParameters"]["outputLocation"]]), flush=True)
world.stop()
"""


def test_a_request_that_was_at_its_container_survives_a_kill(world: World) -> None:
    with cloud(world, KILLED, "first") as first:
        try:
            location = line(first)
        finally:
            first.send_signal(signal.SIGKILL)
    with cloud(world, KILLED, "second") as second:
        assert line(second) == [SUCCESS, location]
        assert second.wait(WAIT_SECONDS) == 0
