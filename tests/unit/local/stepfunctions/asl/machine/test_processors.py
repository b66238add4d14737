import json
from typing import Any

import pytest

from local.stepfunctions.asl.compiler import compile_machine
from local.stepfunctions.asl.machine.machine import MapState
from local.stepfunctions.asl.machine.processors import processor
from tests.unit.local.stepfunctions.world import machine_of


def spread(kind: str, *states: dict[str, Any]) -> dict[str, Any]:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": kind}
    return {"Type": "Map", "ItemProcessor": {**machine_of(*states), "ProcessorConfig": config}}


def test_processor_is_found_again_below_branches_and_maps() -> None:
    inner = spread("EXPRESS", {"Type": "Succeed"})
    branches = {"Type": "Parallel", "Branches": [machine_of({"Type": "Pass"}), machine_of(inner)]}
    machine = compile_machine(json.dumps(machine_of(spread("STANDARD", branches))))
    outer = machine.flow.states["S0"]
    assert isinstance(outer, MapState)
    assert outer.distribution is not None
    child = processor(machine, outer.distribution.place)
    assert (child.flow, child.timeout, child.express) == (outer.processor, None, False)
    grandchild = processor(machine, '["S0","S0.S0",1,"S0.S0.1.S0"]')  # as `machine_of` names them
    assert (list(grandchild.flow.states), grandchild.timeout, grandchild.express) == (["S0.S0.1.S0.S0"], 300.0, True)


@pytest.mark.parametrize("place", ["[]", '["S9"]', '["S0",4]', '["S0","S0.S0",7]'])
def test_place_that_is_not_there_is_refused(place: str) -> None:
    machine = compile_machine(json.dumps(machine_of({"Type": "Pass"})))
    with pytest.raises(ValueError, match="the definition has no"):
        processor(machine, place)
