"""Whatever the definition and the order of what happens: a history replays to the state that wrote it."""

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from local.stepfunctions.asl.compiler import validate
from local.stepfunctions.asl.documents import decode, encode
from local.stepfunctions.asl.intrinsics import INTRINSICS, IntrinsicError
from local.stepfunctions.interpreter import interpreter
from local.stepfunctions.interpreter.changes import replay
from local.stepfunctions.interpreter.commands import ScheduleTask, StartTimer, Status
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.interpreter.execution import Execution
from local.stepfunctions.interpreter.stimuli import Stimulus, Stopped, TaskFailed, TaskStarted, TaskSucceeded
from tests.unit.local.stepfunctions.world import IDENTITY, FixedEffects, World, machine_of, task

_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_FIELDS = st.sampled_from(
    [
        "Type",
        "StartAt",
        "States",
        "Next",
        "End",
        "Resource",
        "Parameters",
        "Arguments",
        "ResultPath",
        "Choices",
        "Branches",
        "ItemProcessor",
        "Retry",
        "Catch",
        "QueryLanguage",
        "Seconds",
        "Output",
        "a.$",
        "Variable",
        "And",
        "Items",
        "ItemBatcher",
        "ProcessorConfig",
        "Credentials",
        "ErrorEquals",
        "Label",
        "Condition",
    ]
)
_WORDS = st.sampled_from(
    ["Pass", "Task", "Wait", "Map", "Parallel", "Choice", "Fail", "JSONata", "$", "$.a", "$.a[", "{% $x %}", "{% ( %}",
     "States.Format('{}', $.a)", "States.Array(", "S", "arn:aws:states:::lambda:invoke", "DISTRIBUTED"]
)  # fmt: skip
_LIKE_ASL = st.recursive(
    _SCALARS | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS | st.just("S"), inner, max_size=6),
    max_leaves=25,
)


@given(_JSON | _LIKE_ASL)
def test_any_definition_is_compiled_or_refused_with_problems(definition: Any) -> None:
    for problem in validate(json.dumps(definition)):
        assert problem.message
        assert problem.location.startswith("/")


@given(st.text())
def test_any_text_is_compiled_or_refused_with_problems(text: str) -> None:
    assert all(problem.message for problem in validate(text))


@given(_LIKE_ASL)
def test_any_state_is_compiled_or_refused_with_problems(state: Any) -> None:
    state = {"Type": "Map", **state} if isinstance(state, dict) else state
    validate(json.dumps({"StartAt": "S", "States": {"S": state}}))


@given(st.sampled_from(sorted(INTRINSICS)), st.lists(_JSON, max_size=4))
def test_functions_give_json_or_their_error(name: str, arguments: list[Any]) -> None:
    function = INTRINSICS[name]
    if len(arguments) < function.least or (function.most is not None and len(arguments) > function.most):
        return
    with contextlib.suppress(IntrinsicError):
        encode(function.call(arguments, FixedEffects()))


_RETRY = {"ErrorEquals": ["E"], "MaxAttempts": 1}
_CATCH = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.caught"}


def _simple() -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(
        [
            {"Type": "Pass"},
            {"Type": "Pass", "Result": {"x": [1, 2.5, None]}, "ResultPath": "$.r", "Assign": {"v.$": "$.x", "w": "é"}},
            {"Type": "Wait", "Seconds": 3},
            {"Type": "Fail", "Error": "E"},
            {
                "Type": "Pass",
                "QueryLanguage": "JSONata",
                "Output": {"n": "{% $count([1..3]) %}", "in": "{% $states.input %}"},
            },
            {"Type": "Pass", "Parameters": {"a.$": "$.nowhere"}},
            task(ResultPath="$.t"),
            task(ResultPath="$.t", TimeoutSeconds=7, HeartbeatSeconds=4, Retry=[_RETRY]),
        ]
    )


def _nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    flows = st.lists(inner, min_size=1, max_size=2).map(lambda states: machine_of(*_until_fail(states)))
    return st.builds(
        lambda branches, retried: {"Type": "Parallel", "Branches": branches, "ResultPath": "$.p"}
        | ({"Retry": [_RETRY]} if retried else {}),
        st.lists(flows, min_size=1, max_size=2),
        st.booleans(),
    ) | st.builds(
        lambda flow, wide: {
            "Type": "Map", "ItemsPath": "$.items", "ItemSelector": {"items": [1, 2], "v.$": "$$.Map.Item.Value"},
            "ItemProcessor": flow, "MaxConcurrency": wide, "ResultPath": "$.m",
        },
        flows,
        st.integers(0, 2),
    )  # fmt: skip


_STATES = st.lists(st.recursive(_simple(), _nested, max_leaves=4), min_size=1, max_size=3)


def _kept(record: Event) -> Event:
    """As a journal gives it back."""
    return record._replace(details=decode(encode(dict(record.details))), type=str(record.type))


def _replayed(world: World) -> Execution:
    return replay(world.machine, IDENTITY, [_kept(record) for record in world.records])


def _step(world: World, choose: Any) -> None:
    open_tasks = [frame.task.id for frame in world.execution.frames.values() if frame.task is not None]
    choices: list[Stimulus | None] = [None] if world.timers else []
    for one in open_tasks:
        choices += [TaskStarted(one), TaskSucceeded(one, '{"ok":[1]}'), TaskFailed(one, "E", "C"), TaskFailed(one)]
    choices.append(Stopped())
    chosen = choose(st.sampled_from(choices))
    if chosen is None:
        world.next_timer()
    else:
        world.happens(chosen)


@settings(max_examples=150, deadline=None)
@given(_STATES, st.data())
def test_replaying_a_history_gives_the_same_state(states: list[dict[str, Any]], data: st.DataObject) -> None:
    world = World.starting(machine_of(*_until_fail(states)), {"items": [1, 2, 3]})
    redrives = data.draw(st.integers(0, 2))
    for _ in range(40):
        assert _replayed(world) == world.execution
        if world.execution.status is Status.RUNNING:
            _step(world, data.draw)
        elif world.execution.status is Status.SUCCEEDED or not redrives:
            break
        else:
            redrives -= 1
            world.redriven()
    shown = [record for record in world.records if record.id]
    assert [record.id for record in shown] == list(range(1, len(shown) + 1))
    assert all(record.previous < record.id for record in shown)


@settings(max_examples=100, deadline=None)
@given(_STATES, st.data())
def test_a_replayed_execution_waits_for_what_the_lost_one_waited_for(
    states: list[dict[str, Any]], data: st.DataObject
) -> None:
    world = World.starting(machine_of(*_until_fail(states)), {"items": [1, 2, 3]})
    for _ in range(data.draw(st.integers(0, 8))):
        if world.execution.status is not Status.RUNNING:
            return
        _step(world, data.draw)
    if world.execution.status is not Status.RUNNING:
        return
    commands = interpreter.resume(_replayed(world), world.now, FixedEffects())
    open_tasks = {frame.task.id for frame in world.execution.frames.values() if frame.task is not None}
    assert {command.task for command in commands if isinstance(command, ScheduleTask)} == open_tasks
    asked = {command.timer: command.due for command in commands if isinstance(command, StartTimer)}
    assert asked.keys() == world.timers.keys()


def _until_fail(states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Nothing behind a Fail state can be reached."""
    for index, state in enumerate(states):
        if state["Type"] == "Fail":
            return states[: index + 1]
    return states
