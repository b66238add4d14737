"""Which isolation this machine gives, found out once by trying it."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local.sagemaker.errors import IsolationError
from local.sagemaker.settings import Isolation

_LAUNCHER = Path(__file__).with_name("launcher.py")
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

    @property
    def name(self) -> str:
        if not self.namespace:
            return "base-dir"
        return "namespace" if self.processes else "namespace (shared processes)"

    @property
    def host(self) -> str:
        """What a job's `current_host` says: `algo-1` only where that name can be made to resolve."""
        return "algo-1" if self.namespace else "localhost"

    def command(self, argv: list[str], cwd: str, ml: Path, binds: dict[str, str]) -> list[str]:
        """The launcher's command line for `argv`."""
        job = {
            "argv": argv,
            "cwd": cwd,
            "ml": str(ml) if self.namespace else None,
            "binds": binds if self.namespace else {},
            "processes": self.processes,
        }
        return [sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(job)]


def probe(wanted: str) -> Boundary:
    """The strongest boundary that works. Raises IsolationError where `wanted` is `namespace` and there is none."""
    kind = Isolation(wanted)
    if kind is Isolation.BASE_DIR:
        return Boundary(namespace=False, processes=False, reason="asked for")
    reason = "not Linux"
    if sys.platform == "linux":
        for processes in (True, False):
            boundary = Boundary(namespace=True, processes=processes, reason=reason if not processes else "")
            failure = _try(boundary)
            if failure is None:
                return boundary
            reason = failure
    if kind is Isolation.NAMESPACE:
        raise IsolationError(f"no private /opt/ml on this machine: {reason}")
    return Boundary(namespace=False, processes=False, reason=reason)


def _try(boundary: Boundary) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "seen").touch()
        command = boundary.command(["/bin/sh", "-c", "test -f /opt/ml/seen"], "/", Path(folder), {})
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
