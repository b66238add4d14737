"""Worker threads in lanes: each lane works on so many things at once and never waits for another lane.

So a function that starts an execution which calls another function finds a worker for that one, however many calls
of the first are under way. Threads are made when there is work for them and end when there has been none for a while.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

Work = Callable[[], None]


@dataclass(slots=True)
class _Lane:
    name: Hashable
    more: threading.Condition
    queue: deque[Work] = field(default_factory=deque)
    threads: int = 0
    idle: int = 0


class Lanes:
    def __init__(self, width: int = 8, idle_seconds: float = 5.0) -> None:
        """`width`: how many things one lane does at once."""
        self._width = width
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._lanes: dict[Hashable, _Lane] = {}
        self._threads: set[threading.Thread] = set()
        self._closed = False

    def submit(self, name: Hashable, work: Work) -> None:
        """Never blocks. What is submitted to closed lanes is not done."""
        with self._lock:
            if self._closed:
                return
            lane = self._lanes.get(name)
            if lane is None:
                lane = self._lanes[name] = _Lane(name, threading.Condition(self._lock))
            lane.queue.append(work)
            if lane.idle >= len(lane.queue):
                lane.more.notify()
            elif lane.threads < self._width:
                self._add_thread(lane)

    def close(self, seconds: float) -> None:
        """Drop what has not begun and wait that long for what has; what is stuck is left to its daemon thread."""
        with self._lock:
            self._closed = True
            threads = list(self._threads)
            for lane in self._lanes.values():
                lane.queue.clear()
                lane.more.notify_all()
        deadline = time.monotonic() + seconds
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _add_thread(self, lane: _Lane) -> None:
        thread = threading.Thread(target=self._run, args=(lane,), name=f"task-{lane.name}", daemon=True)
        lane.threads += 1
        self._threads.add(thread)
        thread.start()

    def _run(self, lane: _Lane) -> None:
        try:
            while (work := self._next(lane)) is not None:
                try:
                    work()
                except Exception:
                    # Work records its own failures; what comes here is a bug, and the lane has others to serve.
                    logger.exception("work in lane %s", lane.name)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _next(self, lane: _Lane) -> Work | None:
        """Returns None where this thread is no longer needed."""
        with self._lock:
            deadline = time.monotonic() + self._idle_seconds
            while not lane.queue:
                left = deadline - time.monotonic()
                if self._closed or left <= 0:
                    # Under the lock: nobody can submit between the last look and the thread's leaving.
                    lane.threads -= 1
                    if lane.threads == 0:
                        self._lanes.pop(lane.name, None)
                    return None
                lane.idle += 1
                lane.more.wait(left)
                lane.idle -= 1
            return lane.queue.popleft()
