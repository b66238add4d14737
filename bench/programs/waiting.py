"""An engine whose executions stand in a Wait state: `python -m bench.programs.waiting JOURNAL`."""

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from bench.engines import MACHINE, ROLE, Engine
from bench.programs import Order, serve
from local.stepfunctions.executor.collector import collect_seldom
from local.stepfunctions.executor.new_execution import NewExecution
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.journal.rows import ExecutionRow

WAIT = json.dumps({"StartAt": "W", "States": {"W": {"Type": "Wait", "TimestampPath": "$.until", "End": True}}})
_AT_ONCE = 2000
_SECONDS = 120.0


class Waiting:
    """What can be asked; an answer says how much memory the process has."""

    def __init__(self, file: Path) -> None:
        self._memory = psutil.Process()
        # As the local cloud does.
        collect_seldom()
        self._engine = Engine(file)
        self._ended = 0
        self._expected = 0
        self._all_ended = threading.Event()
        self._engine.executor.observe(self._observe)

    def start(self, order: Order) -> Mapping[str, Any]:
        """Start `count` that wait until `until`."""
        self._engine.executor.start()
        before, began = self._memory.memory_info().rss, time.perf_counter()
        new = NewExecution(MACHINE, WAIT, ROLE, json.dumps({"until": order["until"]}))
        left = int(order["count"])
        while left:
            some = min(left, _AT_ONCE)
            left -= some
            for future in [self._engine.executor.start_execution(new) for _ in range(some)]:
                future.result(_SECONDS)
        return {"before": before, "rss": self._memory.memory_info().rss, "seconds": time.perf_counter() - began}

    def resume(self, order: Order) -> Mapping[str, Any]:
        """Go on with `count` from the journal; answer once each has its timer again."""
        executor = self._engine.executor
        self._expected = int(order["count"])
        executor.start()
        executor.resume()
        while len(executor._commands.timers) < self._expected and not self._all_ended.wait(0.005):
            pass
        return {"rss": self._memory.memory_info().rss}

    def ended(self, _order: Order) -> Mapping[str, Any]:
        """Answer once all have ended."""
        if not self._all_ended.wait(_SECONDS):
            raise RuntimeError(f"only {self._ended} have ended")
        return {"rss": self._memory.memory_info().rss}

    def _observe(self, row: ExecutionRow, _records: Sequence[Event]) -> None:
        if row.stopped is not None:
            self._ended += 1
            if self._ended == self._expected:
                self._all_ended.set()


def main(file: str) -> None:
    """Until the input ends, or a kill."""
    waiting = Waiting(Path(file))
    orders: Mapping[str, Callable[[Order], object]] = {
        "start": waiting.start,
        "resume": waiting.resume,
        "ended": waiting.ended,
    }
    serve(lambda order: orders[order["do"]](order))


if __name__ == "__main__":
    main(sys.argv[1])
