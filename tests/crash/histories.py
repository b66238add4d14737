"""What every history must be like, whatever happened to the process that wrote it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from local.stepfunctions.interpreter.events import Event, as_history

ENDS = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionTimedOut": "TIMED_OUT",
    "ExecutionAborted": "ABORTED",
}
_TASKS = ("LambdaFunction", "Activity", "Task", "MapRun")
_BEGUN = ("Scheduled", "Started", "Submitted", "Redriven")
_OVER = ("Succeeded", "Failed", "TimedOut", "Aborted")
_TASK_GOES_ON = frozenset(f"{kind}{how}" for kind in _TASKS for how in _BEGUN)
_TASK_IS_OVER = frozenset(f"{kind}{how}" for kind in _TASKS for how in _OVER)
_FAILURES = ("Failed", "TimedOut", "Aborted")

History = Sequence[Mapping[str, Any]]


def shown(records: Iterable[Event]) -> list[dict[str, Any]]:
    """As GetExecutionHistory shows them."""
    return [as_history(record) for record in records if record.id]


def check(history: History, status: str) -> None:
    """Of an execution with this status, as GetExecutionHistory gives it."""
    numbers = [event["id"] for event in history]
    assert numbers == list(range(1, len(history) + 1)), numbers
    assert history[0]["type"] == "ExecutionStarted"
    assert [event["id"] for event in history if event["type"] == "ExecutionStarted"] == [1]
    for event in history:
        # A sibling's failure is told of from the event that made it fail, so nothing more can be said in general.
        assert 0 <= event["previousEventId"] < event["id"], event
    times = [event["timestamp"] for event in history]
    assert times == sorted(times)
    _ends_once(history, status)
    _states_are_left_once(history)
    _tasks_are_over_once(history)
    _documents_are_handed_on(history)


def _ends_once(history: History, status: str) -> None:
    """And once more after each redrive."""
    marks = [event["type"] for event in history if event["type"] in ENDS or event["type"] == "ExecutionRedriven"]
    for index, kind in enumerate(marks):
        assert (kind == "ExecutionRedriven") == bool(index % 2), marks
    is_over = bool(len(marks) % 2)
    assert is_over == (status != "RUNNING"), (marks, status)
    if is_over:
        assert history[-1]["type"] in ENDS
        assert ENDS[history[-1]["type"]] == status


def _states_are_left_once(history: History) -> None:
    """A state that was entered and not left has failed, or was in a line of states that something else ended."""
    inside: Counter[str] = Counter()
    for event in history:
        if event["type"].endswith("StateEntered"):
            inside[event["stateEnteredEventDetails"]["name"]] += 1
        elif event["type"].endswith("StateExited"):
            name = event["stateExitedEventDetails"]["name"]
            inside[name] -= 1
            assert inside[name] >= 0, f"{name} was left more often than entered"
    failed = any(event["type"].endswith(_FAILURES) for event in history)
    if history[-1]["type"] == "ExecutionSucceeded" and not failed:
        assert not +inside, f"never left: {+inside}"


def _tasks_are_over_once(history: History) -> None:
    """Each step of a task is followed by one other at most: it starts once, and it ends once."""
    kinds = {event["id"]: event["type"] for event in history}
    followed: Counter[int] = Counter()
    for event in history:
        kind, previous = event["type"], event["previousEventId"]
        if kind in _TASK_IS_OVER or (kind in _TASK_GOES_ON and not kind.endswith(("Scheduled", "Redriven"))):
            before = kinds.get(previous)
            if before in _TASK_GOES_ON:
                followed[previous] += 1
    assert not [number for number, times in followed.items() if times > 1], followed


def _documents_are_handed_on(history: History) -> None:
    """What a state puts out is what the next one is given, to the letter."""
    left = {
        event["id"]: event["stateExitedEventDetails"]["output"]
        for event in history
        if event["type"].endswith("StateExited")
    }
    for event in history:
        previous = event["previousEventId"]
        if previous in left and event["type"].endswith("StateEntered"):
            assert event["stateEnteredEventDetails"]["input"] == left[previous], event
        if previous in left and event["type"] == "ExecutionSucceeded":
            assert event["executionSucceededEventDetails"]["output"] == left[previous]


def tasks_over(records: Iterable[Event]) -> set[int]:
    """The events that scheduled tasks which are over."""
    by_id = {record.id: record for record in records}
    over = set()
    for record in by_id.values():
        if record.type in _TASK_IS_OVER:
            before = by_id[record.previous]
            while before.type in _TASK_GOES_ON and not before.type.endswith(("Scheduled", "Redriven")):
                before = by_id[before.previous]
            over.add(before.id)
    return over
