"""The ItemProcessor of a distributed Map, as the machine that its child executions run."""

import json
from collections.abc import Sequence

from local.stepfunctions.asl.machine.machine import Distribution, Flow, Machine, MapState, ParallelState

EXPRESS_SECONDS = 300.0
"""No Express execution lasts longer (AWS quota)."""


def place_of(trail: Sequence[str | int]) -> str:
    """Returns the states, and the branches of Parallel states, that lead to a Map state."""
    return json.dumps(trail, separators=(",", ":"))


def processor(machine: Machine, place: str) -> Machine:
    """`machine` is the whole definition, `place` the `Distribution.place` of a state in it. Raises ValueError."""
    flow, distribution = machine.flow, None
    trail = json.loads(place)
    while trail:
        flow, distribution, trail = _below(flow, trail)
    if distribution is None:
        raise ValueError(f"the definition has no distributed Map at {place}")
    return Machine(flow, EXPRESS_SECONDS if distribution.express else None, distribution.express)


def _below(flow: Flow, trail: list[str | int]) -> tuple[Flow, Distribution | None, list[str | int]]:
    name, *rest = trail
    state = flow.states.get(str(name))
    match state:
        case MapState():
            return state.processor, state.distribution, rest
        case ParallelState() if rest and isinstance(rest[0], int) and rest[0] < len(state.branches):
            return state.branches[rest[0]], None, rest[1:]
        case _:
            raise ValueError(f"the definition has no Map or Parallel state {name!r} there")
