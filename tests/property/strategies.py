"""What is made up for the engine: JSON of every kind, definitions in both languages, and what can happen to a task."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from hypothesis import strategies as st

Json = Any
State = dict[str, Any]

ERRORS = ("E", "Other", "My.Error")
"""Of tasks and Fail states."""

# JSON.

TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)
"""Halves of surrogate pairs too: JSON can say them."""
NUMBERS = (
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0, -0.0, 1e308, 5e-324, 2**63, -(2**64), 10**300, 10**400, 1e22])
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.fixed_dictionaries(
    {
        "a": st.integers(0, 5) | JSON,
        "items": st.lists(st.integers() | JSON, max_size=4),
        "limit": st.integers(1, 20) | st.integers(1, 20) | st.sampled_from([0, -1, 99_999_999, 10**400]),
    }
)
INPUTS = _OBJECTS | _OBJECTS | _OBJECTS | JSON


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


NOT_QUITE_JSON = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", " ", "NaN", "Infinity", "-Infinity", "1e999", "{]", "'a'", "\x00", "\ufeff{}", "[1,]", "9" * 5000]
    ),
    st.sampled_from([150, 151, 1_000, 100_000]).map(nested),
    st.integers(0, 40).map(lambda cut: '{"a": [1, "\\ud800", {"b": null}]}'[:cut]),
)
"""Texts, most of which are not JSON."""

OUTPUTS = (
    st.sampled_from(["{}", '{"ok":[1]}', '"\\ud800"', "1" * 400, nested(150)])
    | NOT_QUITE_JSON
    | st.integers(-2, 2).map(lambda more: '"' + "x" * (262_142 + more) + '"')
)
"""What a task may put out."""

# Expressions. Most give something, so that executions get somewhere.

_PATHS = st.sampled_from(["$", "$.a", "$.items"]) | st.sampled_from(["$", "$$.Execution.Name"]) | st.sampled_from(
    ["$", "$.a", "$.items", "$.items[*]", "$.items[0]", "$..a", "$.a[?(@.b > 1)]", "$$.Execution.Id",
     "$$.Map.Item.Value", "$$.State.RetryCount", "$v", "$v.a", "$.nowhere", "$.items[1:]", "$.items.length()"]
)  # fmt: skip
_VALUES = _PATHS | st.sampled_from(
    ["States.Array($.a, 1)", "States.Format('{}', $)", "States.MathAdd($.a, 1)", "States.JsonToString($)",
     "States.ArrayRange(1, 3, 1)", "States.StringToJson($.a)", "States.ArrayLength($.items)", "States.UUID()",
     "States.MathRandom(1, $.limit)", "States.ArrayUnique($.items)"]
)  # fmt: skip
_RESULT_PATHS = st.sampled_from(["$", "$.r", "$.a.b", None])
_SURE_QUERIES = st.sampled_from(["{% $states.input %}", "{% [1..3] %}", "{% 2 %}", "{% {'a': 1, 'items': [1, 2]} %}"])
_QUERIES = _SURE_QUERIES | _SURE_QUERIES | _SURE_QUERIES | st.sampled_from(
    ["$states.input", "$states.input.a", "$states.input.items", "$v", "$v + 1", "$states.input.a + 1", "[1..3]",
     "$states.context.State.Name", "$count($states.input.items)", "$states.input.a / 0", "$string($states.input)",
     "$map($states.input.items, function($x){$x})", "$number($states.input.a)", "$nowhere.at.all", "{'a': [1, 2]}",
     "$parse($states.input.a)", "$uuid()", "$power(10, 400)", "$states.input.a > 1", "$sum($states.input.items)",
     "$states.input.limit", "[1..10000000]", "$pad('x', 1000000000)",
     "$match('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', /(a+)+$/)",
     "$replace($string($states.input), /(.)/, '$1$1')", "$states.input.**.**"]
).map(lambda text: f"{{% {text} %}}")  # fmt: skip


def _mostly(*sure: str) -> st.SearchStrategy[str]:
    """Queries that give what the field takes, and now and then others."""
    right = st.sampled_from(sure)
    return right | right | right | right | _QUERIES


_ARRAYS = _mostly("{% [1..3] %}", "{% [] %}", "{% [{'a': 1}, 'x'] %}")
_CONDITIONS = _mostly("{% true %}", "{% $exists($states.input.a) %}")
_WHOLE = _mostly("{% 4 %}", "{% $count([1..7]) %}", "{% $states.input.limit %}")
_MOMENTS = _mostly("{% '1970-01-01T01:00:00Z' %}", "{% '2001-01-01T00:00:00Z' %}")
_ITEMS = st.sampled_from(["$$.Execution.Input.items"] * 5 + ["$.items"]) | _PATHS
_RESULT_QUERIES = _SURE_QUERIES | _QUERIES | st.sampled_from(["{% $states.result %}", "{% $states.result.ok %}"])
_CAUGHT_QUERIES = _QUERIES | st.sampled_from(["{% $states.errorOutput %}", "{% $states.errorOutput.Cause %}"])

# Retry and Catch.

_NAMES = st.lists(st.sampled_from([*ERRORS, "States.Timeout", "States.TaskFailed", "States.HeartbeatTimeout",
                                   "States.Runtime", "States.DataLimitExceeded"]),
                  min_size=1, max_size=2, unique=True) | st.just(["States.ALL"])  # fmt: skip
_RETRIES = st.lists(
    st.fixed_dictionaries(
        {"ErrorEquals": _NAMES},
        optional={
            "IntervalSeconds": st.sampled_from([1, 7, 99_999_999]),
            "MaxAttempts": st.sampled_from([0, 1, 2, 99_999_999]),
            "BackoffRate": st.sampled_from([1, 1.5, 2, 1e9, 1e308]),
            "MaxDelaySeconds": st.sampled_from([8, 31_622_399]),
            "JitterStrategy": st.sampled_from(["FULL", "NONE"]),
        },
    ),
    max_size=2,
)


def _catches(jsonata: bool) -> st.SearchStrategy[list[State]]:
    more: dict[str, st.SearchStrategy[Any]] = (
        {"Output": _CAUGHT_QUERIES, "Assign": st.fixed_dictionaries({"v": _CAUGHT_QUERIES})}
        if jsonata
        else {"ResultPath": _RESULT_PATHS, "Assign": st.fixed_dictionaries({"v.$": st.just("$")})}
    )
    return st.lists(
        st.fixed_dictionaries({"ErrorEquals": _NAMES, "Next": st.integers(0, 2)}, optional=more), max_size=2
    )


# States. Where one leads is told as a number: so many states further on.


def _fields(**some: st.SearchStrategy[Any]) -> st.SearchStrategy[State]:
    return st.fixed_dictionaries({}, optional=some)


_FROM = st.sampled_from(["$"] * 6) | _PATHS | st.none()
_IN = {"InputPath": _FROM, "OutputPath": _FROM}
_PARAMETERS = st.fixed_dictionaries({}, optional={"p.$": _VALUES, "items.$": _VALUES, "q": JSON})
_OUT = {"ResultPath": _RESULT_PATHS, "Assign": st.fixed_dictionaries({"v.$": _VALUES})}
_SELECTED = {"ResultSelector": st.fixed_dictionaries({"s.$": st.just("$")}), **_OUT}
_PUT_OUT = {"Output": _RESULT_QUERIES, "Assign": st.fixed_dictionaries({"v": _RESULT_QUERIES})}

INVOKE = "arn:aws:states:::lambda:invoke"
_RESOURCES = st.sampled_from(
    [INVOKE, f"{INVOKE}.waitForTaskToken", "arn:aws:states:::states:startExecution.sync:2",
     "arn:aws:lambda:us-east-1:123456789012:function:f", "arn:aws:states:us-east-1:123456789012:activity:a"]
)  # fmt: skip
_LIMITS = st.sampled_from([{}, {"TimeoutSeconds": 5}, {"TimeoutSeconds": 9, "HeartbeatSeconds": 3}])


def _path_states() -> st.SearchStrategy[State]:
    passing = st.builds(
        _merged, st.just({"Type": "Pass"}), _fields(**_IN, **_OUT, Parameters=_PARAMETERS), _fields(Result=JSON)
    )
    waiting = st.builds(
        _merged,
        st.just({"Type": "Wait"}),
        st.sampled_from([{"Seconds": 3}, {"Seconds": 8}, {"Seconds": 0}, {"SecondsPath": "$.a"},
                         {"TimestampPath": "$.a"},
                         {"Timestamp": "2001-01-01T00:00:00Z"}, {"Timestamp": "1970-01-01T01:00:00Z"}]),
        _fields(**_IN),
    )  # fmt: skip
    working = st.builds(
        _merged,
        st.builds(lambda resource: {"Type": "Task", "Resource": resource}, _RESOURCES),
        _LIMITS | st.sampled_from([{"TimeoutSecondsPath": "$.limit"}, {"HeartbeatSecondsPath": "$.limit"}]),
        _fields(**_IN, **_SELECTED, Parameters=_PARAMETERS, Retry=_RETRIES, Catch=_catches(jsonata=False)),
    )
    choosing = st.builds(
        lambda path, test, further: {"Type": "Choice", "Choices": [{"Variable": path, **test, "Next": further}],
                                     "Default": 0},
        _PATHS,
        st.sampled_from([{"IsPresent": True}, {"NumericGreaterThan": 1}, {"StringEqualsPath": "$.a"},
                         {"StringMatches": "*x*"}, {"IsTimestamp": True}]),
        st.integers(0, 2),
    )  # fmt: skip
    return passing | waiting | working | choosing


def _query_states() -> st.SearchStrategy[State]:
    passing = st.builds(
        _merged,
        st.just({"Type": "Pass"}),
        _fields(Output=_QUERIES | JSON, Assign=st.fixed_dictionaries({"v": _QUERIES})),
    )
    waiting = st.builds(
        _merged, st.just({"Type": "Wait"}),
        st.builds(lambda seconds: {"Seconds": seconds}, st.just(3) | _WHOLE)
        | st.builds(lambda moment: {"Timestamp": moment}, _MOMENTS),
    )  # fmt: skip
    working = st.builds(
        _merged,
        st.builds(lambda resource: {"Type": "Task", "Resource": resource}, _RESOURCES),
        _LIMITS
        | st.builds(
            lambda name, seconds: {name: seconds}, st.sampled_from(["TimeoutSeconds", "HeartbeatSeconds"]), _WHOLE
        ),
        _fields(**_PUT_OUT, Arguments=_QUERIES | st.just({}), Retry=_RETRIES, Catch=_catches(jsonata=True)),
    )
    choosing = st.builds(
        lambda query, further, put: {"Type": "Choice", "Choices": [{"Condition": query, "Next": further, **put}],
                                     "Default": 0},
        _CONDITIONS, st.integers(0, 2), _fields(Output=_QUERIES),
    )  # fmt: skip
    return passing | waiting | working | choosing


def _merged(*parts: Mapping[str, Any]) -> State:
    return {name: value for part in parts for name, value in part.items()}


_ENDS = st.sampled_from(
    [None, None, None, None, None, {"Type": "Succeed"}, *({"Type": "Fail", "Error": error} for error in ERRORS)]
)
_COUNTS = st.sampled_from([0, 1, 2, 50])


def _flows(states: st.SearchStrategy[State], most: int) -> st.SearchStrategy[list[State]]:
    return st.builds(
        lambda given, end: given if end is None else [*given, dict(end)],
        st.lists(states, min_size=1, max_size=most),
        _ENDS,
    )


def _around(jsonata: bool, inner: st.SearchStrategy[State]) -> st.SearchStrategy[State]:
    """Parallel and Map states with such states inside."""
    faults = {"Retry": _RETRIES, "Catch": _catches(jsonata)}
    flows = _flows(inner, 2)
    parallel_more = _fields(**_PUT_OUT, **faults) if jsonata else _fields(**_IN, **_SELECTED, **faults)
    parallel = st.builds(
        lambda branches, more: {"Type": "Parallel", "Branches": branches, **more},
        st.lists(flows, min_size=1, max_size=3),
        parallel_more,
    )
    map_more = (
        st.builds(_merged, st.builds(lambda items: {"Items": items}, _ARRAYS),
                  _fields(**_PUT_OUT, **faults, ItemSelector=st.fixed_dictionaries({"a": _QUERIES}),
                          MaxConcurrency=_COUNTS | _WHOLE))
        if jsonata
        else st.builds(_merged, st.builds(lambda items: {"ItemsPath": items}, _ITEMS),
                       _fields(**_IN, **_SELECTED, **faults, MaxConcurrency=_COUNTS,
                               ItemSelector=st.fixed_dictionaries({"a.$": _VALUES, "items": st.just([1, 2])})))
    )  # fmt: skip
    mapped = st.builds(
        lambda flow, distributed, more: {"Type": "Map", "ItemProcessor": flow, "distributed": distributed, **more},
        flows,
        st.integers(0, 5).map(lambda one: one == 0),
        map_more,
    )
    return parallel | mapped


def _states(jsonata: bool) -> st.SearchStrategy[State]:
    plain = _query_states() if jsonata else _path_states() | _query_states().map(
        lambda state: {**state, "QueryLanguage": "JSONata"}
    )  # fmt: skip
    return st.recursive(plain, lambda inner: _around(jsonata, inner), max_leaves=5)


# Definitions.


def definitions() -> st.SearchStrategy[State]:
    """Valid ones; which may do anything when they run."""
    return st.builds(
        lambda states, timeout: {**_named(states, count()), **timeout},
        _flows(_states(jsonata=False), 4),
        _TIMEOUTS,
    ) | st.builds(
        lambda states, timeout: {**_named(states, count()), "QueryLanguage": "JSONata", **timeout},
        _flows(_states(jsonata=True), 4),
        _TIMEOUTS,
    )


_TIMEOUTS = st.sampled_from([{}, {}, {"TimeoutSeconds": 20}])


def _named(states: Sequence[State], numbers: Iterator[int], **more: Any) -> State:
    """With a name for each that no other state of the machine has, and the names of those they lead to."""
    if states[-1]["Type"] == "Choice" or "Catch" in states[-1]:
        # It leads on, and never back: executions end.
        states = [*states, {"Type": "Pass"}]
    names = [f"S{next(numbers)}" for _ in states]
    named = {
        name: _led(state, index, names, numbers) for index, (name, state) in enumerate(zip(names, states, strict=True))
    }
    return {"StartAt": names[0], "States": named, **more}


def _led(state: State, index: int, names: list[str], numbers: Iterator[int]) -> State:
    def target(further: int) -> str:
        return names[min(index + 1 + further, len(names) - 1)]

    made = _inner(state, numbers)
    for rules in ("Catch", "Choices"):
        if rules in made:
            made[rules] = [{**rule, "Next": target(rule["Next"])} for rule in made[rules]]
    _catch_all_last(made)
    if state["Type"] == "Choice":
        made["Default"] = target(0)
    elif state["Type"] not in ("Succeed", "Fail"):
        made.update({"End": True} if index + 1 == len(names) else {"Next": names[index + 1]})
    return made


def _catch_all_last(state: State) -> None:
    for rules in ("Retry", "Catch"):
        if rules in state:
            state[rules] = [rule for at, rule in enumerate(state[rules])
                            if rule["ErrorEquals"] != ["States.ALL"] or at + 1 == len(state[rules])]  # fmt: skip
            if not state[rules]:
                del state[rules]


def _inner(state: State, numbers: Iterator[int]) -> State:
    made = dict(state)
    if "Branches" in made:
        made["Branches"] = [_named(flow, numbers) for flow in made["Branches"]]
    if "ItemProcessor" in made:
        distributed = made.pop("distributed")
        config = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}} if distributed else {}
        made["ItemProcessor"] = _named(made["ItemProcessor"], numbers, **config)
    return made


# Almost definitions.


@st.composite
def spoilt(draw: st.DrawFn) -> Json:
    """A definition in which something is replaced, dropped or added."""
    definition = _copied(draw(definitions()))
    for _ in range(draw(st.integers(1, 2))):
        places = list(_places(definition))
        holder, key = draw(st.sampled_from(places))
        how = draw(st.integers(0, 3))
        if how == 0:
            del holder[key]
        elif how == 1 and isinstance(holder, dict):
            holder[draw(_FIELDS)] = draw(JSON | _VALUES | _QUERIES)
        else:
            holder[key] = draw(JSON | _VALUES | _QUERIES | st.sampled_from(places).map(lambda place: _copied(place[0])))
    return definition


_FIELDS = st.sampled_from(
    ["Type", "StartAt", "States", "Next", "End", "Resource", "Parameters", "Arguments", "ResultPath", "Choices",
     "Branches", "ItemProcessor", "Retry", "Catch", "QueryLanguage", "Seconds", "Output", "a.$", "Variable", "And",
     "Items", "ItemBatcher", "ItemReader", "ResultWriter", "ProcessorConfig", "Credentials", "ErrorEquals", "Label",
     "Condition", "Not", "TimeoutSeconds", "MaxConcurrency", "ToleratedFailurePercentage", "Iterator", "Comment"]
)  # fmt: skip


def _copied(value: Json) -> Json:
    return json.loads(json.dumps(value))


def _places(value: Json) -> Iterator[tuple[Any, Any]]:
    """(object or array, key) of everything inside."""
    found = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(found):
        yield value, key
        yield from _places(item)
