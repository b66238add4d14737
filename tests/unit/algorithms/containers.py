"""A container without an engine: its commands as processes, with a private folder in the place of /opt/ml."""

import http.client
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CSV = {"Content-Type": "text/csv"}


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended."""

    code: int
    output: str
    errors: str

    @property
    def last_error(self) -> str:
        return self.errors.strip().splitlines()[-1] if self.errors.strip() else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True, slots=True)
class Server:
    """A `serve` command that is up."""

    port: int

    def request(
        self, method: str, path: str, body: bytes | str = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            content = body.encode() if isinstance(body, str) else body
            connection.request(method, path, content, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.read(), dict(response.getheaders()))
        finally:
            connection.close()

    def invoke(self, body: bytes | str, content_type: str = "text/csv") -> Answer:
        return self.request("POST", "/invocations", body, {"Content-Type": content_type})


@dataclass(frozen=True, slots=True)
class Container:
    """`base` stands for /opt/ml; `path` are the folders the commands are looked up in."""

    base: Path
    path: tuple[Path, ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    def put(self, place: str, content: str | bytes) -> Path:
        path = self.base / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def text(self, place: str) -> str:
        return (self.base / place).read_text("utf-8")

    def json(self, place: str) -> object:
        return json.loads(self.text(place))

    def move(self, source: str, target: str) -> None:
        """What SageMaker does between two jobs, by way of S3."""
        shutil.copytree(self.base / source, self.base / target, dirs_exist_ok=True)

    def pack_model(self) -> None:
        archive = self.base / "processing" / "model" / "model.tar.gz"
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(self.base / "model", ".")

    def run(self, *command: str) -> Finished:
        done = subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, timeout=120, check=False
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """The `serve` command, from the line that says it is up until it was stopped. AssertionError: it never was."""
        environment = self._environment() | {"SAGEMAKER_BIND_TO_PORT": "0", "SAGEMAKER_BIND_TO_HOST": "127.0.0.1"}
        log = (self.base / "serve.log").open("w+")
        with (
            log,
            subprocess.Popen(["serve"], env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process,
        ):
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                assert "serving on port" in line, (self.base / "serve.log").read_text()
                yield Server(int(line.split()[-1]))
            finally:
                process.terminate()
                process.wait(30)

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([*map(str, self.path), "/usr/bin", "/bin"])
        limits = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return {"PATH": path, "SAGEMAKER_BASE_DIR": str(self.base), **limits, **self.variables}
