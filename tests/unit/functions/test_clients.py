"""Clients written from the OpenAPI document work, as far as their makers are installed."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from functions import api
from tests.unit.functions.cloud import Cloud
from tests.unit.functions.gateway import gateway

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ROOT / ".venv-tools" / "bin"

PYTHON = """
import sys
from client import Client
from client.api.algorithms import get_algorithm
from client.api.jobs import get_job, list_jobs
from client.api.uploads import create_upload
from client.models import GatewayMessage, Job, ProblemBody, UploadRequest, UploadRequestKind

client = Client(base_url=sys.argv[1])
request = UploadRequest(kind=UploadRequestKind.FACE, filename="me.jpg")
upload = create_upload.sync(client=client, body=request)
job = get_job.sync(upload.job_id, client=client)
assert isinstance(job, Job) and (job.status, job.kind) == ("PENDING", "face"), job
assert [other.job_id for other in list_jobs.sync(client=client).jobs] == [upload.job_id]
unknown = get_job.sync("nobody", client=client)
assert isinstance(unknown, ProblemBody) and unknown.status == 404, unknown
algorithm = get_algorithm.sync("decision_trees", client=client)
assert algorithm.hyperparameters["max_depth"].default == 4, algorithm
"""

TYPESCRIPT = """
import type { components, paths } from "./api";
const job: Pick<components["schemas"]["Job"], "status" | "steps_done"> = { status: "SUCCESS", steps_done: 6 };
type Told = paths["/v1/jobs/{job_id}"]["get"]["responses"][200]["content"]["application/json"];
export const done = (told: Told): boolean => told.status === job.status;
"""


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Says nothing: pytest shows what the handler logs."""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    path.write_text(api.openapi_document())
    return path


@pytest.fixture
def address(cloud: Cloud) -> Iterator[str]:
    cloud.publish("decision_trees", hyperparameters={"max_depth": {"type": "integer", "default": 4}})
    cloud.publish_faces()
    with make_server("127.0.0.1", 0, gateway, handler_class=_Silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def run(folder: Path, *command: str | Path) -> None:
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


def test_a_python_client_can_be_written_and_works(document: Path, address: str) -> None:
    folder = document.parent
    (folder / "config.yaml").write_text("post_hooks: []\n")
    generate = ("generate", "--path", document, "--output-path", folder / "client", "--meta", "none")
    run(folder, TOOLS / "openapi-python-client", *generate, "--config", folder / "config.yaml", "--fail-on-warning")
    run(folder, TOOLS / "python", "-c", PYTHON, address)


def test_a_typescript_client_can_be_written_and_is_sound(document: Path) -> None:
    modules = ROOT / "node_modules" / ".bin"
    makers = [shutil.which(name, path=str(modules)) for name in ("openapi-typescript", "tsc")]
    if None in makers:
        pytest.skip("openapi-typescript and typescript are not in node_modules")
    write, check = (str(maker) for maker in makers)
    folder = document.parent
    run(folder, write, document, "-o", folder / "api.ts")
    (folder / "use.ts").write_text(TYPESCRIPT)
    run(folder, check, "--noEmit", "--strict", "--target", "es2022", "--module", "es2022", "use.ts")
