"""How many processes of one function run at once: more than a few only slow each other down on a laptop."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

FUNCTION_CONCURRENCY = 4
"""Of one function at one depth. AWS runs a thousand: a Map over a thousand items would start as many processes here."""

TURN_SECONDS = 900.0
"""How long a call waits for its turn, as long as a function may run; then Lambda refuses it as one too many."""


class Turns:
    """A bound for each function and each depth of calls.

    A function that calls itself holds its turn while it waits for the call inside. That call is one deeper, and waits
    for others as deep only: what they wait for in turn is deeper still, and Lambda refuses the seventeenth. So nobody
    waits for itself.
    """

    def __init__(self, at_once: int = FUNCTION_CONCURRENCY, patience: float = TURN_SECONDS) -> None:
        self._at_once = at_once
        self._patience = patience
        self._free: dict[tuple[str, int], threading.Semaphore] = {}

    @contextmanager
    def take(self, function: str, depth: int) -> Iterator[bool]:
        """Tells whether it is this call's turn, which lasts as long as the context does."""
        turns = self._free.setdefault((function, depth), threading.Semaphore(self._at_once))
        mine = turns.acquire(timeout=self._patience)
        try:
            yield mine
        finally:
            if mine:
                turns.release()
