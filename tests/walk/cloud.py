"""A local cloud in a process of its own, and what a client does to it: boto3, HTTP, nothing of ours."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import urllib3

from local.clients import LocalClients
from local.settings import free_port

ROOT = Path(__file__).resolve().parents[2]
HEADRACE = Path(sys.executable).parent / "headrace"

# Bounds of a test, not waits: a healthy run takes a tenth of them.
T = TypeVar("T")

_BOOT_SECONDS = 240.0
_JOB_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running local cloud."""

    endpoint: str
    uploads: str
    artifacts: str
    clients: LocalClients
    http: urllib3.PoolManager
    process: "subprocess.Popen[str]"

    def put(self, key: str, body: bytes) -> None:
        """Upload an object, as `aws s3 cp` does."""
        self.clients.client("s3").put_object(Bucket=self.uploads, Key=key, Body=body)

    def request(self, method: str, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """An HTTP call to the API, redirects not followed."""
        return self.http.request(method, self.endpoint + path, redirect=False, **options)

    def get(self, path: str) -> Any:
        """The JSON of a GET that must answer 200."""
        answer = self.request("GET", path)
        assert answer.status == 200, (path, answer.status, answer.data)
        return json.loads(answer.data)

    def jobs_of(self, key: str) -> list[Mapping[str, Any]]:
        """The jobs of an uploaded object, newest first."""
        jobs: list[Mapping[str, Any]] = self.get("/v1/jobs?key=" + urllib.parse.quote(key, safe=""))["jobs"]
        return jobs

    def finished(self, key: str) -> Mapping[str, Any]:
        """The newest job of an uploaded object once it has ended."""

        def ended() -> Mapping[str, Any] | None:
            jobs = self.jobs_of(key)
            return jobs[0] if jobs and jobs[0]["status"] in ("SUCCESS", "FAILURE", "STOPPED") else None

        return until(ended, f"a finished job for {key}")

    def succeeded(self, key: str) -> Mapping[str, Any]:
        """The job of an uploaded object, which must end well."""
        job = self.finished(key)
        assert job["status"] == "SUCCESS", job["error"]
        return job

    def failed(self, key: str) -> str:
        """The reason for which the job of an uploaded object failed, which it must."""
        job = self.finished(key)
        assert job["status"] == "FAILURE", job
        message: str = job["error"]["message"]
        return message

    def executions(self, machine: str) -> list[Mapping[str, Any]]:
        """All executions of a state machine (`training`), described."""
        states = self.clients.client("stepfunctions")
        arn = next(
            entry["stateMachineArn"]
            for entry in states.list_state_machines()["stateMachines"]
            if entry["name"].endswith(f"-{machine}")
        )
        pages = states.get_paginator("list_executions").paginate(stateMachineArn=arn)
        return [
            states.describe_execution(executionArn=entry["executionArn"])
            for page in pages
            for entry in page["executions"]
        ]


def until(look: Callable[[], T | None], what: str, seconds: float = _JOB_SECONDS) -> T:
    """What `look` answers once it answers anything; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not seen within {seconds:.0f} s: {what}")


_PROJECT = ("algorithms", "functions", "state_machines", "template.yaml")


def copy_project(folder: Path, *algorithms: str) -> Path:
    """What a local cloud needs of this checkout, in a folder of its own, to be changed at will.

    `algorithms` are those of the catalogue that it has; all of them when none is named.
    """
    folder.mkdir(parents=True)
    for name in _PROJECT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    for algorithm in (folder / "algorithms").iterdir():
        if algorithms and algorithm.name not in algorithms:
            shutil.rmtree(algorithm)
    return folder


@contextmanager
def running_cloud(project: Path, state_dir: Path, *, ended_by: signal.Signals = signal.SIGINT) -> Iterator[Cloud]:
    """`headrace up` for a project on a free port; stopped with SIGINT, as Ctrl-C does, unless the test ends it so."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment.setdefault("HEADRACE_CACHE_DIR", str(ROOT / ".headrace" / "cache"))
    log = state_dir / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(HEADRACE), "up", "--port", str(port), "--state-dir", str(state_dir / "state")],
            cwd=project,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    endpoint, http = f"http://127.0.0.1:{port}", urllib3.PoolManager(timeout=60, retries=False)
    try:
        health = until(lambda: _health(http, endpoint, process, log), "a ready cloud", _BOOT_SECONDS)
        yield Cloud(
            endpoint, health["uploads_bucket"], health["artifacts_bucket"], LocalClients(endpoint), http, process
        )
    finally:
        process.send_signal(ended_by)
        try:
            assert process.wait(30) == (-signal.SIGKILL if ended_by is signal.SIGKILL else 0), log.read_text()
        finally:
            process.kill()
            http.clear()


def _health(
    http: urllib3.PoolManager, endpoint: str, process: "subprocess.Popen[str]", log: Path
) -> Mapping[str, Any] | None:
    assert process.poll() is None, f"headrace up ended with {process.returncode}:\n{log.read_text()}"
    try:
        answer = http.request("GET", f"{endpoint}/_headrace/health")
    except urllib3.exceptions.HTTPError:
        return None
    health: Mapping[str, Any] = json.loads(answer.data)
    return health if answer.status == 200 and health["status"] == "ready" else None
