"""Models and endpoints of image `app`, and waiting for what becomes of them."""

from typing import Any

from local.sagemaker.events import ENDPOINT
from tests.unit.local.sagemaker.cloud import ROLE, image
from tests.unit.local.sagemaker.conftest import World

SERVE = """#!/bin/sh
exec python -u "$(dirname "$0")/serve.py"
"""

SERVER = """
import http.server, os, pathlib, time
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
    def do_GET(self):
        self.answer(200, b"")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
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
    client = world.client
    container = {"Image": image("app"), "Environment": {"NAME": name}}
    client.create_model(ModelName=config, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "main", "ModelName": config, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    more = {"AsyncInferenceConfig": asynchronous} if asynchronous else {}
    client.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant], **more)


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
