"""Models and endpoints of image `app`, and waiting for what becomes of them."""

import contextlib
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.machine.events import ENDPOINT
from tests.unit.local.sagemaker.cloud import ROLE, image
from tests.unit.local.sagemaker.conftest import World

SERVE = """#!/bin/sh
exec python -u "$(dirname "$0")/serve.py"
"""

SERVER = """
import http.server, json, os, pathlib, time
loaded = {}
ME = os.urandom(6).hex().encode()
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    def answer(self, status, body, kind="text/csv"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        attributes = "X-Amzn-SageMaker-Custom-Attributes"
        self.send_header(attributes, self.headers.get(attributes, ""))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
    def cut(self):
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"half")
        self.wfile.flush()
        self.close_connection = True
    def stream(self, ending):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        go = pathlib.Path.home() / "go"
        for part in (b"one", b"two", b"three"):
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(part), part))
            self.wfile.flush()
            while ending == b"held" and part == b"one" and not go.exists():
                time.sleep(0.005)
        if ending == b"late":
            time.sleep(600)
        if ending != b"cut":
            self.wfile.write(b"0\\r\\n\\r\\n")
        self.close_connection = ending == b"cut"
    def load(self, asked):
        if os.environ.get("ROOM") and len(loaded) >= int(os.environ["ROOM"]):
            return self.answer(507, b"full")
        loaded[asked["model_name"]] = pathlib.Path(asked["url"], "name").read_bytes()
        print("load", loaded[asked["model_name"]].decode(), flush=True)
        self.answer(200, b"")
    def do_DELETE(self):
        print("unload", loaded.pop(self.path.split("/")[2]).decode(), flush=True)
        self.answer(200, b"")
    def do_GET(self):
        ill = pathlib.Path.home() / "ill"
        self.answer(500 if ill.exists() else 200, b"")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/models":
            return self.load(json.loads(body))
        if self.path.startswith("/models/"):
            return self.answer(200, loaded[self.path.split("/")[2]] + b":" + body)
        if body.startswith(b"stream-"):
            return self.stream(body[7:])
        if body == b"who":
            return self.answer(200, ME)
        if body == b"reset":
            self.connection.shutdown(2)
            self.close_connection = True
            return
        if body == b"slow":
            time.sleep(float(os.environ.get("SLOW", "0.3")))
        if body == b"session":
            asked = self.headers.get("X-Amzn-SageMaker-Session-Id")
            self.send_response(200)
            if asked == "NEW_SESSION":
                self.send_header("X-Amzn-SageMaker-New-Session-Id", "s1; Expires=2030-01-01T00:00:00Z")
            self.send_header("Content-Length", str(len(ME)))
            self.end_headers()
            self.wfile.write(ME)
            return self.wfile.flush()
        if body == b"die":
            os._exit(7)
        if body == b"cut":
            return self.cut()
        if body == b"hang" and not (mark := pathlib.Path.home() / "again").exists():
            mark.touch()
            self.cut()
            print("hanging", flush=True)
            time.sleep(600)
        if body == b"bad":
            return self.answer(400, b"No face found in the photo")
        if body == b"broken":
            return self.answer(500, b"internal")
        self.answer(200, os.environ.get("NAME", "?").encode() + b":" + body, self.headers.get("Accept", "text/csv"))
    def log_message(self, *a):
        pass
address = os.environ["SAGEMAKER_BIND_TO_HOST"], int(os.environ["SAGEMAKER_BIND_TO_PORT"])
print("listening", *address, flush=True)
http.server.ThreadingHTTPServer(address, H).serve_forever()
"""


def serving_image(world: World, serve: str = SERVE) -> None:
    world.image("app", serve=serve, **{"serve.py": SERVER})


def configure(world: World, config: str, name: str = "?", asynchronous: dict[str, Any] | None = None) -> None:
    """A model and an endpoint configuration, both named `config`; its answers start with `name`."""
    model(world, config, name)
    more = {"AsyncInferenceConfig": asynchronous} if asynchronous else {}
    world.client.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant(config)], **more)


def model(world: World, name: str, says: str = "?", **environment: str) -> None:
    """A model whose answers start with `says`."""
    container = {"Image": image("app"), "Environment": {"NAME": says, **environment}}
    world.client.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)


def variant(model: str, name: str = "main", count: int = 1, **more: Any) -> dict[str, Any]:
    """A production variant."""
    return {
        "VariantName": name,
        "ModelName": model,
        "InitialInstanceCount": count,
        "InstanceType": "ml.m5.large",
        **more,
    }


def kill_for_good(world: World) -> None:
    """Kill the serve process as often as it is started again."""
    for _ in range(3):
        die(world)
        # One that is asked while the process is dying gets no answer either.
        while True:
            with contextlib.suppress(ClientError):
                asked(world, b"x")
                break
    die(world)


def die(world: World) -> None:
    with pytest.raises(ClientError, match="the model process exited"):
        asked(world, b"die")


def said(world: World, body: bytes = b"x", **more: Any) -> str:
    """What the endpoint answers."""
    content: bytes = asked(world, body, **more)["Body"].read()
    return content.decode()


def create(world: World, config: str, endpoint: str = "face") -> dict[str, Any]:
    world.client.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    return settled(world, endpoint)


def deleted(world: World, endpoint: str = "face") -> list[str]:
    """The statuses that events gave the endpoint, once it is gone."""
    world.cloud.await_event(
        lambda event: (
            event.detail_type == ENDPOINT
            and event.detail["EndpointName"] == endpoint
            and event.detail["EndpointStatus"] == "DELETED"
        )
    )
    return [event.detail["EndpointStatus"] for event in world.cloud.events if event.detail_type == ENDPOINT]


def settled(world: World, endpoint: str = "face", since: int = 0) -> dict[str, Any]:
    """The endpoint's description at its first rest after `since` events."""
    world.cloud.await_event(
        lambda event: (
            event in world.cloud.events[since:]
            and event.detail_type == ENDPOINT
            and event.detail["EndpointName"] == endpoint
            and event.detail["EndpointStatus"] in ("IN_SERVICE", "FAILED")
        )
    )
    answer: dict[str, Any] = world.client.describe_endpoint(EndpointName=endpoint)
    return answer


def asked(world: World, body: bytes, endpoint: str = "face", **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = world.runtime.invoke_endpoint(EndpointName=endpoint, Body=body, **more)
    return answer
