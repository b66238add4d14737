"""Each state type: the fields it takes in either language, and what they are compiled to."""

from collections.abc import Callable, Mapping

from local.stepfunctions.asl.fields import Fields
from local.stepfunctions.asl.machine.machine import ParallelState, PassState, State, StateType, SucceedState
from local.stepfunctions.asl.states import map as maps
from local.stepfunctions.asl.states.choice import compile_choice
from local.stepfunctions.asl.states.contents import Contents
from local.stepfunctions.asl.states.flow_fields import end_of, flow_of
from local.stepfunctions.asl.states.retry_and_catch import faults
from local.stepfunctions.asl.states.task import compile_task
from local.stepfunctions.asl.states.wait import compile_fail, compile_wait

_COMMON = ("Type", "QueryLanguage")
_ENDS = ("Next", "End")
_FAULTS = ("Retry", "Catch")
_PATH_FIELDS: Mapping[StateType, tuple[str, ...]] = {
    StateType.PASS: (*_ENDS, "InputPath", "Parameters", "Result", "ResultPath", "OutputPath", "Assign"),
    StateType.TASK: (*_ENDS, *_FAULTS, "InputPath", "Parameters", "ResultSelector", "ResultPath", "OutputPath",
                     "Assign", "Resource", "TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds",
                     "HeartbeatSecondsPath", "Credentials"),
    StateType.WAIT: (*_ENDS, "InputPath", "OutputPath", "Assign", "Seconds", "SecondsPath", "Timestamp",
                     "TimestampPath"),
    StateType.SUCCEED: ("InputPath", "OutputPath"),
    StateType.FAIL: ("Error", "ErrorPath", "Cause", "CausePath"),
    StateType.CHOICE: ("InputPath", "OutputPath", "Assign", "Choices", "Default"),
    StateType.PARALLEL: (*_ENDS, *_FAULTS, "InputPath", "Parameters", "ResultSelector", "ResultPath", "OutputPath",
                         "Assign", "Branches"),
    StateType.MAP: (*_ENDS, *_FAULTS, *maps.COMMON, "InputPath", "Parameters", "ResultSelector", "ResultPath",
                    "OutputPath", "Assign", "ItemsPath", "MaxConcurrencyPath", "ToleratedFailureCountPath",
                    "ToleratedFailurePercentagePath"),
}  # fmt: skip
_QUERY_FIELDS: Mapping[StateType, tuple[str, ...]] = {
    StateType.PASS: (*_ENDS, "Output", "Assign"),
    StateType.TASK: (*_ENDS, *_FAULTS, "Arguments", "Output", "Assign", "Resource", "TimeoutSeconds",
                     "HeartbeatSeconds", "Credentials"),
    StateType.WAIT: (*_ENDS, "Output", "Assign", "Seconds", "Timestamp"),
    StateType.SUCCEED: ("Output",),
    StateType.FAIL: ("Error", "Cause"),
    StateType.CHOICE: ("Output", "Assign", "Choices", "Default"),
    StateType.PARALLEL: (*_ENDS, *_FAULTS, "Arguments", "Output", "Assign", "Branches"),
    StateType.MAP: (*_ENDS, *_FAULTS, *maps.COMMON, "Items", "Output", "Assign"),
}  # fmt: skip


def compile_state(contents: Contents, name: str, fields: Fields) -> State | None:
    """`fields` knows the state's language."""
    kind = StateType(fields.values["Type"])
    allowed = (_QUERY_FIELDS if fields.jsonata else _PATH_FIELDS)[kind]
    fields.only((*_COMMON, *allowed))
    return _COMPILERS[kind](contents, name, fields)


# The types.


def _pass(_contents: Contents, name: str, fields: Fields) -> State:
    has_result = "Result" in fields and not fields.jsonata
    return PassState(
        name=name,
        next=end_of(fields),
        jsonata=fields.jsonata,
        flow=flow_of(fields, traced=not has_result),
        has_result=has_result,
        result=fields.values.get("Result"),
        identity=set(fields.values) <= {*_COMMON, *_ENDS, "Comment"},
    )


def _succeed(_contents: Contents, name: str, fields: Fields) -> State:
    return SucceedState(name=name, jsonata=fields.jsonata, flow=flow_of(fields))


def _parallel(contents: Contents, name: str, fields: Fields) -> State:
    fields.require("Branches")
    branches = []
    for index, branch in enumerate(fields.items("Branches", least=1)):
        here = f"{fields.location}/Branches[{index}]"
        if not isinstance(branch, dict):
            fields.report.add("Value is not an Object", here)
            continue
        flow = contents.branch(branch, here, index)
        if flow is not None:
            branches.append(flow)
    retriers, catchers = faults(fields)
    return ParallelState(
        name=name, next=end_of(fields), jsonata=fields.jsonata, flow=flow_of(fields, traced=False),
        retriers=retriers, catchers=catchers, branches=tuple(branches),
    )  # fmt: skip


def _map(contents: Contents, name: str, fields: Fields) -> State | None:
    flow = flow_of(fields, parameters=False)
    return maps.compile_map(contents, name, fields, flow=flow, next_state=end_of(fields), faults=faults(fields))


_COMPILERS: Mapping[StateType, Callable[[Contents, str, Fields], State | None]] = {
    StateType.PASS: _pass,
    StateType.SUCCEED: _succeed,
    StateType.FAIL: lambda _contents, name, fields: compile_fail(name, fields),
    StateType.WAIT: lambda _contents, name, fields: compile_wait(name, fields),
    StateType.CHOICE: lambda _contents, name, fields: compile_choice(name, fields),
    StateType.TASK: compile_task,
    StateType.PARALLEL: _parallel,
    StateType.MAP: _map,
}
