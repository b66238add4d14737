"""One thread that waits for everything which must be looked at again later."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 2.0
GROWTH = 1.5


def longer(delay: float) -> float:
    """Returns the delay after this one."""
    return min(delay * GROWTH, LONGEST_SECONDS)


class Waits:
    """`after` a delay, a callback that does not block."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def after(self, delay: float, callback: Callable[[], None]) -> None:
        with self._changed:
            if self._closed:
                return
            heapq.heappush(self._heap, (time.monotonic() + delay, next(self._order), callback))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="task-waits", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, seconds: float) -> None:
        with self._changed:
            self._closed = True
            self._heap.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _run(self) -> None:
        while (callback := self._due()) is not None:
            callback()

    def _due(self) -> Callable[[], None] | None:
        """Returns the next callback, when its time has come; None when nothing is waited for any more."""
        with self._changed:
            while self._heap:
                left = self._heap[0][0] - time.monotonic()
                if left <= 0:
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(left)
            # The next wait makes a thread of its own.
            self._thread = None
            return None
