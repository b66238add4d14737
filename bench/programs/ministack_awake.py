"""MiniStack without its two fixed sleeps: 150 ms before every execution, 50 ms for what a function may still log."""

import time
from types import SimpleNamespace

from ministack import app
from ministack.core import lambda_runtime
from ministack.services import stepfunctions

_BEFORE_EXECUTION = 0.15


def sleep(seconds: float) -> None:
    """Wait states keep theirs."""
    if seconds != _BEFORE_EXECUTION:
        time.sleep(seconds)


def main() -> None:
    stepfunctions.time = SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=sleep)
    drain = lambda_runtime.Worker._drain_stderr_bounded
    lambda_runtime.Worker._drain_stderr_bounded = lambda worker, **_waits: drain(worker, 0.0, 0.0)
    app.main()


if __name__ == "__main__":
    main()
