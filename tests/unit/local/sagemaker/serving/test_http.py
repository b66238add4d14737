"""What comes back from a container is whole, or it is no answer."""

import io
import socket
import threading

import pytest

from local.sagemaker.serving.http import ContainerHttp, NoAnswer

OK = b"HTTP/1.1 200 OK\r\n"


def ask(answer: bytes) -> tuple[bytes, bool]:
    """The body of a container's whole answer, and whether only the end of the connection ended it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        http = ContainerHttp(listening.getsockname()[1])
        sink = io.BytesIO()
        try:
            found = http.request("GET", "/ping", {}, None, sink, 10)
        finally:
            thread.join()
            http.close()
        return sink.getvalue(), found.ended_by_close


@pytest.mark.parametrize(
    ("answer", "body", "ended_by_close"),
    [
        (OK + b"Content-Length: 4\r\n\r\nbody", b"body", False),
        (OK + b"Content-Length: 0\r\n\r\n", b"", False),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", b"body", False),
        (OK + b"\r\nbody", b"body", True),
    ],
)
def test_a_whole_answer_comes_through(answer: bytes, body: bytes, ended_by_close: bool) -> None:
    assert ask(answer) == (body, ended_by_close)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 10\r\n\r\nhalf",
        OK + b"Content-Length: 10\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\na\r\nhalf",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
def test_an_answer_that_breaks_off_is_none(answer: bytes) -> None:
    with pytest.raises(NoAnswer, match="ended within the answer"):
        ask(answer)
