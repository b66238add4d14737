"""When what falls due: a heap, in which cancelled timers stay until they reach the top or are too many."""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

from local.stepfunctions.interpreter.stimuli import Timer, TimerKind

_SLACK = 1024


class _Key(NamedTuple):
    execution: int
    kind: TimerKind
    frame: int
    event: int


class Timers:
    def __init__(self) -> None:
        self._due: dict[_Key, float] = {}
        self._heap: list[tuple[float, _Key]] = []

    def __len__(self) -> int:
        return len(self._due)

    def set(self, execution: int, timer: Timer, due: float) -> None:
        """Sets a timer, in place of one of the same name."""
        key = _Key(execution, *timer)
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        if len(self._heap) > 2 * len(self._due) + _SLACK:
            self._heap = [(due, key) for key, due in self._due.items()]
            heapq.heapify(self._heap)

    def cancel(self, execution: int, timer: Timer) -> None:
        self._due.pop(_Key(execution, *timer), None)

    def next_due(self) -> float | None:
        while self._heap:
            due, key = self._heap[0]
            if self._due.get(key) == due:
                return due
            heapq.heappop(self._heap)
        return None

    def take_due(self, now: float, limit: int) -> Iterator[tuple[int, Timer]]:
        """(execution, timer), the earliest first; each is given once."""
        while limit:
            due = self.next_due()
            if due is None or due > now:
                return
            key = heapq.heappop(self._heap)[1]
            del self._due[key]
            limit -= 1
            yield key.execution, Timer(key.kind, key.frame, key.event)
