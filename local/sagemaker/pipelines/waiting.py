"""The callback steps that wait in this process, by token."""

import threading


class Waiting:
    """Wakes the thread of a step when its answer is stored. Thread-safe."""

    def __init__(self) -> None:
        self._events: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def event(self, token: str) -> threading.Event:
        with self._lock:
            return self._events.setdefault(token, threading.Event())

    def forget(self, token: str) -> None:
        with self._lock:
            self._events.pop(token, None)

    def wake(self, token: str) -> None:
        with self._lock:
            event = self._events.get(token)
        if event is not None:
            event.set()
