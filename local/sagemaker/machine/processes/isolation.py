"""Which isolation this machine gives, found out once by trying it."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from local.documents import Document
from local.sagemaker.machine.processes import docker
from local.sagemaker.machine.processes.command import Command
from local.sagemaker.machine.processes.launching import launched
from local.sagemaker.machine.settings import Isolation
from local.sagemaker.wire.errors import IsolationError

_PROBE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Boundary:
    """What stands between a container's process and the machine."""

    namespace: bool
    """A private /opt/ml by mount namespace; otherwise SAGEMAKER_BASE_DIR."""
    processes: bool
    """A process namespace too, so that nothing can outlive its container."""
    reason: str = ""
    """Why it is no more than that."""
    readonly: bool = False
    """A process can write to its own folders and nowhere else."""
    network: bool = False
    """A process can be started without a network."""
    docker: bool = False
    """Its containers are Docker's."""

    @property
    def name(self) -> str:
        if self.docker:
            return "docker"
        if not self.namespace:
            return "base-dir"
        lacks = [
            *([] if self.processes else ["shared processes"]),
            *([] if self.readonly else ["the machine's files can be written"]),
        ]
        return "namespace" + (f" ({', '.join(lacks)})" if lacks else "")

    @property
    def own_ml(self) -> bool:
        """A process finds its folder at /opt/ml."""
        return self.namespace or self.docker

    @property
    def names_hosts(self) -> bool:
        """`algo-1` can be made to resolve: a container has an /etc/hosts of its own."""
        return self.own_ml

    def launched(self, command: Command) -> list[str]:
        """Answers the launcher's command line for `command`; the launcher's docstring says what it is told."""
        job: Document = {
            "argv": command.argv,
            "cwd": "/opt/ml" if self.namespace else str(command.folder),
            "ml": str(command.folder) if self.namespace else None,
            "binds": dict(command.binds) if self.namespace else {},
            "covers": dict(command.covers) if self.readonly else {},
            "keep": command.keep,
            "writable": command.writable,
            "processes": self.processes,
            "network": command.network or not self.network,
            "readonly": self.readonly,
            "after": command.after,
        }
        return launched(job)


_BASE_DIR = Boundary(namespace=False, processes=False)
_STRONGEST_FIRST = (
    Boundary(namespace=True, processes=True, readonly=True, network=True),
    Boundary(namespace=True, processes=True, readonly=True),
    Boundary(namespace=True, processes=True),
    Boundary(namespace=True, processes=False, readonly=True),
    Boundary(namespace=True, processes=False),
)


def probe(wanted: str) -> Boundary:
    """Returns the strongest boundary that works. Raises IsolationError where `wanted` is not to be had."""
    kind = Isolation(wanted)
    if kind is Isolation.BASE_DIR:
        return replace(_BASE_DIR, reason="asked for")
    if kind is Isolation.DOCKER:
        docker.check()
        return replace(_BASE_DIR, docker=True)
    reason = ""
    for boundary in _STRONGEST_FIRST if sys.platform == "linux" else ():
        failure = _try(boundary)
        if failure is None:
            return replace(boundary, reason=reason)
        reason = failure
    reason = reason or "not Linux"
    if kind is Isolation.NAMESPACE:
        raise IsolationError(f"no private /opt/ml on this machine: {reason}")
    return replace(_BASE_DIR, reason=reason)


def _try(boundary: Boundary) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "seen").touch()
        test = ("/bin/sh", "-c", "test -f /opt/ml/seen")
        command = boundary.launched(Command(test, {}, Path(folder), network=not boundary.network))
        # Standard input stays open meanwhile: its end would tell the launcher to kill the command.
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            try:
                code = process.wait(_PROBE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                return f"no answer in {_PROBE_SECONDS} s"
            said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
    return None if code == 0 else said or f"exit code {code}"
