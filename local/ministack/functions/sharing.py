"""Whether a call waits for an environment that is busy, or has another one started.

AWS starts one at once, on another machine. Here each takes processor time from all that runs, far more than most calls
do; so calls wait, until they have waited together as long as another start takes, and never for one that waits for
them.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

LOAD_SECONDS = 10.0
"""How long a call waits for an environment that is being started."""

Started = Callable[[float], None]
"""Told once that a call has started an environment, and how many seconds that took."""


@dataclass(slots=True)
class _Function:
    """What is known of one function's environments; what MiniStack drops is found out when it is missing."""

    idle: int = 0
    starting: int = 0
    running: Counter[int] = field(default_factory=Counter)
    """Calls by depth."""
    start: float = 0.0
    """Seconds that the last start took."""
    waited: float = 0.0
    """Seconds that calls have waited since then."""


class Sharing:
    """The environments of all functions, as calls take and leave them."""

    def __init__(self) -> None:
        self._functions: dict[str, _Function] = {}
        self._changed = threading.Condition()

    @contextmanager
    def environment(self, function: str, depth: int) -> Iterator[Started]:
        """Waits for an environment that is worth it; inside, the call has one, idle or to be started."""
        with self._changed:
            mine = self._functions.setdefault(function, _Function())
            self._wait(mine, depth)
            starts = mine.idle == 0
            if starts:
                mine.starting += 1
            else:
                mine.idle -= 1
            mine.running[depth] += 1
        unfinished = [starts]
        try:
            yield partial(self._started, mine, unfinished)
        finally:
            with self._changed:
                mine.starting -= unfinished[0]
                mine.running[depth] -= 1
                mine.idle += 1
                self._changed.notify_all()

    def _wait(self, mine: _Function, depth: int) -> None:
        # A call of another depth may be waiting for this one.
        if mine.idle or not mine.running[depth]:
            return
        self._changed.wait_for(lambda: mine.idle or not mine.starting, LOAD_SECONDS)
        began = time.monotonic()
        self._changed.wait_for(lambda: mine.idle, max(0.0, mine.start - mine.waited))
        mine.waited += time.monotonic() - began

    def _started(self, mine: _Function, unfinished: list[bool], seconds: float) -> None:
        with self._changed:
            if unfinished[0]:
                mine.starting -= 1
                unfinished[0] = False
            else:
                # It was thought to be idle, and had been dropped.
                mine.idle = 0
            mine.start, mine.waited = seconds, 0.0
            self._changed.notify_all()
