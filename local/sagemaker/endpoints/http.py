"""Requests to one container over kept-alive connections, within a deadline."""

import http.client
import io
import select
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from local.sagemaker.errors import SageMakerError

_CHUNK = 1 << 16
_MAX_IDLE = 32


class NoAnswer(SageMakerError):
    """The container closed the connection, or cannot be reached."""


class Unreached(NoAnswer):
    """Nobody listens; nothing of the request was sent."""


class TooLate(NoAnswer):
    """No whole answer within the deadline."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names in small letters."""
    ended_by_close: bool
    """Only the end of the connection ended the body: it does not tell whether that was all of it."""


class ContainerHttp:
    """A pool of connections to 127.0.0.1:`port`. Thread-safe."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: IO[bytes] | None,
        sink: IO[bytes],
        seconds: float,
    ) -> Answer:
        """Send `body` (seekable) and write the answer's to `sink`. Raises NoAnswer, TooLate.

        A request is sent once: what was sent may have been worked on, whatever came back. An answer that breaks off is
        NoAnswer; what came of it is in `sink`.
        """
        deadline = time.monotonic() + seconds
        connection = self._take()
        try:
            return self._exchange(connection, method, path, headers, body, sink, deadline)
        except TimeoutError as error:
            connection.close()
            raise TooLate("no answer in time") from error
        except ConnectionRefusedError as error:
            raise Unreached("nobody listens on the container's port") from error
        except http.client.IncompleteRead as error:
            connection.close()
            raise NoAnswer("the connection ended within the answer") from error
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            raise NoAnswer(str(error) or type(error).__name__) from error

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

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: IO[bytes] | None,
        sink: IO[bytes],
        deadline: float,
    ) -> Answer:
        _limit(connection, deadline)
        fields = dict(headers)
        if body is not None:
            body.seek(0, io.SEEK_END)
            fields["Content-Length"] = str(body.tell())
            body.seek(0)
        connection.request(method, path, body=body, headers=fields)
        _limit(connection, deadline)
        response = connection.getresponse()
        left = response.length
        ended_by_close = left is None and not response.chunked
        while chunk := response.read(_CHUNK):
            sink.write(chunk)
            _limit(connection, deadline)
            left = None if left is None else left - len(chunk)
        # With a size, read() takes the end of the connection for the end of the body (a chunked one it does check).
        if left:
            raise http.client.IncompleteRead(b"", left)
        fields = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, fields, ended_by_close)
        with self._lock:
            keep = not response.will_close and len(self._idle) < _MAX_IDLE
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()
        return answer


def _limit(connection: http.client.HTTPConnection, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.timeout = left
    if connection.sock is not None:
        connection.sock.settimeout(left)
