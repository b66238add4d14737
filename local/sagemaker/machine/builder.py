"""A program of a build, which ends with the local cloud however that ends, and everything it started with it.

An installer and a compiler start processes of their own; those would live on where the cloud is killed. So the
program runs under the launcher of containers (local/walls), which ends with its line to the cloud.
"""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from local.walls.command import Command
from local.walls.running import Running


class Builder:
    """Started when it is made; a context manager that has ended it when it is left."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        command = Command(tuple(argv), dict(environment), Path.cwd(), walls=False)
        self._running = Running(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def lines(self) -> Iterator[str]:
        """Yields what it says, until it has ended."""
        for line in self._running.stdout or ():
            yield line.decode(errors="replace").rstrip()

    def end(self) -> None:
        """Ends it and all it started, from any thread."""
        self._running.kill()

    def wait(self) -> int:
        """Returns its exit code: 128 and the signal where it was killed."""
        return self._running.wait()

    def __enter__(self) -> "Builder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self._running.wait()
        if self._running.stdout is not None:
            self._running.stdout.close()
