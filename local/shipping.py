"""One thread for what gathers faster than it can be sent one by one: log lines, metrics, captured data, events.

Whoever has something to send keeps it, wakes the shipper, and goes on. The shipper lets a batch gather and calls the
owner's `ship`, which takes what is there and sends it.
"""

import logging
import threading
from collections.abc import Callable

from local.store import StoreClosed

logger = logging.getLogger(__name__)

_STOP_SECONDS = 2.0
"""A stop waits so long for the last batch."""
_AFTER_ERROR_SECONDS = 1.0


class BatchShipper:
    """The thread. Thread-safe, and cheap to wake: once awake, waking it costs a look at a flag."""

    def __init__(self, name: str, ship: Callable[[], None], gather_seconds: float = 0.0) -> None:
        """`ship` sends all that is there, and is called once more by a stop. What it raises is logged."""
        self._ship = ship
        self._gather_seconds = gather_seconds
        self._something = threading.Event()
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def start(self) -> None:
        """Starts the thread, unless it runs or was stopped."""
        with self._starting:
            if self._thread.ident is None and not self.is_stopping:
                self._thread.start()

    def wake(self) -> None:
        """Says that there is something to send. Call it after that was put where `ship` finds it."""
        if not self._something.is_set():
            self._something.set()

    def pause(self, seconds: float) -> bool:
        """Waits before `ship` tries again; returns whether the shipper is stopping, which ends the wait."""
        return self._stopping.wait(seconds)

    def stop(self) -> None:
        """Has what is there sent, or gives it up after a moment."""
        with self._starting:
            self._stopping.set()
        self._something.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        try:
            while not self.is_stopping:
                self._something.wait()
                # Let a batch gather; a stop does not wait for it.
                if self._gather_seconds:
                    self._stopping.wait(self._gather_seconds)
                # Cleared before the look: what comes after it sets the event again.
                self._something.clear()
                self._ship_logged()
            self._ship_logged()
        except StoreClosed:
            # The stop took too long; what is stored is sent by the next start.
            return

    def _ship_logged(self) -> None:
        try:
            self._ship()
        except StoreClosed:
            raise
        except Exception:
            logger.exception("%s could not send a batch", self._thread.name)
            self._stopping.wait(_AFTER_ERROR_SECONDS)
