"""A small world for executions: a clock that the test moves, and tasks that the test answers."""

import json
from dataclasses import dataclass, field
from typing import Any

from local.stepfunctions.asl.compiler import compile_machine
from local.stepfunctions.asl.machine.machine import Machine
from local.stepfunctions.interpreter import interpreter
from local.stepfunctions.interpreter.commands import CancelTimer, Command, Complete, ScheduleTask, StartTimer
from local.stepfunctions.interpreter.events import Event
from local.stepfunctions.interpreter.execution import Execution, Identity
from local.stepfunctions.interpreter.interpreter import Advance
from local.stepfunctions.interpreter.stimuli import Stimulus, Timer, TimerFired

ARN = "arn:aws:states:eu-west-1:123456789012"
IDENTITY = Identity(f"{ARN}:execution:m:e", "e", f"{ARN}:stateMachine:m", "m", "arn:aws:iam::123456789012:role/r")
LAMBDA = "arn:aws:states:::lambda:invoke"


class FixedEffects:
    def random(self) -> float:
        return 0.5

    def uuid(self) -> str:
        return "00000000-0000-4000-8000-000000000000"

    def token(self, task: int) -> str:
        return f"token-{task}"


@dataclass
class World:
    machine: Machine
    execution: Execution
    now: float = 1000.0
    batches: list[list[Event]] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    timers: dict[Timer, float] = field(default_factory=dict)

    @classmethod
    def starting(cls, definition: dict[str, Any], value: Any = None, *, express: bool = False) -> "World":
        machine = compile_machine(json.dumps(definition), express=express)
        text = json.dumps({} if value is None else value)
        execution, step = interpreter.start(machine, IDENTITY, text, 1000.0, FixedEffects())
        world = cls(machine, execution)
        world.took(step)
        return world

    def took(self, step: Advance) -> None:
        self.batches.append(step.records)
        self.commands += step.commands
        for command in step.commands:
            if isinstance(command, StartTimer):
                self.timers[command.timer] = command.due
            elif isinstance(command, CancelTimer):
                self.timers.pop(command.timer, None)

    def happens(self, *stimuli: Stimulus) -> list[Event]:
        step = interpreter.advance(self.execution, stimuli, self.now, FixedEffects())
        self.took(step)
        return step.records

    def redriven(self) -> list[Event]:
        """From its records alone, as a journal has them."""
        self.timers.clear()
        self.commands.clear()
        self.execution, step = interpreter.redrive(self.machine, IDENTITY, self.records, self.now, FixedEffects())
        self.took(step)
        return step.records

    def next_timer(self) -> Timer:
        """Moves the clock to it and fires it."""
        timer = min(self.timers, key=lambda one: self.timers[one])
        self.now = max(self.now, self.timers.pop(timer))
        self.happens(TimerFired(timer))
        return timer

    @property
    def records(self) -> list[Event]:
        return [record for batch in self.batches for record in batch]

    @property
    def types(self) -> list[str]:
        return [str(record.type) for record in self.records if record.id]

    @property
    def tasks(self) -> list[ScheduleTask]:
        return [command for command in self.commands if isinstance(command, ScheduleTask)]

    @property
    def end(self) -> Complete | None:
        return next((command for command in self.commands if isinstance(command, Complete)), None)

    @property
    def output(self) -> Any:
        return None if self.end is None or self.end.output is None else json.loads(self.end.output)


def machine_of(*states: dict[str, Any], **more: Any) -> dict[str, Any]:
    """States S0, S1 ... one after the other; a state that says where it leads is left as it is.

    The states of flows inside are renamed: no two states of a machine have the same name.
    """
    named: dict[str, Any] = {}
    for index, given in enumerate(states):
        state = _inner_renamed(given, f"S{index}")
        ends = state["Type"] in ("Choice", "Fail", "Succeed") or "Next" in state or "End" in state
        last = index + 1 == len(states)
        named[f"S{index}"] = state if ends else {**state, **({"End": True} if last else {"Next": f"S{index + 1}"})}
    return {"StartAt": "S0", "States": named, **more}


def _inner_renamed(state: dict[str, Any], outer: str) -> dict[str, Any]:
    changed = dict(state)
    for name in ("ItemProcessor", "Iterator"):
        if name in state:
            changed[name] = _renamed(state[name], outer)
    if "Branches" in state:
        changed["Branches"] = [_renamed(flow, f"{outer}.{index}") for index, flow in enumerate(state["Branches"])]
    return changed


def _renamed(flow: dict[str, Any], outer: str) -> dict[str, Any]:
    """With `outer` before each name, however deep."""

    def target(value: dict[str, Any]) -> dict[str, Any]:
        return {name: f"{outer}.{to}" if name in ("Next", "Default") else to for name, to in value.items()}

    def moved(state: dict[str, Any]) -> dict[str, Any]:
        changed = target(state)
        for rules in ("Catch", "Choices"):
            if rules in changed:
                changed[rules] = [target(rule) for rule in changed[rules]]
        for inner in ("ItemProcessor", "Iterator"):
            if inner in changed:
                changed[inner] = _renamed(changed[inner], outer)
        if "Branches" in changed:
            changed["Branches"] = [_renamed(branch, outer) for branch in changed["Branches"]]
        return changed

    states = {f"{outer}.{name}": moved(state) for name, state in flow["States"].items()}
    return {**flow, "StartAt": f"{outer}.{flow['StartAt']}", "States": states}


def task(**more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": LAMBDA, "Parameters": {"FunctionName": "f"}, **more}
