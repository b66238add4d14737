"""One running container: its process tree, its output, its end."""

import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import IO

from local.sagemaker.machine.logs import MAX_LINE, LogStream
from local.walls.boundary import Boundary
from local.walls.command import Command
from local.walls.running import Running

_KILL_SECONDS = 10.0
_TAIL_LINES = 50


class ContainerProcess:
    """Started when it is made. `exited` is set once the whole tree is gone and its output is read."""

    def __init__(
        self,
        boundary: Boundary,
        command: Command,
        log: LogStream,
        on_line: Callable[[str], None] | None = None,
        on_exit: Callable[[], None] = lambda: None,
    ) -> None:
        self.exited = threading.Event()
        self.code: int | None = None
        self.log = log
        self._on_line = on_line
        self._on_exit = on_exit
        self._running = Running(command, boundary, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read, name=f"container-{self._running.pid}", daemon=True)
        self._reader.start()

    def wait(self, seconds: float | None = None) -> int | None:
        """Returns the exit code (128 + signal when killed), or None when it still runs after `seconds`."""
        self.exited.wait(seconds)
        return self.code

    def stop(self, grace_seconds: float) -> None:
        """Sends SIGTERM, then after the grace SIGKILL to everything it started. Returns when it is gone."""
        self.terminate()
        if not self.exited.wait(grace_seconds):
            self.kill()

    def terminate(self) -> None:
        self._running.terminate()

    def kill(self) -> None:
        """Ends everything at once."""
        self._running.kill()
        if not self.exited.wait(_KILL_SECONDS):
            # The launcher itself does not answer any more; what it started dies with it.
            self._running.send_signal(signal.SIGKILL)

    def _read(self) -> None:
        stdout, stderr = self._running.stdout, self._running.stderr
        if stdout is None or stderr is None:
            raise RuntimeError("the container was started without pipes")
        with selectors.DefaultSelector() as selector:
            pending = {stdout: b"", stderr: b""}
            selector.register(stdout, selectors.EVENT_READ)
            selector.register(stderr, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
                    data = os.read(stream.fileno(), 1 << 16)
                    pending[stream] = self._lines(pending[stream] + data, stream is stderr, last=not data)
                    if not data:
                        selector.unregister(stream)
        self.code = self._running.wait()
        for pipe in (stdout, stderr):
            pipe.close()
        self.exited.set()
        self._on_exit()

    def _lines(self, data: bytes, stderr: bool, last: bool) -> bytes:
        """Passes on whole lines (and the overlong start of one); returns what is left over."""
        *lines, rest = data.split(b"\n")
        while len(rest) > MAX_LINE:
            lines.append(rest[:MAX_LINE])
            rest = rest[MAX_LINE:]
        if last and rest:
            lines.append(rest)
            rest = b""
        if lines:
            self._pass_on(lines, stderr)
        return rest

    def _pass_on(self, lines: list[bytes], stderr: bool) -> None:
        if self._on_line is None and self.log.is_full:
            # Of what nobody keeps, only the end of standard error is looked at.
            lines = lines[-_TAIL_LINES:] if stderr else []
        texts = [piece.decode("utf-8", "replace").rstrip("\r") for raw in lines for piece in _pieces(raw)]
        self.log.write_all(texts, stderr)
        if self._on_line is not None:
            for text in texts:
                self._on_line(text)


def _pieces(line: bytes) -> list[bytes]:
    if len(line) <= MAX_LINE:
        return [line]
    return [line[start : start + MAX_LINE] for start in range(0, len(line), MAX_LINE)]
