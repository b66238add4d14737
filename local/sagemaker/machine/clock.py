"""Time as deployments and idle containers know it: the seconds of a policy, waited for at a chosen pace."""

import threading
import time


class Clock:
    """`pace` is how many real seconds one second of a policy takes; 1 outside tests."""

    def __init__(self, pace: float = 1.0) -> None:
        self.pace = pace

    def wait(self, seconds: float, ended: threading.Event) -> bool:
        """Waits `seconds` of policy time; returns True as soon as `ended` is set."""
        return ended.wait(seconds * self.pace)

    def now(self) -> float:
        """Returns the seconds of policy time since some moment."""
        return time.monotonic() / self.pace
