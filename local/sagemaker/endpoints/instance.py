"""One instance of a variant: its containers in a row or side by side, and the requests it has at a time."""

import contextlib
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from local.sagemaker.endpoints.multimodel import ManyModels
from local.sagemaker.serving.http import BrokenOff, NoAnswer, TooLate
from local.sagemaker.serving.server import Exchange, Server
from local.sagemaker.wire.errors import SageMakerError, WorkFailed

_IN_MEMORY = 8 << 20
_TYPE, _ACCEPT = "content-type", "accept"


@dataclass(frozen=True, slots=True)
class Ask:
    """What a container is asked."""

    headers: Mapping[str, str]
    """Names in small letters."""
    body: IO[bytes]
    seconds: float
    target_model: str | None = None
    target_container: str | None = None


class Unanswered(SageMakerError):
    """A container gave no whole answer. `status` is what had begun to come, or 0."""

    def __init__(self, hostname: str, reason: str, late: bool, status: int) -> None:
        super().__init__(reason)
        self.hostname = hostname
        self.late = late
        self.status = status


class Reply:
    """A container's answer, read as it comes. To be closed."""

    def __init__(self, hostname: str, exchange: Exchange) -> None:
        self.hostname = hostname
        self.status = exchange.status
        self.headers = exchange.headers
        self._exchange = exchange

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def read(self) -> bytes:
        """Raises Unanswered."""
        try:
            return self._exchange.read()
        except NoAnswer as error:
            raise _unanswered(self.hostname, error) from error

    def extend(self, seconds: float) -> None:
        """Lets the rest of the answer take so long."""
        self._exchange.extend(seconds)

    def read_into(self, sink: IO[bytes]) -> None:
        while chunk := self.read():
            sink.write(chunk)

    def close(self) -> None:
        self._exchange.close()


class Instance:
    """Requests are let in by `reserve` and leave by `release`; a stop waits for those that are in."""

    def __init__(self, servers: Mapping[str, Server], direct: bool = False, many: ManyModels | None = None) -> None:
        self._servers = dict(servers)
        self._direct = direct
        self._many = many
        self._busy = 0
        self._stopping = False
        self._changed = threading.Condition()

    @property
    def busy(self) -> int:
        return self._busy

    @property
    def hostnames(self) -> list[str]:
        """What a caller of a Direct model may name; none of another model."""
        return list(self._servers) if self._direct else []

    @property
    def multi_model(self) -> bool:
        return self._many is not None

    def start(self) -> None:
        """Returns once every container is healthy. Raises WorkFailed; what was started is to be stopped."""
        for server in self._servers.values():
            server.start()

    def reserve(self) -> None:
        with self._changed:
            self._busy += 1
            self._changed.notify_all()

    def release(self) -> None:
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def stop(self, drain_seconds: float = 0.0) -> None:
        """Lets the requests that are in end (bounded), and ends every process. Nobody may reserve it any more by then.

        A second call, from another thread, ends the waiting of the first.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._busy == 0 or self._stopping, drain_seconds)
            self._stopping = True
            self._changed.notify_all()
        stops = [threading.Thread(target=server.stop, daemon=True) for server in self._servers.values()]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()

    def ask(self, ask: Ask) -> Reply:
        """Returns the answer of the last container, or the first that is an error. Raises Unanswered, WorkFailed.

        WorkFailed: the target model cannot be had.
        """
        deadline = time.monotonic() + ask.seconds
        if self._many is not None:
            return self._ask_many(ask, deadline)
        servers = list(self._servers.items())
        if self._direct:
            servers = [(name, server) for name, server in servers if name == ask.target_container]
        headers, body = dict(ask.headers), ask.body
        # When the head of an answer has come, what was asked is not needed any more.
        with contextlib.ExitStack() as held:
            for name, server in servers[:-1]:
                reply = _open(name, server, "/invocations", _without(headers, _ACCEPT), body, deadline)
                if not reply.ok:
                    return reply
                body = held.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
                _collect(reply, body)
                headers[_TYPE] = reply.headers.get(_TYPE, "application/octet-stream")
            return _open(*servers[-1], "/invocations", headers, body, deadline)

    def _ask_many(self, ask: Ask, deadline: float) -> Reply:
        (name, server), many = next(iter(self._servers.items())), self._many
        if many is None or ask.target_model is None:
            raise WorkFailed("the request names no target model")
        try:
            path = many.loaded(server, ask.target_model, deadline)
        except NoAnswer as error:
            raise _unanswered(name, error) from error
        return _open(name, server, path, dict(ask.headers), ask.body, deadline)


def _open(name: str, server: Server, path: str, headers: dict[str, str], body: IO[bytes], deadline: float) -> Reply:
    try:
        return Reply(name, server.open("POST", path, headers, body, deadline - time.monotonic()))
    except NoAnswer as error:
        raise _unanswered(name, error) from error


def _unanswered(name: str, error: NoAnswer) -> Unanswered:
    status = error.status if isinstance(error, BrokenOff) else 0
    return Unanswered(name, str(error), isinstance(error, TooLate), status)


def _collect(reply: Reply, body: IO[bytes]) -> None:
    """Reads the whole body, to be sent on."""
    try:
        reply.read_into(body)
    finally:
        reply.close()


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {field: value for field, value in headers.items() if field != name}
