"""Runs executions in this process with a virtual clock: a wait moves it. There is nothing to carry out a task."""

import heapq
import random
import uuid
from dataclasses import dataclass, field
from typing import Any

from local.stepfunctions.asl.documents import decode, encode
from local.stepfunctions.asl.machine.machine import Machine
from local.stepfunctions.interpreter import interpreter
from local.stepfunctions.interpreter.commands import Complete, StartMapRun, StartTimer, Status
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.interpreter.execution import Execution, Identity
from local.stepfunctions.interpreter.stimuli import Stimulus, TaskFailed, TaskSucceeded, TimerFired

START = 1_750_000_000.0
ARN = "arn:aws:states:us-east-1:111111111111"
IDENTITY = Identity(
    f"{ARN}:execution:machine:execution", "execution", f"{ARN}:stateMachine:machine", "machine", "snf_role_arn"
)


@dataclass
class SeededEffects:
    seed: int = 0
    source: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.source = random.Random(self.seed)

    def random(self) -> float:
        return self.source.random()

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.source.getrandbits(128), version=4))

    def token(self, task: int) -> str:
        return f"token-{task}"


@dataclass
class Outcome:
    execution: Execution
    records: list[Event]
    result: Complete | None
    """None where it waits for something that does not come."""

    @property
    def types(self) -> list[str]:
        return [record.type for record in self.records if record.id]

    def described(self) -> dict[str, Any]:
        """As DescribeExecution."""
        if self.result is None:
            return {"status": Status.RUNNING.value}
        told = {
            "status": self.result.status.value,
            "output": self.result.output,
            "error": self.result.error,
            "cause": self.result.cause,
        }
        return {name: value for name, value in told.items() if value is not None}


def run(machine: Machine, text: str = "{}", identity: Identity = IDENTITY, now: float = START) -> Outcome:
    effects = SeededEffects()
    execution, step = interpreter.start(machine, identity, text, now, effects)
    records: list[Event] = []
    timers: list[tuple[float, int, TimerFired]] = []
    answers: list[Stimulus] = []
    result: Complete | None = None
    while True:
        records += step.records
        for command in step.commands:
            match command:
                case StartTimer(timer, due):
                    heapq.heappush(timers, (due, len(timers), TimerFired(timer)))
                case StartMapRun():
                    answers.append(_map_run(command, now))
                case Complete():
                    result = command
                case _:
                    pass
        if result is not None or not (answers or timers):
            return Outcome(execution, records, result)
        if answers:
            stimulus = answers.pop(0)
        else:
            due, _, stimulus = heapq.heappop(timers)
            now = max(now, due)
        step = interpreter.advance(execution, [stimulus], now, effects)


def _map_run(command: StartMapRun, now: float) -> Stimulus:
    results: list[Any] = []
    for item in command.inputs or []:
        outcome = run(Machine(command.processor), encode(item), now=now)
        if outcome.result is None or outcome.result.status is not Status.SUCCEEDED:
            return TaskFailed(command.task, outcome.execution.error, outcome.execution.cause)
        results.append(decode(outcome.result.output or "null"))
    return TaskSucceeded(command.task, encode(results))
