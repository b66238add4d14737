"""A program behind walls, as a child of this process."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local.walls.boundary import NO_WALLS, Boundary
from local.walls.command import Command

# The interpreter of the cloud itself, whichever one builds and runs, without what a user's site would add to it.
_LAUNCHER = (
    sys.executable,
    *("-I", "-S", "-X", "utf8", "-c"),
    "import sys; sys.path.append(sys.argv.pop()); from local.walls.launcher.main import main; main()",
)
_ROOT = str(Path(__file__).parents[2])


class Line:
    """The launcher's line to us: whoever holds it open keeps the program alive."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._lock = threading.Lock()

    def send(self, content: bytes) -> None:
        """Does nothing when the launcher is gone, or nobody shall write any more."""
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            while content:
                content = content[self._file.write(content) :]

    def hang_up(self) -> None:
        """Ends the program with all it started, at once. May be repeated, by any thread."""
        with self._lock:
            self._file.close()


class Running(subprocess.Popen[bytes]):
    """A program behind its launcher: `terminate` reaches the program, `kill` all that it started.

    Raises OSError where not even the launcher can be started.
    """

    def __init__(
        self,
        command: Command,
        boundary: Boundary = NO_WALLS,
        *,
        streams: Sequence[int] = (),
        signals: bool = False,
        **more: Any,
    ) -> None:
        """`streams` are descriptors that the program inherits, `more` what Popen takes for its three own."""
        theirs, ours = os.pipe()
        self.line = Line(ours)
        try:
            super().__init__(
                [*_LAUNCHER, str(theirs), _ROOT],
                env={},
                pass_fds=(theirs, *streams),
                # Ctrl-C in the terminal is for the local cloud, which then stops its programs in order.
                start_new_session=True,
                **{"stdin": subprocess.DEVNULL, **more},
            )
        except BaseException:
            self.line.hang_up()
            raise
        finally:
            os.close(theirs)
        job = json.dumps({**boundary.job(command), "streams": list(streams), "signals": signals}).encode()
        self.line.send(len(job).to_bytes(4) + job)

    def terminate(self) -> None:
        self.line.send(b"T")

    def kill(self) -> None:
        self.line.hang_up()

    def wait(self, timeout: float | None = None) -> int:
        code = super().wait(timeout)
        self.over()
        return code

    def poll(self) -> int | None:
        code = super().poll()
        if code is not None:
            self.over()
        return code

    def over(self) -> None:
        """Lets go of what was its own, once it has ended. May be repeated."""
        self.line.hang_up()
