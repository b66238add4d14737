"""A function finds of the machine what docs/security.md lists, and no more."""

import inspect
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local.ministack.functions.walls import Standing, Subprocess, Walled
from local.ministack.functions.worker import Invocation, Worker
from local.walls.boundary import Boundary
from local.walls.probing import strongest, weakest
from tests.unit.local.walls.listed import SOURCE, check, written

Look = Callable[[Boundary], Any]


@pytest.fixture
def walls() -> Boundary:
    if not strongest().readonly:
        pytest.skip("the kernel does not keep a process from writing")
    return strongest()


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Look]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    workers: list[Worker] = []

    def census(boundary: Boundary) -> Any:
        monkeypatch.setattr(Standing, "boundary", boundary)
        arn = "arn:aws:lambda:us-east-1:000000000000:function:f"
        config = {
            "FunctionName": "f",
            "FunctionArn": arn,
            "Runtime": "python3.12",
            "Handler": "census.handler",
            "Timeout": 20,
        }
        source = f"{SOURCE}\n\ndef handler(event, context):\n    return census()\n"
        workers.append(Worker("f", config, _archive(source)))
        return workers[-1].run(Invocation(None, "r", arn, {})).body

    yield census
    lambda_runtime.kill_workers(workers)


def _archive(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as content:
        content.writestr("census.py", source)
    return buffer.getvalue()


def test_a_function_finds_what_is_listed(walls: Boundary, look: Look, tmp_path: Path) -> None:
    seen = look(walls)
    check(seen, tmp_path, sys.prefix, sys.base_prefix, Path.cwd())
    assert set(seen["written"]) == {"/tmp", "/var/tmp", "/dev/shm"}
    assert "ml" not in seen["opt"]
    assert seen["temporary"] == "/tmp"


def test_by_landlock_a_function_writes_where_it_is_listed(look: Look) -> None:
    boundary = weakest("")
    if not boundary.landlock:
        pytest.skip("the kernel has no Landlock")
    seen = look(boundary)
    # The test's own folders are below the machine's /tmp, which is written to as a whole.
    assert written(seen, seen["temporary"], "/tmp") <= {"/var/tmp", "/dev/shm", "/proc"}
    assert seen["temporary"] in seen["written"]
    assert (seen["home"], seen["NoNewPrivs"]) == ("Permission denied", "1")


def test_temporary_files_go_with_the_process(walls: Boundary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Standing, "boundary", walls)
    words = ("/bin/sh", "-c", "echo x > /tmp/mine; ls /tmp")
    with Walled(words, {}, Path("/usr"), (), stdout=subprocess.PIPE) as process:
        assert process.communicate(timeout=20)[0] == b"mine\n"
    assert list(tmp_path.iterdir()) == []


def test_what_ministack_starts_itself_has_the_same_walls(
    walls: Boundary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The names of MiniStack that this stands on: `subprocess.Popen` with cwd and env, in two modules."""
    for module in (lambda_runtime, lambda_svc):
        assert "subprocess.Popen(" in inspect.getsource(module)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Standing, "boundary", walls)
    started: Any = Subprocess().Popen(
        ["cat", "-", "/proc/self/status"], cwd=str(tmp_path), env={"PATH": os.defpath}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with started as process:
        said, _ = process.communicate("sent", timeout=20)
    assert said.startswith("sentName:\tcat")
    assert "CapBnd:\t0000000000000000" in said
    with pytest.raises(FileNotFoundError):
        Subprocess().Popen(["no-such-program"], cwd=str(tmp_path), env={"PATH": os.defpath})
    assert Subprocess().PIPE is subprocess.PIPE
