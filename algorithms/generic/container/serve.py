"""The `serve` command: gunicorn, with nginx in front where it is installed, and both end when either does.

nginx takes the connections, holds back slow senders and refuses bodies that are too large, so that a worker only ever
sees whole requests. Without nginx (a virtual environment instead of the image) gunicorn listens itself.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

HERE = Path(__file__).resolve().parent
USER = "www-data"
STOP_SECONDS = 28


class Supervisor:
    """The processes of one server."""

    def __init__(self) -> None:
        self.children: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []
        self.asked = False

    def start(
        self, command: list[str], variables: Mapping[str, str], stopped_by: signal.Signals = signal.SIGTERM
    ) -> None:
        """`stopped_by` is the signal that lets the process finish what it is answering."""
        self.children.append((subprocess.Popen(command, env={**os.environ, **variables}), stopped_by))

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        self.asked = True
        self._terminate()

    def wait(self) -> int:
        """Until one ends; then the others are ended too. 0 if it was asked for."""
        if self.asked:  # the signal came between two starts
            self._terminate()
        pid, status = os.wait()
        code = 0 if self.asked else os.waitstatus_to_exitcode(status) or 1
        ended = next((child.args[0] for child, _ in self.children if child.pid == pid), "a process")
        if not self.asked:
            print(f"{ended} ended, so the server ends", file=sys.stderr, flush=True)
        self._terminate()
        for child, _ in self.children:
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
        return code

    def _terminate(self) -> None:
        for child, stopped_by in self.children:
            child.send_signal(stopped_by)


def nginx_configuration(template: str, values: Mapping[str, str]) -> str:
    """The template with its ${CAPITALS} filled in; nginx's own $variables are written without braces."""
    return re.sub(r"\$\{([A-Z_]+)\}", lambda name: values[name[1]], template)


def main() -> int:
    host = os.environ.get("SAGEMAKER_BIND_TO_HOST", "0.0.0.0")
    port = os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")
    supervisor = Supervisor()
    signal.signal(signal.SIGTERM, supervisor.stop)
    signal.signal(signal.SIGINT, supervisor.stop)
    gunicorn = ["gunicorn", "--chdir", str(HERE), "--config", str(HERE / "serving.py")]
    nginx = shutil.which("nginx")
    if nginx is None:
        supervisor.start(gunicorn, {"SERVE_BIND": f"{host}:{port}"})
        return supervisor.wait()
    with tempfile.TemporaryDirectory(prefix="serve-") as folder:
        _behind_nginx(supervisor, gunicorn, nginx, Path(folder), host, port)
        return supervisor.wait()


def _behind_nginx(supervisor: Supervisor, gunicorn: list[str], nginx: str, folder: Path, host: str, port: str) -> None:
    # SageMaker starts containers as root; the workers that touch a request's bytes are nobody in particular.
    rights = ["--user", USER, "--group", USER] if os.geteuid() == 0 else []
    if rights:
        account = pwd.getpwnam(USER)
        os.chown(folder, account.pw_uid, account.pw_gid)
    socket = folder / "gunicorn.sock"
    values = {
        "FOLDER": str(folder),
        "SOCKET": str(socket),
        "LISTEN": f"{host}:{port}",
        "USER": f"user {USER};" if rights else "",
        "MAX_PAYLOAD_MB": os.environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB", "100"),
    }
    configuration = folder / "nginx.conf"
    configuration.write_text(nginx_configuration((HERE / "nginx.conf.template").read_text("utf-8"), values), "utf-8")
    supervisor.start([*gunicorn, *rights], {"SERVE_BIND": f"unix:{socket}", "SERVE_PORT": port})
    supervisor.start([nginx, "-p", str(folder), "-c", str(configuration), "-g", "daemon off;"], {}, signal.SIGQUIT)


if __name__ == "__main__":
    sys.exit(main())
