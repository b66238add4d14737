"""A function's process seen from the cloud: its socket, its log, its end.

One thread at a time talks to it, and that thread alone reads both pipes. The log needs no thread and no waiting: what
a handler printed is in the pipe before its answer is in the socket (runtime.py sees to that), so whoever has read the
answer finds the whole log there.
"""

import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.ministack.functions.walls import Walled
from local.walls import interpreter

RUNTIME = Path(__file__).with_name("runtime.py")

LOG_LIMIT = 16 * 1024 * 1024
"""What one invocation may print, in bytes; the rest is counted and dropped."""

_READ = 1 << 16
_KILL_SECONDS = 10.0


class Ended(Exception):
    """The process ended before it answered."""


class TimedOut(Exception):
    """The process did not answer in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the kind byte of runtime.py, the payload, the peak memory in MB."""

    kind: bytes
    payload: bytes
    peak_memory: int


class Log:
    """What a process printed since it was last taken."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._text = bytearray()
        self._dropped = 0
        os.set_blocking(descriptor, False)

    def read(self) -> bool:
        """Take what is in the pipe now; False once nobody can write to it any more."""
        while True:
            try:
                part = os.read(self.descriptor, _READ)
            except BlockingIOError:
                return True
            if not part:
                return False
            room = LOG_LIMIT - len(self._text)
            self._text += part[:room]
            self._dropped += max(0, len(part) - room)

    def take(self) -> str:
        """Returns the text so far, without its last line break."""
        text = self._text.decode("utf-8", "replace").removesuffix("\n")
        if self._dropped:
            text += f"\n[{self._dropped} more bytes are not kept]"
        self._text.clear()
        self._dropped = 0
        return text


class Process:
    """A running `runtime.py`. MiniStack ends it through the names that `Popen` has."""

    def __init__(
        self, folder: Path, layers: Sequence[Path], environment: Mapping[str, str], closing: threading.Event
    ) -> None:
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        try:
            # -P: the folder of runtime.py is not the function's to import from.
            words = (sys.executable, "-P", str(RUNTIME), str(theirs.fileno()))
            reads = (str(RUNTIME), *map(str, layers), *interpreter.own())
            streams = [theirs.fileno()]
            self._popen = Walled(words, environment, folder, reads, streams=streams, stdout=write, stderr=write)
        except BaseException:
            ours.close()
            os.close(read)
            raise
        finally:
            theirs.close()
            os.close(write)
        ours.setblocking(False)
        self._socket = ours
        self.log = Log(read)
        self._closing = closing
        self._lock = threading.Lock()
        self._closed = False
        self._leased = False
        self._unwanted = False

    def lease(self) -> bool:
        """Take it for one invocation; False when it has ended or shall end. `release` gives it back."""
        with self._lock:
            if self._closed or self._unwanted or self._popen.poll() is not None:
                return False
            self._leased = True
            return True

    def release(self) -> None:
        """Lets go of it: nobody talks to it any more; what is left of it goes if it has ended, or was told to."""
        with self._lock:
            self._leased = False
            over = self._unwanted or self._popen.poll() is not None
        if over:
            self.end()

    def exchange(self, request: bytes, deadline: float) -> Answer:
        """Send one frame and wait for the answer, until `deadline` on the monotonic clock.

        Raises Ended and TimedOut; the process is of no use after either. The log has everything that was printed.
        """
        try:
            return self._exchange(struct.pack(">I", len(request)) + request, deadline)
        finally:
            self.log.read()

    def _exchange(self, request: bytes, deadline: float) -> Answer:
        outgoing, incoming = memoryview(request), bytearray()
        ready = select.poll()
        ready.register(self.log.descriptor, select.POLLIN)
        ready.register(self._socket, select.POLLIN | select.POLLOUT)
        open_ = True
        while open_:
            outgoing = self._send(outgoing)
            if not outgoing:
                ready.modify(self._socket, select.POLLIN)
            seen = ready.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not seen and time.monotonic() >= deadline:
                raise TimedOut
            for descriptor, _ in seen:
                if descriptor != self.log.descriptor:
                    open_ = self._receive(incoming)
                elif not self.log.read():
                    ready.unregister(descriptor)
            if len(incoming) >= 4 and len(incoming) - 4 >= int.from_bytes(incoming[:4]):
                kind, peak = struct.unpack(">cI", incoming[4:9])
                return Answer(kind, bytes(incoming[9:]), peak // 1024)
        raise Ended

    def _send(self, outgoing: memoryview) -> memoryview:
        if not outgoing:
            return outgoing
        try:
            return outgoing[self._socket.send(outgoing) :]
        except BlockingIOError:
            return outgoing
        except OSError as error:
            raise Ended from error

    def _receive(self, incoming: bytearray) -> bool:
        """Take what has come; False when nothing more will."""
        try:
            while part := self._socket.recv(_READ):
                incoming += part
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        return False

    def terminate(self) -> None:
        """End it now when the cloud stops or nobody waits for it; otherwise once it has answered.

        MiniStack drops the processes of a function whose code changes or that is deleted; on AWS such an invocation
        runs to its end.
        """
        with self._lock:
            self._unwanted = True
            later = self._leased and not self._closing.is_set()
        if not later:
            self._kill()

    def wait(self, timeout: float) -> int | None:
        """Returns its exit status; None when it is left to answer first."""
        with self._lock:
            if self._leased and not self._closing.is_set():
                return None
        self._popen.wait(timeout)
        return self.end()

    def poll(self) -> int | None:
        return None if self._popen.poll() is None else self.end()

    def kill(self) -> None:
        self._kill()

    def end(self, patience: float = 0.0) -> int:
        """Collect it with all it started, after `patience` seconds by force.

        Returns its exit status as `Popen.returncode` says it: the signal's number, negative, when it was killed.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(patience)
        self._kill()
        status = self._collect()
        with self._lock:
            if not self._leased and not self._closed:
                self._closed = True
                self._socket.close()
                os.close(self.log.descriptor)
        return status

    def _collect(self) -> int:
        try:
            return self._popen.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            # The launcher itself does not answer any more; what it started dies with it.
            self._popen.send_signal(signal.SIGKILL)
            return self._popen.wait()

    def _kill(self) -> None:
        with self._lock:
            if not self._closed:
                self._popen.kill()
