"""A second driver: the tasks of a recorded history answer as they did on AWS, so that the rest can be compared."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from local.stepfunctions.asl.documents import decode, encode
from local.stepfunctions.asl.machine.machine import Machine
from local.stepfunctions.interpreter import interpreter
from local.stepfunctions.interpreter.commands import StartTimer, Status
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.interpreter.interpreter import Advance
from local.stepfunctions.interpreter.stimuli import (
    Stimulus,
    TaskFailed,
    TaskStarted,
    TaskSubmitted,
    TaskSucceeded,
    TimerFired,
    TimerKind,
)
from tests.conformance.driver import IDENTITY, START, SeededEffects

Recorded = dict[str, Any]
_ARNS = (
    (re.compile(r"\{\{\d+[^{}]*FunctionArn\}\}"), "arn:aws:lambda:us-east-1:111111111111:function:function"),
    (re.compile(r"\{\{\d+[^{}]*[aA]ctivityArn\}\}"), "arn:aws:states:us-east-1:111111111111:activity:activity"),
)


def with_arns(text: str) -> str:
    """What a case's setup would have put into its definition."""
    for pattern, arn in _ARNS:
        text = pattern.sub(arn, text)
    return text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else encode(value)


def details_of(event: Recorded) -> dict[str, Any]:
    return next((value for name, value in event.items() if name.endswith("EventDetails")), {})


@dataclass
class Replayed:
    machine: Machine
    history: list[Recorded]
    records: list[Event] = field(default_factory=list)
    timers: list[StartTimer] = field(default_factory=list)
    now: float = START

    def run(self) -> list[Event]:
        effects = SeededEffects()
        execution, step = interpreter.start(self.machine, IDENTITY, self._input(), self.now, effects)
        self._took(step)
        for stimulus in self._stimuli():
            self._took(interpreter.advance(execution, [stimulus], self.now, effects))
            while execution.status is Status.RUNNING and (timer := self._next_timer()) is not None:
                self.now = max(self.now, timer.due)
                self._took(interpreter.advance(execution, [TimerFired(timer.timer)], self.now, effects))
        return [record for record in self.records if record.id]

    def _input(self) -> str:
        text = _text(details_of(self.history[0])["input"])
        try:
            decode(text)
        except ValueError:
            return encode(text)
        return text

    def _took(self, step: Advance) -> None:
        self.records += step.records
        self.timers += [command for command in step.commands if isinstance(command, StartTimer)]

    def _next_timer(self) -> StartTimer | None:
        waiting = [one for one in self.timers if one.timer.kind in (TimerKind.RETRY, TimerKind.WAIT)]
        if not waiting:
            return None
        first = min(waiting, key=lambda one: one.due)
        self.timers.remove(first)
        return first

    def _stimuli(self) -> Iterator[Stimulus]:
        tasks: dict[int, int] = {}
        for event in self.history:
            if event["type"].endswith("Scheduled") or event["type"] == "MapRunStarted":
                tasks[event["id"]] = event["id"]
                continue
            task = tasks.get(event.get("previousEventId", 0))
            if task is None:
                continue
            tasks[event["id"]] = task
            stimulus = self._stimulus(task, event)
            if stimulus is not None:
                yield stimulus

    def _stimulus(self, task: int, event: Recorded) -> Stimulus | None:
        details, kind = details_of(event), event["type"]
        if kind == "MapRunSucceeded":
            return TaskSucceeded(task, self._map_result(event["id"]))
        if kind.endswith("TimedOut"):
            fired = [one for one in self.timers if one.timer.event == task]
            return TimerFired(fired[-1].timer) if fired else None
        if not kind.startswith(("Task", "LambdaFunction", "Activity", "MapRun")) or kind.startswith("TaskState"):
            return None
        match kind.removeprefix("MapRun").removeprefix("Task").removeprefix("LambdaFunction").removeprefix("Activity"):
            case "Started":
                return TaskStarted(task, details.get("workerName"))
            case "Submitted":
                return TaskSubmitted(task, _text(details["output"]))
            case "Succeeded":
                return TaskSucceeded(task, _text(details["output"]))
            case "Failed":
                cause = details.get("cause")
                return TaskFailed(task, details.get("error"), None if cause is None else _text(cause))
            case _:
                return None

    def _map_result(self, succeeded: int) -> str:
        """A history does not have it: what the Map put out."""
        exits = (event for event in self.history if event["type"] == "MapStateExited" and event["id"] > succeeded)
        return _text(details_of(next(exits))["output"])
