"""10-Pass executions over HTTP with boto3: how many per second with four threads, and how long one of them takes.

The client is a process of its own. Its own limit is measured too: the same calls to a server that only answers.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from bench import clouds
from bench.engines import PASSES
from bench.measure import Row, compare, compare_rates, in_turn, percentile
from bench.programs import Program

_ROUNDS = 5
_THREADS = 4
_EXECUTIONS, _SLOW_EXECUTIONS = 2000, {"MiniStack": 1000, "moto": 200}
_WARM_UP = 200
_ONES, _SLOW_ONES = 200, 20
_MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:bench"


def run() -> Iterator[Row]:
    """Rates, then p50 and p99 of single executions, against each peer."""
    with ExitStack() as stack:
        ours, ministack, awake, moto, nothing = (
            stack.enter_context(Program("load", stack.enter_context(cloud).endpoint))
            for cloud in (
                clouds.headrace(),
                clouds.ministack(),
                clouds.ministack(sleeps=False),
                clouds.moto(),
                clouds.nothing(),
            )
        )
        yield from _rates(ours, {"MiniStack": ministack, "MiniStack without sleeps": awake, "moto": moto}, nothing)
        yield from _singles(ours, {"MiniStack": ministack, "MiniStack without sleeps": awake, "moto": moto})


def _rates(ours: Program, peers: dict[str, Program], nothing: Program) -> Iterator[Row]:
    def rate(program: Program, count: int) -> Callable[[], float]:
        return lambda: float(program.ask(do="rate", definition=PASSES, count=count, threads=_THREADS))

    def limit() -> float:
        return float(nothing.ask(do="starts", machine=_MACHINE, count=_EXECUTIONS, threads=_THREADS))

    counts = [_SLOW_EXECUTIONS.get(name, _EXECUTIONS) for name in peers]
    runs = [rate(ours, _EXECUTIONS), *map(rate, peers.values(), counts)]
    for program in (ours, *peers.values()):
        rate(program, _WARM_UP)()
    mine, *theirs, alone = in_turn(_ROUNDS, *runs, limit)
    for name, values in zip(peers, theirs, strict=True):
        yield compare_rates(
            f"10-Pass executions over HTTP, {_THREADS} threads, against {name}", mine, values, "1,500/s"
        )
    yield compare_rates(
        f"10-Pass executions over HTTP, {_THREADS} threads, against the client alone (starts only)", mine, alone, ""
    )


def _singles(ours: Program, peers: dict[str, Program]) -> Iterator[Row]:
    programs = [ours, *peers.values()]
    counts = [_ONES, *(_SLOW_ONES if name == "MiniStack" else _ONES for name in peers)]
    collected: list[list[float]] = [[] for _ in programs]

    def one_round(index: int) -> float:
        values: list[float] = programs[index].ask(do="ones", definition=PASSES, count=counts[index])
        collected[index] += values
        return percentile(values, 0.5)

    def runner(index: int) -> Callable[[], float]:
        return lambda: one_round(index)

    mine, *theirs = in_turn(_ROUNDS, *(runner(index) for index in range(len(programs))))
    for number, name in enumerate(peers, start=1):
        yield compare(f"one 10-Pass execution over HTTP, p50, against {name}", mine, theirs[number - 1], "3 ms")
        late, their_late = percentile(collected[0], 0.99), percentile(collected[number], 0.99)
        yield Row(
            f"one 10-Pass execution over HTTP, p99, against {name}",
            f"{late:.1f} ms",
            f"{their_late:.1f} ms",
            late / their_late,
        )
