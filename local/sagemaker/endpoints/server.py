"""One serve process: started, waited for until it is healthy, started again when it dies, stopped."""

import io
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local.sagemaker.context import Context
from local.sagemaker.endpoints.http import Answer, ContainerHttp, NoAnswer, Unreached
from local.sagemaker.endpoints.image import Prepared
from local.sagemaker.errors import WorkFailed
from local.sagemaker.logs import LogStream
from local.sagemaker.processes import environment
from local.sagemaker.processes.process import ContainerProcess
from local.store import now

_PING_SECONDS = 2.0
_DEATH_SECONDS = 1.0
_MAX_RESTARTS = 3
_RESTART_WINDOW_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class _Serving:
    """A process that has answered a ping."""

    process: ContainerProcess
    http: ContainerHttp


class Server:
    """One instance of a production variant."""

    def __init__(
        self,
        context: Context,
        prepared: Prepared,
        log_group: str,
        log_stream: str,
        startup_seconds: float,
        closing: threading.Event,
        on_given_up: Callable[[str], None],
    ) -> None:
        self._context = context
        self._prepared = prepared
        self._startup_seconds = startup_seconds
        self._on_given_up = on_given_up
        self._log: LogStream = context.shipper.open(log_group, log_stream, prepared.folder / f"{_file(log_stream)}.log")
        self._process: ContainerProcess | None = None
        self._http: ContainerHttp | None = None
        self._closing = closing
        self._stopping = threading.Event()
        # Guards what follows and tells of its changes.
        self._state = threading.Condition()
        self._serving: _Serving | None = None
        self._given_up = False
        self._in_flight = 0
        self._deaths: list[float] = []
        self._watcher = threading.Thread(target=self._watch, name=f"server-{log_stream}", daemon=True)

    def start(self) -> None:
        """Returns once /ping answers 200. Raises WorkFailed, with nothing left running."""
        self._start_process()
        self._watcher.start()

    def stop(self, drain_seconds: float = 0.0) -> None:
        """Let the requests in flight end (bounded), end the process tree. Give it no more requests before.

        A second call, from another thread, ends the waiting of the first.
        """
        with self._state:
            self._state.wait_for(lambda: self._in_flight == 0 or self._stopping.is_set(), timeout=drain_seconds)
            self._stopping.set()
            self._state.notify_all()
        if self._process is not None:
            self._process.stop(self._context.settings.grace_seconds)
        if self._http is not None:
            self._http.close()
        if self._watcher.is_alive():
            self._watcher.join(_PING_SECONDS + 1)
        self._log.close()

    def invoke(self, headers: dict[str, str], body: IO[bytes], sink: IO[bytes], seconds: float) -> Answer:
        """POST /invocations. Waits for a restart within the time. Raises NoAnswer, TooLate."""
        deadline = time.monotonic() + seconds
        with self._state:
            self._in_flight += 1
        try:
            while True:
                serving = self._await_serving(deadline - time.monotonic())
                try:
                    left = deadline - time.monotonic()
                    answer = serving.http.request("POST", "/invocations", headers, body, sink, left)
                    if answer.ended_by_close and self._stopping.is_set():
                        raise NoAnswer("the container was stopped, maybe within its answer")
                    return answer
                except Unreached:
                    # It is dying and nothing was sent: the process that takes its place may have the request.
                    if not serving.process.exited.wait(_DEATH_SECONDS):
                        raise
        finally:
            with self._state:
                self._in_flight -= 1
                self._state.notify_all()

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def _await_serving(self, seconds: float) -> _Serving:
        def alive() -> _Serving | None:
            serving = self._serving
            return None if serving is None or serving.process.exited.is_set() else serving

        with self._state:
            # One look decides: the process may end between two.
            found = self._state.wait_for(
                lambda: alive() or self._given_up or self._stopping.is_set(), max(0.0, seconds)
            )
        if not isinstance(found, _Serving):
            raise NoAnswer("the container is not healthy")
        return found

    def _start_process(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        prepared = self._prepared
        command = environment.command(
            self._context,
            prepared.environment,
            prepared.folder,
            prepared.argv,
            {
                **prepared.variables,
                # Nobody but this machine is to ask the model; own images and the toolkit listen there. On AWS the
                # variable is not set and a container listens everywhere. One that ignores it is as open here as
                # any program that its user starts: no network namespace is made for it.
                "SAGEMAKER_BIND_TO_HOST": "127.0.0.1",
                "SAGEMAKER_BIND_TO_PORT": str(port),
                "SAGEMAKER_SAFE_PORT_RANGE": f"{port}-{port}",
            },
        )
        self._log.tail.clear()
        self._process = ContainerProcess(self._context.boundary, command, self._log)
        self._http = ContainerHttp(port)
        try:
            self._await_health(self._process, self._http)
        except WorkFailed:
            self._process.kill()
            raise
        with self._state:
            self._serving = _Serving(self._process, self._http)
            self._state.notify_all()

    def _await_health(self, process: ContainerProcess, http: ContainerHttp) -> None:
        deadline = time.monotonic() + self._startup_seconds
        pause = 0.01
        said = "it could not be reached"
        while time.monotonic() < deadline:
            try:
                sink = io.BytesIO()
                status = http.request("GET", "/ping", {}, None, sink, _PING_SECONDS).status
                if status == 200:
                    return
                said = f"/ping answered {status}"
            except NoAnswer as error:
                said = str(error)
            # Wakes at once when the process ends; otherwise asks again, at first often.
            if self._stopping.is_set() or self._closing.is_set():
                raise WorkFailed("the endpoint is being stopped")
            if process.exited.wait(pause):
                raise WorkFailed(
                    "The primary container for the production variant did not pass the ping health check: the serve "
                    f"process ended with exit code {process.code}. {self._log.tail_text()}".rstrip()
                )
            pause = min(pause * 1.5, 0.25)
        raise WorkFailed(
            "The primary container for the production variant did not pass the ping health check within "
            f"{self._startup_seconds:g} s ({said}). {self._log.tail_text()}".rstrip()
        )

    def _watch(self) -> None:
        """Start the process again whenever it ends by itself, a bounded number of times."""
        while self._process is not None:
            self._process.exited.wait()
            if self._stopping.is_set():
                return
            reason = self._start_again(self._process)
            if reason is not None:
                with self._state:
                    self._given_up = True
                    self._state.notify_all()
                if not self._stopping.is_set():
                    self._on_given_up(reason)
                return

    def _start_again(self, dead: ContainerProcess) -> str | None:
        """None when a new process is healthy; otherwise why this is given up."""
        said = self._log.tail_text()
        self._log.write(f"[local] the serve process ended with exit code {dead.code}")
        self._deaths = [at for at in self._deaths if now() - at < _RESTART_WINDOW_SECONDS] + [now()]
        if len(self._deaths) > _MAX_RESTARTS:
            return f"the serve process ended {len(self._deaths)} times, exit code {dead.code}. {said}".rstrip()
        try:
            self._start_process()
        except WorkFailed as error:
            return str(error)
        return None


def _file(stream: str) -> str:
    return Path(stream).name
