"""Endpoints for integrations: the local cloud's base, and a small server whose answers a test writes down."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import urllib3

from local.clients import LocalClients
from local.settings import free_port

Reply = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """Of a JSON protocol."""
        return self.headers.get("X-Amz-Target", "").rpartition(".")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return status, {"Content-Type": "application/x-amz-json-1.1", **(headers or {})}, json.dumps(value).encode()


def refuse(code: str, message: str, status: int = 400) -> Reply:
    return answer({"__type": code, "message": message}, status, {"x-amzn-errortype": code})


def cut_off() -> Reply:
    """An answer whose connection ends before it does."""
    return answer({}, headers={"Content-Length": "500", "Connection": "close"})


@dataclass
class Endpoint:
    clients: LocalClients
    url: str
    asked: list[Asked] = field(default_factory=list)
    replies: dict[str, Callable[[Asked], Reply]] = field(default_factory=dict)
    """By operation, or by path."""

    def begin(self) -> None:
        self.asked, self.replies = [], {}

    def operations(self) -> list[str]:
        return [one.operation for one in self.asked]


@contextmanager
def base() -> Iterator[LocalClients]:
    """MiniStack in a process of its own."""
    port, settings = free_port(), {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "LOG_LEVEL": "ERROR"}
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with tempfile.TemporaryDirectory() as folder:
        where = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": folder}
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env=ours | settings | where,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until = urllib3.Retry(600, backoff_factor=0.05, backoff_max=0.05)
            with urllib3.PoolManager(retries=until) as http:
                assert http.request("GET", f"http://127.0.0.1:{port}/_ministack/health").status == 200
            yield LocalClients(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            try:
                process.wait(10)
            finally:
                process.kill()
                process.wait()


@contextmanager
def scripted() -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536  # Head and body in one packet: two would wait for an acknowledgement in between.

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers.items()), body)
            endpoint.asked.append(asked)
            reply = endpoint.replies.get(asked.operation) or endpoint.replies.get(asked.path.partition("?")[0])
            status, headers, content = (400, {}, b"") if reply is None else reply(asked)
            self.send_response(status)
            for name in headers.keys() - {"Content-Length"}:
                self.send_header(name, headers[name])
            self.send_header("Content-Length", headers.get("Content-Length", str(len(content))))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _any  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    url = f"http://127.0.0.1:{server.server_port}"
    endpoint = Endpoint(LocalClients(url), url)
    thread = threading.Thread(target=lambda: server.serve_forever(0.02))
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
