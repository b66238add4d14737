"""A Map of 1,000 items inline and one of 10,000 as child executions, each item a Pass state, against MiniStack."""

import json
from collections.abc import Callable, Iterator

from bench import clouds
from bench.measure import Row, compare, in_turn
from bench.programs import Program

_ROUNDS = 5
_INLINE, _DISTRIBUTED = 1000, 10_000
_PAUSE_SECONDS = 0.01
"""Between two looks at whether it is over, so that looking costs little."""


def definition(mode: str) -> str:
    """A Map state over the input."""
    processor = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
    config = {"Mode": mode, **({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {})}
    state = {"Type": "Map", "ItemProcessor": {"ProcessorConfig": config, **processor}, "End": True}
    return json.dumps({"StartAt": "M", "States": {"M": state}})


def run() -> Iterator[Row]:
    """From StartExecution until DescribeExecution says SUCCEEDED."""
    with (
        clouds.headrace() as our_cloud,
        clouds.ministack() as peer_cloud,
        Program("load", our_cloud.endpoint) as ours,
        Program("load", peer_cloud.endpoint) as peer,
    ):
        for mode, count in (("INLINE", _INLINE), ("DISTRIBUTED", _DISTRIBUTED)):
            mine, theirs = in_turn(_ROUNDS, _run_of(ours, mode, count), _run_of(peer, mode, count))
            yield compare(f"{mode.lower()} Map of {count:,} items over HTTP, against MiniStack", mine, theirs, "")


def _run_of(program: Program, mode: str, count: int) -> Callable[[], float]:
    order = {"definition": definition(mode), "input": json.dumps(list(range(count))), "pause": _PAUSE_SECONDS}
    return lambda: float(program.ask(do="ones", count=1, **order)[0])
