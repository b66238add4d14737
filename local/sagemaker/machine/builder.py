"""A program of a build, which ends with the local cloud however that ends, and everything it started with it.

An installer and a compiler start processes of their own; those would live on where the cloud is killed. So the
program runs under the launcher of containers (`processes/launcher.py`), whose line to the cloud is its standard input.
"""

import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from local.sagemaker.machine.processes.launching import guarded


class Builder:
    """Started when it is made; a context manager that has ended it when it is left."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._hanging_up = threading.Lock()
        self._popen = subprocess.Popen(
            guarded(argv, Path.cwd()),
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def lines(self) -> Iterator[str]:
        """Yields what it says, until it has ended."""
        for line in self._popen.stdout or ():
            yield line.rstrip()

    def end(self) -> None:
        """Ends it and all it started, from any thread, by hanging up on the launcher."""
        with self._hanging_up, suppress(BrokenPipeError):
            if self._popen.stdin is not None:
                self._popen.stdin.close()

    def wait(self) -> int:
        """Returns its exit code: 128 and the signal where it was killed."""
        return self._popen.wait()

    def __enter__(self) -> "Builder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()
