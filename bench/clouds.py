"""The clouds that are measured, each a process of its own: ours, and MiniStack as it is shipped."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import urllib3

from local.clients import LocalClients
from local.settings import free_port

_BOOT_SECONDS = 240.0
_ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def headrace() -> Iterator[LocalClients]:
    """`headrace up` on a free port with an empty state directory."""
    port = free_port()
    with tempfile.TemporaryDirectory() as state_dir:
        command = [str(Path(sys.executable).parent / "headrace"), "up", "--port", str(port), "--state-dir", state_dir]
        with _process(command, {}, f"http://127.0.0.1:{port}", "/_headrace/health") as clients:
            yield clients


@contextlib.contextmanager
def ministack() -> Iterator[LocalClients]:
    """MiniStack alone, nothing of it changed."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "ERROR",
            "TMPDIR": folder,
        }
        command = [sys.executable, "-m", "ministack"]
        with _process(command, settings, f"http://127.0.0.1:{port}", "/_ministack/health") as clients:
            yield clients


@contextlib.contextmanager
def _process(command: Sequence[str], settings: dict[str, str], endpoint: str, health: str) -> Iterator[LocalClients]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | settings
    process = subprocess.Popen(
        command, cwd=_ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(process, endpoint + health)
        yield LocalClients(endpoint)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def _wait_for(process: "subprocess.Popen[bytes]", url: str) -> None:
    http = urllib3.PoolManager(timeout=5, retries=False)
    deadline = time.monotonic() + _BOOT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            if http.request("GET", url).status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer")
