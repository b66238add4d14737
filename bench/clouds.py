"""The clouds that are measured, each a process of its own: ours, and its peers as they are shipped."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from bench.measure import ROOT, folder
from bench.programs import peers_python
from local.clients import LocalClients
from local.settings import free_port

UPLOADS, ARTIFACTS = (f"headrace-dev-{name}-000000000000-us-east-1" for name in ("uploads", "artifacts"))
"""The buckets of our stack."""

_BOOT_SECONDS = 240.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Cloud:
    """One that answers."""

    endpoint: str
    pid: int
    _clients: LocalClients

    def client(self, service: str) -> Any:
        return self._clients.client(service)

    def items(self, table: str) -> list[dict[str, Any]]:
        """Everything in a table of our stack (`jobs`)."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=f"headrace-dev-{table}")
        return [item for page in pages for item in page["Items"]]


@contextlib.contextmanager
def headrace(state_dir: Path | None = None) -> Iterator[Cloud]:
    """`headrace up` on a free port; without a state directory with an empty one."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        place = state_dir if state_dir is not None else Path(stack.enter_context(folder()))
        command = [str(Path(sys.executable).parent / "headrace"), "up", "--port", str(port), "--state-dir", str(place)]
        yield stack.enter_context(_process(command, {}, port, "/_headrace/health"))


@contextlib.contextmanager
def ministack(*, sleeps: bool = True) -> Iterator[Cloud]:
    """MiniStack alone, nothing of it changed; or without its two fixed sleeps."""
    port = free_port()
    with tempfile.TemporaryDirectory() as place:
        settings = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "ERROR",
            "TMPDIR": place,
        }
        module = "ministack" if sleeps else "bench.programs.ministack_awake"
        with _process([sys.executable, "-m", module], settings, port, "/_ministack/health") as cloud:
            yield cloud


@contextlib.contextmanager
def moto() -> Iterator[Cloud]:
    """moto's server, told to run state machines and not only to keep them."""
    port = free_port()
    with _process([peers_python(), "-m", "moto.server", "-p", str(port)], {}, port, "/moto-api/") as cloud:
        config = {"stepfunctions": {"execute_state_machine": True}}
        urllib3.PoolManager().request("POST", f"{cloud.endpoint}/moto-api/config", json=config, timeout=5)
        yield cloud


@contextlib.contextmanager
def nothing() -> Iterator[Cloud]:
    """A server that answers every request with the same few bytes: what the client alone can do."""
    port = free_port()
    with _process([sys.executable, "-m", "bench.programs.nothing", str(port)], {}, port, "/") as cloud:
        yield cloud


@contextlib.contextmanager
def _process(command: Sequence[str], settings: Mapping[str, str], port: int, health: str) -> Iterator[Cloud]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | dict(settings)
    endpoint = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(process, endpoint + health)
        yield Cloud(endpoint, process.pid, LocalClients(endpoint))
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: "subprocess.Popen[bytes]", url: str) -> None:
    http = urllib3.PoolManager(timeout=5, retries=False)
    deadline = time.monotonic() + _BOOT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            if http.request("GET", url).status == 200:
                return
        time.sleep(0.05)
    said = "does not answer" if process.poll() is None else f"ended with code {process.returncode}"
    raise RuntimeError(f"what should answer at {url} {said}")
