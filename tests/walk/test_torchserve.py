"""From a TorchScript file to predictions: a real archive in a real TorchServe, started as the image starts it.

Needs Java and a torch for the CPU; where the machine has none, the reason stands beside the skip.
"""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3

from cli.project.checkout import find_project
from local.sagemaker.machine import package_index
from local.sagemaker.machine.environments import Environments
from local.settings import free_port
from tests.walk.cloud import HEADRACE, ROOT

pytestmark = [pytest.mark.xdist_group("torchserve"), pytest.mark.timeout(600)]

SERVED = ROOT / "cicd" / "torchserve"
REQUIREMENTS = Path(__file__).with_name("torchserve.requirements.txt")
JSON = {"Content-Type": "application/json"}

# Each row answers [the sum of its numbers, how many rows came with it, a number looked up]; a first number outside of
# 0..99 is an error of the row that only the model finds.
MODEL = """
import sys, torch

class Sums(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.arange(100.0) * 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = torch.full((x.shape[0],), float(x.shape[0]))
        return torch.stack([x.sum(1), rows, self.table[x[:, 0].long()]], 1)

torch.jit.script(Sums()).save(sys.argv[1])
"""
CONFIG = (
    "{minWorkers: 1, maxWorkers: 1, batchSize: 8, maxBatchDelay: 300, handler: {dtype: float32, max_elements: 1000}}"
)


def _hindrance() -> str | None:
    """Why TorchServe cannot run here."""
    if shutil.which("java") is None:
        return "TorchServe needs Java, and there is no `java` on PATH"
    if sys.platform == "darwin":
        return None
    wanted = next(line for line in REQUIREMENTS.read_text().splitlines() if line.startswith("torch==")).partition("==")[
        2
    ]
    told = package_index.settings()
    folders = [Path(place.removeprefix("file://")) for place in told.get("find-links", "").split()]
    wheel = f"torch-{wanted}+cpu-cp{sys.version_info.major}{sys.version_info.minor}-*.whl"
    indexes = f"{told.get('index-url', '')} {told.get('extra-index-url', '')}".split()
    if any(any(folder.glob(wheel)) for folder in folders) or any(url.rstrip("/").endswith("/cpu") for url in indexes):
        return None
    return (
        f"torch {wanted} would come with CUDA (gigabytes): pip's find-links or index has no build for the CPU ({wheel})"
    )


@dataclass(frozen=True, slots=True)
class Server:
    """A running TorchServe with one model, `sums`."""

    inference: str
    management: str
    metrics: str
    http: urllib3.PoolManager
    process: "subprocess.Popen[bytes]"
    folder: Path

    def post(self, body: bytes, headers: Mapping[str, str] = JSON, path: str = "/predictions/sums") -> tuple[int, Any]:
        answer = self.http.request("POST", self.inference + path, body=body, headers=headers, retries=False)
        return answer.status, json.loads(answer.data)

    def post_all(self, bodies: list[bytes]) -> list[tuple[int, Any]]:
        """All at once; the answers in the order of the bodies."""
        with ThreadPoolExecutor(len(bodies)) as threads:
            return list(threads.map(self.post, bodies))


def numbers(*values: float) -> bytes:
    return json.dumps({"input_data": values}).encode()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if (reason := _hindrance()) is not None:
        pytest.skip(reason)
    # A short path: sockets stand in it, and their names have 108 bytes at most.
    with tempfile.TemporaryDirectory(prefix="ts-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        yield from _serve(folder, _environment(folder))


def _environment(folder: Path) -> Path:
    """The `bin` of an environment with torch and TorchServe, kept with those of the local cloud's images."""
    cache = find_project(ROOT).cache_dir
    (folder / "image").mkdir()
    shutil.copy(REQUIREMENTS, folder / "image" / "requirements.txt")
    return Environments(cache, {"torchserve": folder / "image"}).ensure("torchserve").python.parent


def _serve(folder: Path, bin_folder: Path) -> Iterator[Server]:
    for name in ("store", "tmp", "home"):
        (folder / name).mkdir()
    _archive(folder, bin_folder / "python")
    ports = {name: free_port() for name in ("8080", "8081", "8082", "grpc_inference", "grpc_management")}
    settings = (SERVED / "config.properties").read_text().replace("0.0.0.0", "127.0.0.1")
    for port in ("8080", "8081", "8082"):
        settings = settings.replace(f":{port}", f":{ports[port]}")
    settings += f"grpc_inference_port={ports['grpc_inference']}\ngrpc_management_port={ports['grpc_management']}\n"
    (folder / "config.properties").write_text(settings)
    environment = {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "MODEL_NAME": "sums",
        "MODEL_STORE": str(folder / "store"),
        "TS_CONFIG_FILE": str(folder / "config.properties"),
        **dict.fromkeys(("TEMP", "TMPDIR"), str(folder / "tmp")),
        **dict.fromkeys(("LOG_LOCATION", "METRICS_LOCATION"), str(folder / "tmp" / "logs")),
    }
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [str(SERVED / "entrypoint.sh"), "serve"], cwd=folder / "home", env=environment, stdout=said, stderr=said
        )
    inference, management, metrics = (f"http://127.0.0.1:{ports[port]}" for port in ("8080", "8081", "8082"))
    # It is up in two seconds; the first answers wait for the model.
    waiting = urllib3.Retry(
        total=None, connect=480, status=480, status_forcelist=(500,), backoff_factor=0.1, backoff_max=0.5
    )
    http = urllib3.PoolManager(maxsize=64, timeout=60)
    server = Server(inference, management, metrics, http, process, folder)
    try:
        server.http.request("GET", f"{server.inference}/ping", retries=waiting)
        yield server
    finally:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
        process.wait()


def _archive(folder: Path, python: Path) -> None:
    model = folder / "model.pt"
    # A file: TorchScript reads the source of what it compiles. -W: torch misses NumPy, which nothing here needs.
    (folder / "model.py").write_text(MODEL)
    subprocess.run([str(python), "-W", "ignore", str(folder / "model.py"), str(model)], check=True)
    (folder / "model-config.yaml").write_text(CONFIG)
    words = ["--model", str(model), "--name", "sums", "--config", str(folder / "model-config.yaml")]
    words += ["--output", str(folder / "store")]
    subprocess.run([str(HEADRACE), "torchserve", "archive", *words], cwd=ROOT, check=True, capture_output=True)


def test_requests_that_come_together_are_answered_together_each_its_own(server: Server) -> None:
    answers = server.post_all([numbers(number, 0.5) for number in range(32)])
    assert [status for status, _ in answers] == [200] * 32
    assert [(total, looked_up) for _, (total, _, looked_up) in answers] == [(n + 0.5, n * 10) for n in range(32)]
    assert max(rows for _, (_, rows, _) in answers) == 8


def test_what_is_wrong_with_one_request_is_told_to_that_one_alone(server: Server) -> None:
    wrong = [
        b"not json",
        b'{"input": [1]}',
        b'{"input_data": "text"}',
        b'{"input_data": [1, [2]]}',
        b'{"input_data": [NaN, 1]}',
        b'{"input_data": [1e999, 1]}',
        b'{"input_data": [1, 2], "dtype": "int3"}',
        b'{"input_data": []}',
        b"[" * 100_000,
        json.dumps({"input_data": [0] * 1001}).encode(),
    ]
    bodies = [body for pair in zip(wrong, map(numbers, range(10), range(10)), strict=True) for body in pair]
    answers = server.post_all(bodies)
    assert [status for status, _ in answers] == [400, 200] * len(wrong)
    assert all(set(answer) == {"error"} for _, answer in answers[::2])
    assert [total for _, (total, _, _) in answers[1::2]] == [number * 2.0 for number in range(10)]


def test_a_value_that_the_model_cannot_take_costs_the_others_nothing(server: Server) -> None:
    answers = server.post_all([numbers(500 if number == 3 else number) for number in range(8)])
    assert [status for status, _ in answers] == [200, 200, 200, 422, 200, 200, 200, 200]
    assert "the model does not take this input" in answers[3][1]["error"]
    assert [answer[0] for status, answer in answers if status == 200] == [0, 1, 2, 4, 5, 6, 7]


def test_shapes_that_differ_share_a_batch_and_no_forward_pass(server: Server) -> None:
    answers = server.post_all([numbers(*[1.0] * (1 + number % 3)) for number in range(6)])
    assert [(status, answer[0]) for status, answer in answers] == [(200, 1 + number % 3) for number in range(6)]
    assert {answer[1] for _, answer in answers} <= {1, 2}


def test_bytes_are_a_vector(server: Server) -> None:
    octets = {"Content-Type": "application/octet-stream"}
    status, (total, _, looked_up) = server.post(struct.pack("=3f", 7, 0.25, 0.5), octets)
    assert (status, total, looked_up) == (200, 7.75, 70)
    assert server.post(b"12345", octets)[0] == 400


def test_sagemaker_s_address_answers_without_the_model_s_name(server: Server) -> None:
    status, (total, _, _) = server.post(numbers(1, 2), path="/invocations")
    assert (status, total) == (200, 3)


def test_too_large_a_body_is_refused_before_it_is_read(server: Server) -> None:
    answer = server.http.request("POST", f"{server.inference}/invocations", body=bytes(6553601), retries=False)
    assert answer.status == 413


def test_no_request_changes_the_models_and_metrics_are_for_prometheus(server: Server) -> None:
    (model,) = server.http.request("GET", f"{server.management}/models/sums").json()
    assert (model["batchSize"], model["maxBatchDelay"]) == (8, 300)
    register = server.http.request("POST", f"{server.management}/models?url=http://127.0.0.1:9/x.mar", retries=False)
    remove = server.http.request("DELETE", f"{server.management}/models/sums", retries=False)
    assert (register.status, remove.status) == (405, 405)
    server.post(numbers(1))
    metrics = server.http.request("GET", f"{server.metrics}/metrics").data.decode()
    assert 'ts_inference_requests_total{model_name="sums"' in metrics


# The last of the file: it ends the server.
def test_a_stop_ends_every_process_and_writes_nothing_outside_of_the_temporary_folder(server: Server) -> None:
    assert server.post(numbers(1))[0] == 200
    started = psutil.Process(server.process.pid).children(recursive=True)
    assert len(started) >= 3
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=60) == 0, (server.folder / "said").read_text()[-2000:]
    _, alive = psutil.wait_procs(started, timeout=20)
    assert alive == []
    assert list((server.folder / "home").iterdir()) == []
