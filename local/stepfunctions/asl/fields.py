"""The fields of one object of a definition, read with their rules. What is wrong goes into the report."""

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from local.documents import Json
from local.stepfunctions.asl.documents import encode, is_number
from local.stepfunctions.asl.errors import PARAMETER_PATH_FAILURE, StatesError, SyntaxProblem, runtime
from local.stepfunctions.asl.jsonata.queries import Query, is_query
from local.stepfunctions.asl.jsonpath import paths
from local.stepfunctions.asl.jsonpath.expressions import UnknownPath, compile_expression, compile_path
from local.stepfunctions.asl.machine.dataflow import ResultPath, empty, read
from local.stepfunctions.asl.machine.machine import Evaluate
from local.stepfunctions.asl.scope import Expression, Scope
from local.stepfunctions.asl.templates import JsonataTemplate, NotAnExpression, compile_jsonata, compile_template
from local.stepfunctions.asl.validation import Report

T = TypeVar("T")
MAX_VARIABLE_NAME = 80
MOST_SECONDS = 99_999_999
"""In any field that says how long."""


@dataclass(frozen=True, slots=True)
class Fields:
    values: dict[str, Json]
    location: str
    report: Report
    jsonata: bool

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def problem(self, message: str, name: str | None = None) -> None:
        self.report.add(message, f"{self.location}/{name}" if name else self.location)

    def below(self, values: dict[str, Json], name: str) -> "Fields":
        return Fields(values, f"{self.location}/{name}", self.report, self.jsonata)

    def attempt(self, name: str, compile_it: Callable[[], T]) -> T | None:
        """Returns None, and reports a problem at the field, where it cannot be compiled."""
        try:
            return compile_it()
        except NotAnExpression as problem:
            self.problem(str(problem), name + problem.place)
        except SyntaxProblem as problem:
            self.problem(str(problem), name)
        except RecursionError:
            self.problem("Value is nested too deep", name)
        return None

    def require(self, *names: str) -> bool:
        missing = [name for name in names if name not in self.values]
        if missing:
            self.problem(f"These fields are required: [{', '.join(missing)}]")
        return not missing

    def only(self, names: Iterable[str]) -> None:
        known = {*names, "Comment"}
        for name in self.values:
            if name not in known:
                self.problem(f"Field '{name}' is not supported", name)

    def text(self, name: str) -> str | None:
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            self.problem("Value is not a String", name)
        return value if isinstance(value, str) else None

    def mapping(self, name: str) -> dict[str, Json] | None:
        value = self.values.get(name)
        if name in self.values and not isinstance(value, dict):
            self.problem("Value is not an Object", name)
        return value if isinstance(value, dict) else None

    def items(self, name: str, *, least: int = 0) -> list[Json]:
        value = self.values.get(name, [])
        if not isinstance(value, list):
            self.problem("Value is not an Array", name)
            return []
        if len(value) < least:
            self.problem("Value cannot be empty", name)
        return value

    def number(self, name: str, default: float, *, least: float, most: float = math.inf, whole: bool = True) -> float:
        value = self.values.get(name, default)
        if not is_number(value) or (whole and not isinstance(value, int)):
            self.problem("Value is not a valid Integer" if whole else "Value is not a valid Number", name)
            return default
        # An integer of JSON may be larger than any float.
        if not least <= value <= min(most, sys.float_info.max):
            self.problem(f"Value is out of range: it must be at least {least}", name)
            return default
        return float(value) if not whole else int(value)

    # Values of states, as closures.

    def path(self, name: str) -> Expression | None:
        """Returns a path field where null means no data at all."""
        if name in self.values and self.values[name] is None:
            return empty
        text = self.text(name)
        if text is None or text == "$":
            return None
        return self.attempt(name, lambda: _path_or_call(text))

    def result_path(self, name: str = "ResultPath") -> ResultPath | None:
        if name in self.values and self.values[name] is None:
            return ResultPath("null", None)
        text = self.text(name)
        if text is None or text == "$":
            return None
        if not text.startswith("$") or text.startswith("$$"):
            self.problem("Value is not a Reference Path", name)
            return None
        path = self.attempt(name, lambda: paths.parse(text[1:]))
        if path is not None and not path.is_reference:
            self.problem("Value is not a Reference Path", name)
            return None
        return ResultPath(text, path)

    def template(self, name: str, *, task: bool = False) -> Expression | None:
        if name not in self.values:
            return None
        if name == "Assign":
            self._variables()
        error = parameter_failure if task else runtime
        return self.attempt(name, lambda: compile_template(self.values[name], error))

    def jsonata_template(self, name: str) -> JsonataTemplate | None:
        if name not in self.values:
            return None
        if name == "Assign":
            self._variables()
        return self.attempt(name, lambda: compile_jsonata(self.values[name], name))

    def _variables(self) -> None:
        """Checks the names that Assign gives."""
        for member in self.mapping("Assign") or {}:
            name = member if self.jsonata else member.removesuffix(".$")
            if name == "states":
                self.problem("The variable name 'states' is reserved", "Assign")
            elif len(name) > MAX_VARIABLE_NAME or not name.isidentifier():
                self.problem(f"'{name}' is not a valid variable name", "Assign")

    def query(self, name: str) -> Query | None:
        value = self.values.get(name)
        return self.attempt(name, lambda: Query(str(value), name)) if is_query(value) else None

    def seconds(self, name: str) -> Evaluate | None:
        """`<name>` as a positive integer or a query, or `<name>Path`."""
        return self._number(name, _Limits(True, 1, MOST_SECONDS))

    def count(self, name: str) -> Evaluate | None:
        return self._number(name, _Limits(True, 0))

    def toleration(self, name: str, *, percentage: bool = False) -> Evaluate | None:
        """Reads a toleration; the interpreter says what is out of range, as it is the map run that AWS fails for it."""
        return self._number(name, _Limits(not percentage, 0, 100 if percentage else math.inf, checked=False))

    def _number(self, name: str, limits: "_Limits") -> Evaluate | None:
        if f"{name}Path" in self.values:
            if name in self.values:
                self.problem(f"Only one of the fields [{name}, {name}Path] can be set")
            return self._number_path(f"{name}Path", limits)
        if name not in self.values:
            return None
        query = self.query(name)
        if query is not None and self.jsonata:
            return _queried_number(query, limits)
        value = self.number(name, 0, least=limits.least, most=limits.most, whole=limits.whole)
        return lambda _scope, _root: value

    def _number_path(self, name: str, limits: "_Limits") -> Evaluate | None:
        text = self.text(name)
        if text is None:
            return None
        expression = self.attempt(name, lambda: compile_path(text))
        return None if expression is None else _read_number(expression, name, text, limits)


@dataclass(frozen=True, slots=True)
class _Limits:
    """Of a number, which may be known only when the state runs."""

    whole: bool
    least: int
    most: float = math.inf
    checked: bool = True
    """Also where it is known only then."""

    def admit(self, value: float) -> bool:
        return not self.checked or self.least <= value <= self.most

    def __str__(self) -> str:
        return f"between {self.least} and {self.most}" if math.isfinite(self.most) else f"of at least {self.least}"


def parameter_failure(cause: str) -> StatesError:
    """Makes the error of a path in a task's Parameters that leads nowhere."""
    return StatesError(PARAMETER_PATH_FAILURE, cause)


def _path_or_call(text: str) -> Expression:
    return compile_expression(text) if text.startswith("States.") else compile_path(text)


def shown(value: Any) -> str:
    """Returns a value inside a message."""
    return value if isinstance(value, str) else encode(value)


def _read_number(expression: Expression, name: str, text: str, limits: _Limits) -> Evaluate:
    kind = "integer" if limits.whole else "float"

    def evaluate(scope: Scope, root: Any) -> Any:
        value = read(expression, root, scope)
        if not is_number(value) or (limits.whole and not isinstance(value, int)):
            raise runtime(f'The {name} field refers to value "{shown(value)}" which is not a valid {kind}: {text}')
        if not limits.admit(value):
            raise runtime(f'The {name} field refers to value "{shown(value)}" which is not a {kind} {limits}: {text}')
        return value

    return evaluate


def _queried_number(query: Query, limits: _Limits) -> Evaluate:
    def evaluate(scope: Scope, _root: Any) -> Any:
        value = query.evaluate(scope, scope.states())
        if isinstance(value, float) and value.is_integer() and limits.whole:
            value = int(value)
        if not is_number(value) or (limits.whole and not isinstance(value, int)):
            raise query.expected("integer" if limits.whole else "number", value)
        if not limits.admit(value):
            raise query.out_of_range(str(limits), value)
        return value

    return evaluate


def text_of(expression: Expression, field: str) -> Evaluate:
    """ErrorPath and CausePath: a string."""

    def evaluate(scope: Scope, root: Any) -> Any:
        try:
            value = expression(root, scope)
        except UnknownPath as unknown:
            raise runtime(unknown.for_field(field)) from unknown
        if not isinstance(value, str):
            raise runtime(f"The {field} field does not refer to a string: {shown(value)}")
        return value

    return evaluate
