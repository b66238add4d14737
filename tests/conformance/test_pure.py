"""The cases that AWS answered and that need no other service, against the pure part of the engine.

HEADRACE_CONFORMANCE names the folder of pack.json; the floors below are what holds today, so that nothing is lost.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from local.stepfunctions.asl.compiler import compile_machine, validate
from local.stepfunctions.asl.validation import InvalidDefinition
from local.stepfunctions.interpreter.events import Event, as_history
from local.stepfunctions.teststate import teststate
from local.stepfunctions.teststate.request import Refused
from tests.conformance import driver
from tests.conformance.comparison import TOKEN, ends_match, events_match, response_matches, text_matches
from tests.conformance.recorded import Replayed, with_arns

_FOLDER = Path(os.environ.get("HEADRACE_CONFORMANCE", Path(__file__).parents[3] / "shared" / "conformance"))
_PACK = _FOLDER / "pack.json"
Case = dict[str, Any]
_needs_pack = pytest.mark.skipif(not _PACK.exists(), reason=f"the recorded cases are not at {_PACK}")
_VALUES = {
    "role": "arn:aws:iam::111111111111:role/role",
    "account": "111111111111",
    "region": "us-east-1",
    "account2": "000000000002",
}


class Levels(NamedTuple):
    """None: the recording does not say."""

    l0: bool
    l1: bool
    l2: bool | None


class Floor(NamedTuple):
    """The least share of cases at each level."""

    l0: float
    l1: float
    l2: float


FLOORS: Mapping[str, Floor] = {
    "execution": Floor(1.0, 1.0, 1.0),
    "sync_execution": Floor(1.0, 1.0, 0.0),
    # The rest are refused by the API: a name taken, a logging configuration, a version's description.
    "reject": Floor(0.92, 0.92, 0.63),
    "validate": Floor(1.0, 1.0, 1.0),
    # One recording has a limit of Lambda that botocore no longer has.
    "test_state": Floor(0.98, 0.98, 0.98),
}


def filled(value: str) -> str:
    return TOKEN.sub(_filler, value)


def _filler(found: re.Match[str]) -> str:
    return _VALUES.get(found[1], f"u{found[1].rpartition(':')[2]}")


def definition(case: Case) -> str:
    found = case["definition"]
    return filled(with_arns(found if isinstance(found, str) else json.dumps(found)))


def execution(case: Case) -> Levels:
    marks = set(case["placeholders"])
    try:
        machine = compile_machine(definition(case), express=case["type"] == "EXPRESS")
    except InvalidDefinition:
        return Levels(False, False, False)
    outcome = driver.run(machine, filled(case["input"]) if case["input"] is not None else "{}")
    l0, cause = ends_match(case["expected"], outcome.described(), marks)
    l1 = l0 and cause
    if not case["events"]:
        return Levels(l0, l1, None)
    unordered = bool(case.get("parallel_unordered"))
    return Levels(l0, l1, l1 and events_match(case["events"], outcome.types, unordered=unordered))


def reject(case: Case) -> Levels:
    problems = validate(definition(case), express=case["type"] == "EXPRESS")
    if not problems:
        return Levels(False, False, False if case["aws_recorded"] else None)
    l1 = case["expected"]["code"] == "InvalidDefinition"
    message = str(InvalidDefinition(problems))
    same = text_matches(case["expected"]["message"] or "", message, set(case["placeholders"]))
    return Levels(True, l1, l1 and same if case["aws_recorded"] else None)


def validated(case: Case) -> Levels:
    arguments = case["args"]
    problems = validate(filled(arguments["definition"]), express=arguments.get("type") == "EXPRESS")
    actual = {
        "result": "FAIL" if problems else "OK",
        "diagnostics": [problem.as_diagnostic() for problem in problems],
        "truncated": False,
    }
    expected = case["expected"]
    l0 = actual["result"] == expected["result"]
    l1 = l0 and _codes(actual) == _codes(expected)
    return Levels(l0, l1, l1 and response_matches(expected, actual, set(case["placeholders"])))


def _codes(response: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((one["code"], one["severity"]) for one in response["diagnostics"])


def state_answer(case: Case) -> Levels:
    marks, expected = set(case["placeholders"]), case["expected"]
    request = json.loads(filled(json.dumps(case["args"])))
    try:
        actual = teststate.answer(request, driver.START, driver.SeededEffects())
    except Refused as refused:
        error = expected.get("api_error")
        if error is None:
            return Levels(False, False, False)
        l1 = refused.code == error["code"]
        return Levels(True, l1, l1 and text_matches(error["message"] or "", str(refused), marks))
    if "api_error" in expected:
        return Levels(False, False, False)
    same, cause = ends_match(expected, actual, marks)
    l0 = same and expected.get("nextState") == actual.get("nextState")
    return Levels(l0, l0 and cause, l0 and cause and response_matches(expected, actual, marks))


RUNNERS: Mapping[str, Callable[[Case], Levels]] = {
    "execution": execution,
    "sync_execution": execution,
    "reject": reject,
    "validate": validated,
    "test_state": state_answer,
}


def wanted(case: Case) -> bool:
    return case["kind"] in RUNNERS and not (case["needs"] or case.get("unstable") or case.get("interactive"))


def pack() -> list[Case]:
    found: list[Case] = json.loads(_PACK.read_text(encoding="utf-8"))["cases"]
    return found


def cases(kind: str) -> Iterator[Case]:
    return (case for case in pack() if case["kind"] == kind and wanted(case))


@_needs_pack
@pytest.mark.parametrize("kind", RUNNERS)
def test_answers_are_those_of_aws(kind: str) -> None:
    below: dict[str, list[str]] = defaultdict(list)
    counts = dict.fromkeys(("l0", "l1", "l2", "of", "total"), 0)
    for case in cases(kind):
        levels = RUNNERS[kind](case)
        counts["total"] += 1
        counts["of"] += levels.l2 is not None
        for name, reached in levels._asdict().items():
            counts[name] += bool(reached)
            if reached is False:
                below[name].append(case["id"])
    floor = FLOORS[kind]
    assert counts["total"]
    assert counts["l0"] / counts["total"] >= floor.l0, below["l0"]
    assert counts["l1"] / counts["total"] >= floor.l1, below["l1"]
    assert not counts["of"] or counts["l2"] / counts["of"] >= floor.l2, below["l2"]


def history_is(case: Case, records: list[Event]) -> bool:
    """Every event, with its details and the event before it."""
    marks, actual = set(case["placeholders"]), [as_history(record) for record in records]
    return len(actual) == len(case["history"]) and all(
        response_matches(expected, found, marks)
        for expected, found in zip(case["history"], actual, strict=True)
        # The role stands there as each test chose to name it.
        if expected["type"] != "ExecutionStarted"
    )


@_needs_pack
def test_histories_are_those_of_aws_in_every_detail() -> None:
    found = [case for case in cases("execution") if case["history"] and not case.get("parallel_unordered")]
    same = [case for case in found if history_is(case, _records(case))]
    assert len(same) / len(found) >= 0.98, [case["id"] for case in found if case not in same]


def _records(case: Case) -> list[Event]:
    text = filled(case["input"]) if case["input"] is not None else "{}"
    return [record for record in driver.run(compile_machine(definition(case)), text).records if record.id]


@_needs_pack
def test_tasks_that_answer_as_recorded_leave_the_recorded_history() -> None:
    found = [
        case
        for case in pack()
        if case["kind"] == "execution" and case["needs"] and case["history"] and not case.get("parallel_unordered")
    ]
    unlike = [case["id"] for case in found if not _replays(case)]
    assert len(unlike) / len(found) <= 0.04, unlike


def _replays(case: Case) -> bool:
    machine = compile_machine(definition(case))
    actual = [record.type for record in Replayed(machine, case["history"]).run()]
    return events_match([event["type"] for event in case["history"]], actual, unordered=False)
