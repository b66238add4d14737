"""Answers that come part by part, as event streams that boto3 reads."""

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
import uvicorn
from botocore.config import Config
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError

from local.front.app import Behind, front
from local.sagemaker.endpoints.streaming import frame
from local.settings import free_port
from tests.unit.local.sagemaker.conftest import World
from tests.unit.local.sagemaker.endpoints.serving import configure, create, serving_image


class Listening(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@contextmanager
def port_of(world: World) -> Iterator[Any]:
    """A boto3 client of the runtime that speaks to the port of the local cloud."""
    service = world.service or world.start()
    port = free_port()

    async def behind(*asked: Any) -> None:
        raise AssertionError(asked)

    app = front(Behind(behind, dict, lambda: None, {b"SageMaker": service.handle}, service.serve))
    server = Listening(uvicorn.Config(app, port=port, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.listens.wait(20)
        make: Any = boto3.client
        client = make(
            "sagemaker-runtime",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
        )
        yield client
        client.close()
    finally:
        server.should_exit = True
        thread.join()


def stream(client: Any, body: bytes, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.invoke_endpoint_with_response_stream(EndpointName="face", Body=body, **more)
    return answer


def parts(answer: dict[str, Any]) -> Iterator[bytes]:
    for event in answer["Body"]:
        yield event["PayloadPart"]["Bytes"]


@pytest.fixture
def served(world: World) -> World:
    serving_image(world)
    configure(world, "one", "one")
    create(world, "one")
    return world


def test_each_part_comes_when_the_container_has_sent_it(served: World) -> None:
    with port_of(served) as client:
        answer = stream(client, b"stream-held", CustomAttributes="trace")
        assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/plain", "main")
        coming = parts(answer)
        # The container goes on only now that its first part is here.
        assert next(coming) == b"one"
        (go,) = (served.root / "state" / "endpoints" / "face").glob("*/main/home")
        (go / "go").touch()
        assert b"".join(coming) == b"twothree"
        assert client.invoke_endpoint(EndpointName="face", Body=b"x")["Body"].read() == b"one:x"
        big = b"x" * (10 << 20)
        assert client.invoke_endpoint(EndpointName="face", Body=big)["Body"].read() == b"one:" + big


def test_a_caller_that_leaves_ends_the_stream(served: World) -> None:
    with port_of(served) as client:
        answer = stream(client, b"stream-held")
        assert next(parts(answer)) == b"one"
        answer["Body"].close()
        started = served.service._running if served.service else None
        hosted = started.endpoints.live("face", 1) if started else None
        assert hosted is not None
        assert hosted.fleet is not None
        (instance,) = hosted.fleet.variants[0].instances
        with instance._changed:
            assert instance._changed.wait_for(lambda: instance.busy == 0, 20)


def test_an_error_before_the_first_part_is_a_model_error(served: World) -> None:
    with pytest.raises(ClientError, match="No face found") as caught:
        stream(served.runtime, b"bad")
    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert caught.value.response["OriginalStatusCode"] == 400  # type: ignore[typeddict-item]


def test_an_answer_that_breaks_off_ends_with_a_stream_error(served: World) -> None:
    coming = parts(stream(served.runtime, b"stream-cut"))
    got: list[bytes] = []
    with pytest.raises(EventStreamError, match="ModelStreamError") as caught:
        got.extend(coming)
    assert "closed before the response could be completed" in str(caught.value)


def test_an_answer_that_takes_too_long_ends_with_a_stream_error(world: World) -> None:
    world.hosting = dataclasses.replace(world.hosting, stream_seconds=0.5)
    serving_image(world)
    configure(world, "one", "one")
    create(world, "one")
    with pytest.raises(EventStreamError, match="did not complete sending the inference response in the allotted time"):
        list(parts(stream(world.runtime, b"stream-late")))


def test_an_unknown_endpoint_has_no_stream(world: World) -> None:
    with pytest.raises(ClientError, match=r"Endpoint face of account 000000000000 not found\."):
        stream(world.runtime, b"x")


@pytest.mark.parametrize("payload", [b"", b"\0\xff", b"x" * 100_000])
def test_a_frame_is_what_botocore_reads(payload: bytes) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(
        frame({":message-type": "event", ":event-type": "PayloadPart"}, "application/octet-stream", payload)
    )
    event: Any = next(iter(buffer))
    assert event.payload == payload
    assert event.headers[":event-type"] == "PayloadPart"
