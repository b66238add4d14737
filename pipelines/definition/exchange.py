"""Requests -> definitions, by a `worker` process in an environment without credentials, profiles or SDK settings."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.definition.request import Request
from pipelines.documents import Document
from pipelines.problems import CompileError

_KEPT: Final = ("PATH", "HOME", "TMPDIR", "TEMP", "TMP", "LANG", "SYSTEMROOT")
_SETTINGS: Final = "SchemaVersion: '1.0'\n"
"""Stands in for the user's and the machine's settings of the SDK, which have no say in a definition."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the SDK refuses of a specification: a dotted key and the reason."""

    path: str
    text: str


def definitions(requests: Sequence[Request]) -> Iterator[Document | Refusal]:
    """Yields each request's definition, in order, as soon as it is ready. Raises CompileError naming the algorithm."""
    if not requests:
        return
    with tempfile.TemporaryDirectory(prefix="headrace-compile-") as temporary:
        errors = Path(temporary) / "stderr.txt"
        with errors.open("w") as stderr, _worker(Path(temporary), stderr.fileno()) as worker:
            try:
                yield from _exchange(worker, requests, errors)
            finally:
                worker.kill()


def _worker(folder: Path, stderr: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.definition.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=_environment(folder),
        cwd=folder,
        text=True,
        encoding="utf-8",
    )


def _environment(folder: Path) -> dict[str, str]:
    settings = folder / "sagemaker.yaml"
    settings.write_text(_SETTINGS)
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", ""),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_DEFAULT_REGION": "us-east-1",
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
        "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": str(settings),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(settings),
    }


def _exchange(worker: subprocess.Popen[str], requests: Sequence[Request], errors: Path) -> Iterator[Document | Refusal]:
    if worker.stdin is None or worker.stdout is None:
        raise CompileError("expected a worker with pipes, found none")
    try:
        worker.stdin.write(json.dumps([request.to_json() for request in requests]))
        worker.stdin.close()
    except BrokenPipeError:
        # The worker died before it read: its standard error says why, below.
        pass
    for request in requests:
        line = worker.stdout.readline()
        message: Document = json.loads(line) if line else {"error": _last_words(errors)}
        if "error" in message:
            raise CompileError(f"{request.spec.name}: {message['error']}")
        yield Refusal(message["path"], message["refused"]) if "refused" in message else message["definition"]


def _last_words(errors: Path) -> str:
    lines = errors.read_text(errors="replace").strip().splitlines()
    return f"the compiling process ended: {' | '.join(lines[-3:]) or 'without a word'}"
