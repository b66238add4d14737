"""Threads for what blocks: reading items, writing results."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

_JOIN_SECONDS = 5.0


class Workers:
    """A thread is started when none is idle, up to a number; they end with `close`."""

    def __init__(self, most: int = 4) -> None:
        self.closed = threading.Event()
        self._most = most
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._idle = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Has a worker do a job, which reports its own failures."""
        with self._lock:
            if self.closed.is_set():
                return
            if self._idle:
                self._idle -= 1
            elif len(self._threads) < self._most:
                thread = threading.Thread(target=self._run, name="map-run", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._jobs.put(job)

    def close(self) -> None:
        """Ends the workers. What they do is lost; the journal knows that it was not finished."""
        with self._lock:
            self.closed.set()
            for _ in self._threads:
                self._jobs.put(None)
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self.closed.is_set():
                return
            job()
            with self._lock:
                # A job that is waiting already is taken by this thread; it is not idle for others.
                self._idle += self._jobs.empty()
