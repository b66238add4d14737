"""Containers by Docker, for who asks for it: the image itself is run, nothing is mapped.

The command line is all there is between this program and the engine, so any program named `docker` that knows `run`,
`rm` and `version` will do.
"""

import secrets
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local.sagemaker.machine.environments import Environment, Environments
from local.sagemaker.machine.images import Image
from local.sagemaker.wire.errors import IsolationError

_CHECK_SECONDS = 20
_CONTAINER_PORT = "8080"
# What AWS gives an image as the command of its own entry point. Any other first word is an entry point.
_COMMANDS = ("train", "serve")
_NONE = ("processing",)
"""The entry point of a processing job that names none is the image's."""


@dataclass(frozen=True, slots=True)
class Container:
    """One `docker run`."""

    image: str
    ml: Path
    variables: Mapping[str, str]
    network: bool
    hosts: Mapping[str, str]
    """Names that resolve, with their addresses."""
    name: str = field(default_factory=lambda: f"headrace-{secrets.token_hex(8)}")

    def run(self, argv: Sequence[str]) -> list[str]:
        """Returns the command line, without the values of variables: `docker` takes them from its own environment."""
        return [
            _client(), "run", "--rm", "--name", self.name, *self._network(), "--volume", f"{self.ml}:/opt/ml",
            *(word for name, address in self.hosts.items() for word in ("--add-host", f"{name}:{address}")),
            *(word for name in self.environment for word in ("--env", name)),
            *self._image(argv),
        ]  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        """As the container sees it."""
        if not self._port:
            return dict(self.variables)
        own = {"SAGEMAKER_BIND_TO_HOST": "0.0.0.0", "SAGEMAKER_BIND_TO_PORT": _CONTAINER_PORT}
        left = {name: value for name, value in self.variables.items() if name != "SAGEMAKER_SAFE_PORT_RANGE"}
        return left | own

    @property
    def remove(self) -> list[str]:
        """Ends it from outside; the end of `docker run` does not."""
        return [_client(), "rm", "--force", self.name]

    @property
    def _port(self) -> str:
        return self.variables.get("SAGEMAKER_BIND_TO_PORT", "")

    def _network(self) -> list[str]:
        if not self.network:
            return ["--network", "none"]
        # A serving image listens on 8080 whatever it is told. A job asks the local cloud, which is on the loopback.
        return ["--publish", f"127.0.0.1:{self._port}:{_CONTAINER_PORT}"] if self._port else ["--network", "host"]

    def _image(self, argv: Sequence[str]) -> list[str]:
        if argv[0] in _COMMANDS:
            return [self.image, *argv]
        if argv[0] in _NONE:
            return [self.image, *argv[1:]]
        return ["--entrypoint", argv[0], self.image, *argv[1:]]


def _client() -> str:
    # By its path: a container may be given a PATH of its own.
    return shutil.which("docker") or "docker"


class DockerImages(Environments):
    """Every image URI stands for itself; `docker run` fetches what is not there."""

    def resolve(self, uri: str) -> Image:
        # An own image's folder is what tells it from a framework image, whose toolkit it brings itself here.
        return Image(uri, b"", Path("/"))

    def unavailable(self, uri: str) -> None:
        """Returns None: an engine runs any image."""

    def ensure(self, uri: str, extra: bytes = b"", progress: Callable[[str], None] = lambda _: None) -> Environment:
        del extra, progress
        return Environment(Path("/"), self.resolve(uri))


def check() -> None:
    """Raises IsolationError where no engine answers."""
    try:
        version = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CHECK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IsolationError(f"the isolation docker was asked for, and docker cannot be used: {error}") from error
    if version.returncode != 0:
        said = version.stderr.strip() or version.stdout.strip()
        raise IsolationError(f"the isolation docker was asked for, and no engine answers: {said}")
