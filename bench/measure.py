"""Timing in pairs: ours and the peer alternate, so that what the machine does meanwhile falls on both."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One printed line; times in milliseconds, `ratio` is ours over the peer's median."""

    what: str
    ours: str
    peer: str
    ratio: float | None
    aim: str


def milliseconds(run: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


def pairs(ours: Callable[[], float], peer: Callable[[], float], rounds: int) -> tuple[list[float], list[float]]:
    """`rounds` measurements of each in turn; each call returns its own milliseconds."""
    mine, theirs = [], []
    for number in range(rounds):
        # Whoever goes second finds warm caches: take turns.
        if number % 2:
            theirs.append(peer())
            mine.append(ours())
        else:
            mine.append(ours())
            theirs.append(peer())
    return mine, theirs


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0..1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ms(values: Sequence[float]) -> str:
    """Median and spread of some milliseconds."""
    return f"{statistics.median(values):.1f} ms ({min(values):.1f}-{max(values):.1f})"


def compare(what: str, mine: Sequence[float], theirs: Sequence[float], aim: str) -> Row:
    """A row of two medians and their ratio."""
    ratio = statistics.median(mine) / statistics.median(theirs)
    return Row(what, ms(mine), ms(theirs), ratio, aim)
