"""What is measured in a process of its own: each reads a JSON line, does it, and answers with a JSON line."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

Order = Mapping[str, Any]

_ROOT = Path(__file__).resolve().parent.parent.parent
_STOP_SECONDS = 30.0


class Program:
    """One that runs. It is ended when the context is left."""

    def __init__(self, module: str, *arguments: str, python: str = sys.executable) -> None:
        self._name = module
        self._process = subprocess.Popen(
            [python, "-m", f"bench.programs.{module}", *arguments],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, **order: Any) -> Any:
        """Do it and answer. Raises RuntimeError where the program has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"bench.programs.{self._name} ended with code {self._process.wait(_STOP_SECONDS)}")
        return json.loads(line)

    def kill(self) -> None:
        """As kill -9 does: nothing is closed."""
        self._process.kill()
        self._process.wait(_STOP_SECONDS)

    def __enter__(self) -> "Program":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdin, self._process.stdout:
            pass
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


def peers_python() -> str:
    """Of the virtual environment with requirements/bench.txt. Raises RuntimeError where it is not there."""
    python = Path(f"{sys.prefix}-bench") / "bin" / "python"
    if not python.exists():
        raise RuntimeError(f"{python}: expected the peers' Python there; `make bench` installs it")
    return str(python)


def serve(answer: Callable[[Order], object]) -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
