"""Clocks of policies that no busy machine hurries: what takes long there is a matter of real time."""

import threading
import time

from local.sagemaker.machine.clock import Clock


class LeapingClock(Clock):
    """Goes as time goes, except that a wait is short and moves it by what was to be waited."""

    def __init__(self, pace: float) -> None:
        super().__init__(pace)
        self._leapt = 0.0
        self._lock = threading.Lock()

    def wait(self, seconds: float, ended: threading.Event) -> bool:
        over = super().wait(seconds, ended)
        with self._lock:
            self._leapt += 0 if over else seconds
        return over

    def now(self) -> float:
        with self._lock:
            return self._leapt + time.monotonic()


class MovedClock(Clock):
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._moved = threading.Condition()

    def move(self, seconds: float) -> None:
        with self._moved:
            self._now += seconds
            self._moved.notify_all()

    def wait(self, seconds: float, ended: threading.Event) -> bool:
        with self._moved:
            until = self._now + seconds
            # Nobody tells this condition when `ended` is set.
            while self._now < until and not ended.is_set():
                self._moved.wait(0.01)
        return ended.is_set()

    def now(self) -> float:
        with self._moved:
            return self._now
