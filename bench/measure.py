"""Timing in turn: ours and its peers alternate, so that what the machine does meanwhile falls on all of them."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Row:
    """One printed line; `ratio` is ours over the peer's median, of times as of rates."""

    what: str
    ours: str
    peer: str = ""
    ratio: float | None = None
    aim: str = ""


def milliseconds(run: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


def in_turn(rounds: int, *runs: Callable[[], float]) -> list[list[float]]:
    """`rounds` measurements of each; each call returns its own figure."""
    measured: list[list[float]] = [[] for _ in runs]
    for number in range(rounds):
        for place in range(len(runs)):
            # Whoever goes later finds warm caches: another one begins each time.
            index = (number + place) % len(runs)
            measured[index].append(runs[index]())
    return measured


def pairs(ours: Callable[[], float], peer: Callable[[], float], rounds: int) -> tuple[list[float], list[float]]:
    """`rounds` measurements of each in turn; each call returns its own milliseconds."""
    mine, theirs = in_turn(rounds, ours, peer)
    return mine, theirs


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0..1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ms(values: Sequence[float]) -> str:
    """Median and spread of some milliseconds."""
    return _spread(values, "{:,.1f}", " ms")


def per_second(values: Sequence[float]) -> str:
    """Median and spread of some rates."""
    return _spread(values, "{:,.1f}" if statistics.median(values) < 100 else "{:,.0f}", "/s")


def megabytes(count: float) -> str:
    return f"{count / 1e6:,.0f} MB"


def compare(what: str, mine: Sequence[float], theirs: Sequence[float], aim: str) -> Row:
    """A row of two medians of milliseconds and their ratio."""
    return Row(what, ms(mine), ms(theirs), ratio(mine, theirs), aim)


def compare_rates(what: str, mine: Sequence[float], theirs: Sequence[float], aim: str) -> Row:
    """A row of two medians of rates and their ratio."""
    return Row(what, per_second(mine), per_second(theirs), ratio(mine, theirs), aim)


def ratio(mine: Sequence[float], theirs: Sequence[float]) -> float:
    return statistics.median(mine) / statistics.median(theirs)


def folder() -> "tempfile.TemporaryDirectory[str]":
    """An empty folder on the disk the repository is on: the machine's own temporary folder may be memory."""
    place = ROOT / "build"
    place.mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(dir=place, prefix="bench-", ignore_cleanup_errors=True)


def _spread(values: Sequence[float], form: str, unit: str) -> str:
    middle, low, high = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{middle}{unit} ({low}-{high})"
