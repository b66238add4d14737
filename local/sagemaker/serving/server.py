"""One serve process: started, waited for until it is healthy, started again when it dies, stopped."""

import io
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from local.sagemaker.machine.logs import LogStream
from local.sagemaker.machine.machine import Machine
from local.sagemaker.machine.processes import environment
from local.sagemaker.machine.processes.process import ContainerProcess
from local.sagemaker.machine.processes.program import Program
from local.sagemaker.serving.http import Answer, ContainerHttp, NoAnswer, Response, Unreached
from local.sagemaker.serving.image import Prepared
from local.sagemaker.wire.errors import WorkFailed
from local.store import now

_PING_SECONDS = 2.0
_DEATH_SECONDS = 1.0
_MAX_RESTARTS = 3
_RESTART_WINDOW_SECONDS = 300.0
_LAYING_OUT = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Serving:
    """A process that has answered a ping."""

    process: ContainerProcess
    http: ContainerHttp


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a server is started for."""

    title: str
    """What AWS's messages call its container."""
    log_group: str
    log_stream: str
    startup_seconds: float
    """How long it may take to its first healthy /ping."""


class Exchange:
    """One request in flight: an answer whose head has come. To be closed."""

    def __init__(self, response: Response, stopping: threading.Event) -> None:
        self.status = response.status
        self.headers = response.headers
        self._response = response
        self._closed = False
        self._stopping = stopping

    def read(self) -> bytes:
        """Returns what has come of the body; empty at its end. Raises NoAnswer, TooLate."""
        chunk = self._response.read()
        if not chunk and self._response.ended_by_close and self._stopping.is_set():
            raise NoAnswer("the container was stopped, maybe within its answer")
        return chunk

    def extend(self, seconds: float) -> None:
        self._response.deadline = time.monotonic() + seconds

    def close(self) -> None:
        """Closes it. May be repeated: the connection may be another exchange's by then."""
        closed, self._closed = self._closed, True
        if not closed:
            self._response.close()


class Server:
    """One container of an instance."""

    def __init__(
        self,
        machine: Machine,
        prepared: Prepared,
        purpose: Purpose,
        closing: threading.Event,
        on_given_up: Callable[[str], None],
    ) -> None:
        self._machine = machine
        self._prepared = prepared
        self._purpose = purpose
        self._on_given_up = on_given_up
        stream = purpose.log_stream
        self._log: LogStream = machine.shipper.open(purpose.log_group, stream, prepared.folder / f"{_file(stream)}.log")
        self._process: ContainerProcess | None = None
        self._http: ContainerHttp | None = None
        self._closing = closing
        self._stopping = threading.Event()
        # Guards what follows and tells of its changes.
        self._state = threading.Condition()
        self._serving: _Serving | None = None
        self._given_up = False
        self._generation = 0
        self._deaths: list[float] = []
        self._watcher = threading.Thread(target=self._watch, name=f"server-{stream}", daemon=True)

    def start(self) -> None:
        """Returns once /ping answers 200. Raises WorkFailed, with nothing left running."""
        self._start_process()
        self._watcher.start()

    def stop(self) -> None:
        """Ends the process tree. Give it no more requests before, and let those that it has end (`Instance.stop`)."""
        with self._state:
            self._stopping.set()
            self._state.notify_all()
        if self._process is not None:
            self._process.stop(self._machine.settings.grace_seconds)
        if self._http is not None:
            self._http.close()
        if self._watcher.is_alive():
            self._watcher.join(_PING_SECONDS + 1)
        self._log.close()

    def invoke(self, headers: dict[str, str], body: IO[bytes], sink: IO[bytes], seconds: float) -> Answer:
        """Sends POST /invocations. Waits for a restart within the time. Raises NoAnswer, TooLate."""
        exchange = self.open("POST", "/invocations", headers, body, seconds)
        try:
            while chunk := exchange.read():
                sink.write(chunk)
        finally:
            exchange.close()
        return Answer(exchange.status, exchange.headers, False)

    def open(self, method: str, path: str, headers: dict[str, str], body: IO[bytes] | None, seconds: float) -> Exchange:
        """Sends a request; returns with the head of its answer. Waits for a restart within the time.

        Raises NoAnswer, TooLate.
        """
        return Exchange(self._ask(method, path, headers, body, seconds), self._stopping)

    def _ask(self, method: str, path: str, headers: dict[str, str], body: IO[bytes] | None, seconds: float) -> Response:
        deadline = time.monotonic() + seconds
        while True:
            serving = self._await_serving(deadline - time.monotonic())
            try:
                return serving.http.open(method, path, headers, body, deadline - time.monotonic())
            except Unreached:
                # It is dying and nothing was sent: the process that takes its place may have the request.
                if not serving.process.exited.wait(_DEATH_SECONDS):
                    raise

    @property
    def generation(self) -> int:
        """Grows with every start of the process: what was loaded into an earlier one is gone."""
        return self._generation

    def _await_serving(self, seconds: float) -> _Serving:
        def alive() -> _Serving | None:
            serving = self._serving
            return None if serving is None or serving.process.exited.is_set() else serving

        with self._state:
            # One look decides: the process may end between two.
            serving = self._state.wait_for(
                lambda: alive() or self._given_up or self._stopping.is_set(), max(0.0, seconds)
            )
        if not isinstance(serving, _Serving):
            raise NoAnswer("the container is not healthy")
        return serving

    def _start_process(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        prepared = self._prepared
        variables = {
            **prepared.variables,
            # Nobody but this machine is to ask the model; own images and the toolkit listen there. On AWS the
            # variable is not set and a container listens everywhere. One that ignores it is as open here as
            # any program that its user starts: no network namespace is made for it.
            "SAGEMAKER_BIND_TO_HOST": "127.0.0.1",
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SAGEMAKER_SAFE_PORT_RANGE": f"{port}-{port}",
        }
        # The instances of a variant have one folder, and what is made there on the way is made once.
        with _LAYING_OUT:
            program = Program(prepared.argv, variables)
            command = environment.command(self._machine, prepared.environment, prepared.folder, program)
        self._log.tail.clear()
        self._process = ContainerProcess(self._machine.boundary, command, self._log)
        if self._http is not None:
            # Of the process that has died.
            self._http.close()
        self._http = ContainerHttp(port)
        try:
            self._await_health(self._process, self._http)
        except WorkFailed:
            self._process.kill()
            raise
        with self._state:
            self._serving = _Serving(self._process, self._http)
            self._generation += 1
            self._state.notify_all()

    def _await_health(self, process: ContainerProcess, http: ContainerHttp) -> None:
        deadline = time.monotonic() + self._purpose.startup_seconds
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
                raise self._unhealthy(f"the serve process ended with exit code {process.code}")
            pause = min(pause * 1.5, 0.25)
        raise self._unhealthy(f"not within {self._purpose.startup_seconds:g} s: {said}")

    def _unhealthy(self, why: str) -> WorkFailed:
        # AWS's sentence, and what it would have the reader look up.
        return WorkFailed(
            f"The {self._purpose.title} did not pass the ping health check. "
            f"Please check CloudWatch logs for this endpoint. [{why}] {self._log.tail_text()}".rstrip()
        )

    def _watch(self) -> None:
        """Starts the process again whenever it ends by itself, a bounded number of times."""
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
        """Starts a process; returns None when it is healthy, otherwise why this is given up."""
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
    return stream.replace("/", "_")
