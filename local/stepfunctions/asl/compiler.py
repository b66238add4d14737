"""A definition's text becomes a machine, or the list of everything that is wrong with it.

One pass does both: each field is read by `fields.py`, which reports what it cannot read. `steps.py` knows the fields
of each state type.
"""

import copy
from collections.abc import Iterator
from typing import Any

from local.documents import Json
from local.stepfunctions.asl.documents import decode
from local.stepfunctions.asl.fields import MOST_SECONDS, Fields
from local.stepfunctions.asl.machine.machine import ChoiceState, Flow, Machine, RetryingState, State, StateType
from local.stepfunctions.asl.machine.processors import EXPRESS_SECONDS
from local.stepfunctions.asl.states import state_types
from local.stepfunctions.asl.validation import Code, InvalidDefinition, Problem, Report

JSONPATH, JSONATA = "JSONPath", "JSONata"
_MACHINE_FIELDS = ("StartAt", "States", "Version", "TimeoutSeconds", "QueryLanguage")
_MAX_NAME = 80


def compile_machine(text: str, *, express: bool = False) -> Machine:
    """Raises InvalidDefinition."""
    machine, problems = check(text, express=express)
    if machine is None or problems:
        raise InvalidDefinition(problems)
    return machine


def validate(text: str, *, express: bool = False) -> list[Problem]:
    """Returns every problem, in the order of the definition."""
    return check(text, express=express)[1]


def check(text: str, *, express: bool = False) -> tuple[Machine | None, list[Problem]]:
    report = Report()
    try:
        definition = decode(text)
    except ValueError as error:
        return None, [Problem(Code.INVALID_JSON_DESCRIPTION, str(error), "/")]
    if not isinstance(definition, dict):
        return None, [Problem(Code.SCHEMA_VALIDATION_FAILED, "Value is not an Object", "/")]
    compiler = Compiler(report, jsonata=definition.get("QueryLanguage") == JSONATA, express=express)
    machine = compiler.machine(definition)
    return machine, report.problems


def compile_state(text: str) -> tuple[State | None, list[Problem]]:
    """Returns one state alone, as TestState takes it; it is called StateName."""
    report = Report()
    try:
        definition = decode(text)
    except ValueError as error:
        return None, [Problem(Code.INVALID_JSON_DESCRIPTION, str(error), "/")]
    if not isinstance(definition, dict):
        return None, [Problem(Code.SCHEMA_VALIDATION_FAILED, "Value is not an Object", "/")]
    compiler = Compiler(report, jsonata=False, express=False)
    return compiler.state("StateName", definition, "/States"), report.problems


class Compiler:
    """Of one definition."""

    def __init__(self, report: Report, *, jsonata: bool, express: bool) -> None:
        self.report = report
        self.jsonata = jsonata
        """The language of the machine; a state may leave JSONPath for JSONata, not the other way."""
        self.express = express
        self.trail: list[str | int] = []
        self._names: set[str] = set()

    def machine(self, definition: dict[str, Json]) -> Machine | None:
        fields = Fields(definition, "", self.report, self.jsonata)
        fields.only(_MACHINE_FIELDS)
        self._language(fields)
        timeout = fields.number("TimeoutSeconds", 0, least=1, most=MOST_SECONDS) if "TimeoutSeconds" in fields else None
        if self.express:
            timeout = min(timeout or EXPRESS_SECONDS, EXPRESS_SECONDS)
        flow = self.flow(definition, "")
        return None if flow is None else Machine(flow, timeout, self.express)

    def flow(self, definition: dict[str, Json], location: str) -> Flow | None:
        fields = Fields(definition, location, self.report, self.jsonata)
        if not fields.require("States", "StartAt"):
            return None
        start, definitions = fields.text("StartAt"), fields.mapping("States")
        if start is None or definitions is None:
            return None
        if not definitions:
            fields.problem("Value cannot be empty", "States")
        before = len(self.report.problems)
        states = {name: self.state(name, state, f"{location}/States") for name, state in definitions.items()}
        if start not in definitions:
            self._missing("StartAt", start, f"{location}/StartAt")
        elif len(self.report.problems) == before:
            self._reach(start, {name: state for name, state in states.items() if state is not None}, location)
        return Flow(start, {name: state for name, state in states.items() if state is not None})

    # `states.contents.Contents`: what a state that contains others asks.

    def branch(self, definition: dict[str, Json], location: str, index: int) -> Flow | None:
        self.trail.append(index)
        flow = self.flow(definition, location)
        self.trail.pop()
        return flow

    def processor(self, definition: dict[str, Json], location: str, *, express: bool) -> Flow | None:
        within = self
        if express and not self.express:
            # The report, the names and the trail stay those of the whole definition.
            within = copy.copy(self)
            within.express = True
        return within.flow(definition, location)

    def state(self, name: str, definition: Any, location: str) -> State | None:
        here = f"{location}/{name}"
        if name in self._names:
            self.report.add(f"Duplicate State name: {name}", here, Code.DUPLICATE_STATE_NAME)
        self._names.add(name)
        self.trail.append(name)
        state = self._state(name, definition, here)
        self.trail.pop()
        return state

    def _state(self, name: str, definition: Any, here: str) -> State | None:
        if not isinstance(definition, dict):
            self.report.add("Value is not an Object", here)
            return None
        if len(name) > _MAX_NAME:
            self.report.add(f"State name cannot be longer than {_MAX_NAME} characters", here)
        if "Type" not in definition:
            self.report.add("These fields are required: [Type]", here)
            return None
        if definition["Type"] not in tuple(StateType):
            values = ", ".join(StateType)
            self.report.add(f"The field 'Type' should have one of these values: [{values}]", f"{here}/Type")
            return None
        fields = Fields(definition, here, self.report, self.jsonata)
        jsonata = self._language(fields)
        return state_types.compile_state(self, name, Fields(definition, here, self.report, jsonata))

    def _language(self, fields: Fields) -> bool:
        language = fields.values.get("QueryLanguage", JSONATA if self.jsonata else JSONPATH)
        if language not in (JSONPATH, JSONATA):
            fields.problem(
                f"The field 'QueryLanguage' should have one of these values: [{JSONPATH}, {JSONATA}]", "QueryLanguage"
            )
        if language == JSONPATH and self.jsonata:
            fields.problem("'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
        return bool(language == JSONATA)

    def _missing(self, field: str, target: str, location: str) -> None:
        self.report.add(f"Missing '{field}' target: {target}", location, Code.MISSING_TRANSITION_TARGET)

    def _reach(self, start: str, states: dict[str, State], location: str) -> None:
        """Checks that every target is there, and every state a target."""
        reached, ahead = {start}, [start]
        while ahead:
            name = ahead.pop()
            for target, where in _targets(states[name]):
                if target not in states:
                    self._missing(where.rsplit("/", 1)[-1], target, f"{location}/States/{name}/{where}")
                elif target not in reached:
                    reached.add(target)
                    ahead.append(target)
        for name in states:
            if name not in reached:
                here = f"{location}/States/{name}"
                self.report.add(f'State "{name}" is not reachable.', here, Code.MISSING_TRANSITION_TARGET)


def _targets(state: State) -> Iterator[tuple[str, str]]:
    """(name, field below the state)."""
    if state.next is not None:
        yield state.next, "Next"
    if isinstance(state, ChoiceState):
        for index, branch in enumerate(state.branches):
            yield branch.next, f"Choices[{index}]/Next"
        if state.default is not None:
            yield state.default, "Default"
    if isinstance(state, RetryingState):
        for index, catcher in enumerate(state.catchers):
            yield catcher.next, f"Catch[{index}]/Next"
