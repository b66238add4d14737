"""Requests to one container over kept-alive connections, within a deadline."""

import contextlib
import http.client
import io
import select
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from local.sagemaker.wire.errors import SageMakerError

_CHUNK = 1 << 16
_MAX_IDLE = 32


class NoAnswer(SageMakerError):
    """The container closed the connection, or cannot be reached."""


class Unreached(NoAnswer):
    """Nobody listens; nothing of the request was sent."""


class TooLate(NoAnswer):
    """No whole answer within the deadline."""


class BrokenOff(NoAnswer):
    """An answer began and did not end."""

    def __init__(self, status: int) -> None:
        super().__init__("the connection ended within the answer")
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names in small letters."""
    ended_by_close: bool
    """Only the end of the connection ended the body: it does not tell whether that was all of it."""


class Response:
    """An answer whose head has come; its body is read as it comes. To be closed."""

    def __init__(self, http: "ContainerHttp", connection: http.client.HTTPConnection, deadline: float) -> None:
        self._http = http
        self._connection = connection
        # The connection forgets its socket when the container says that it will close it.
        self._sock = connection.sock
        self._response = connection.getresponse()
        self.deadline = deadline
        self._left = self._response.length
        self._whole = False
        self.status = self._response.status
        self.headers = {name.lower(): value for name, value in self._response.getheaders()}
        self.ended_by_close = self._left is None and not self._response.chunked

    def read(self, size: int = _CHUNK) -> bytes:
        """Returns what has come, at least a byte; empty at the body's end. Raises BrokenOff, NoAnswer, TooLate."""
        with _reasons(self._connection):
            try:
                self._sock.settimeout(_left(self.deadline))
                chunk = self._response.read1(size)
            except http.client.IncompleteRead as error:
                raise BrokenOff(self.status) from error
        if self._left is not None:
            self._left -= len(chunk)
        if not chunk:
            # With a length, the end of the connection looks like the end of the body (a chunked one does tell).
            if self._left:
                self._connection.close()
                raise BrokenOff(self.status)
            self._whole = True
        return chunk

    def close(self) -> None:
        """Gives the connection back when the whole body was read, and closes it otherwise."""
        if not self._whole:
            # Wakes whoever is reading in another thread, who else would hold the close up.
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
        self._response.close()
        if self._whole and not self._response.will_close:
            self._http.give_back(self._connection)
        else:
            self._connection.close()


class ContainerHttp:
    """A pool of connections to 127.0.0.1:`port`. Thread-safe."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Keeps no connection from here on; requests under way end as they do."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def give_back(self, connection: http.client.HTTPConnection) -> None:
        """Takes back a `connection` that has nothing more to read."""
        with self._lock:
            keep = not self._closed and len(self._idle) < _MAX_IDLE
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()

    def open(
        self, method: str, path: str, headers: Mapping[str, str], body: IO[bytes] | None, seconds: float
    ) -> Response:
        """Sends `body` (seekable); returns once the head of the answer has come. Raises NoAnswer, TooLate.

        A request is sent once: what was sent may have been worked on, whatever came back.
        """
        deadline = time.monotonic() + seconds
        connection = self._take()
        with _reasons(connection):
            connection.timeout = _left(deadline)
            if connection.sock is not None:
                connection.sock.settimeout(connection.timeout)
            fields = {name: value.encode() for name, value in headers.items()}
            if body is not None:
                body.seek(0, io.SEEK_END)
                fields["Content-Length"] = b"%d" % body.tell()
                body.seek(0)
            connection.request(method, path, body=body, headers=fields)
            connection.sock.settimeout(_left(deadline))
            return Response(self, connection, deadline)

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: IO[bytes] | None,
        sink: IO[bytes],
        seconds: float,
    ) -> Answer:
        """Sends `body` (seekable) and writes the answer's to `sink`. Raises NoAnswer, TooLate.

        An answer that breaks off is NoAnswer; what came of it is in `sink`.
        """
        response = self.open(method, path, headers, body, seconds)
        try:
            while chunk := response.read():
                sink.write(chunk)
        finally:
            response.close()
        return Answer(response.status, response.headers, response.ended_by_close)

    def _take(self) -> http.client.HTTPConnection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return http.client.HTTPConnection("127.0.0.1", self._port)
            # An idle connection has something to read only when the container has closed it.
            if not select.select([connection.sock], [], [], 0)[0]:
                return connection
            connection.close()


class _reasons:  # noqa: N801 - used as a statement
    """What goes wrong on `connection`, in our words; it is closed then."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        self._connection.close()
        match error:
            case TimeoutError():
                raise TooLate("no answer in time") from error
            case ConnectionRefusedError():
                raise Unreached("nobody listens on the container's port") from error
            case http.client.HTTPException() | OSError():
                raise NoAnswer(str(error) or type(error).__name__) from error


def _left(deadline: float) -> float:
    """Raises TimeoutError where there is no time left."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
