"""The order in which a state's fields apply to data, for both query languages.

JSONPath: InputPath, Parameters, the work, ResultSelector, ResultPath, OutputPath. JSONata: Arguments, the work,
Output. In both, Assign sees the variables as they were before the state.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from local.documents import Json
from local.stepfunctions.asl.documents import encode
from local.stepfunctions.asl.errors import RESULT_PATH_MATCH_FAILURE, StatesError
from local.stepfunctions.asl.jsonpath.expressions import UnknownPath
from local.stepfunctions.asl.jsonpath.paths import NoSuchPath, Path
from local.stepfunctions.asl.scope import Expression, Scope
from local.stepfunctions.asl.templates import JsonataTemplate


class Left(NamedTuple):
    """How a state is left."""

    output: Any
    assigned: dict[str, Json] | None


class DataFlow(Protocol):
    """Both raise StatesError."""

    def enter(self, scope: Scope) -> Any:
        """Returns what the work gets: the task's arguments, the branches' input ..."""

    def leave(self, scope: Scope, result: Any) -> Left:
        """`result` is what the work gave; for states that do no work, what `enter` gave."""


def read(expression: Expression, root: Any, scope: Scope) -> Any:
    """Returns a path field such as InputPath. Raises StatesError."""
    try:
        return expression(root, scope)
    except UnknownPath as unknown:
        raise unknown.for_path() from unknown


@dataclass(frozen=True, slots=True)
class ResultPath:
    """None for a path: the result is dropped."""

    text: str
    path: Path | None

    def combine(self, document: Any, result: Any) -> Any:
        if self.path is None:
            return document
        try:
            return self.path.insert(document, result)
        except (NoSuchPath, RecursionError):
            raise StatesError(
                RESULT_PATH_MATCH_FAILURE, f"Unable to apply Reference Path {self.text} to input {encode(document)}"
            ) from None


def empty(_root: Any, _scope: Scope) -> dict[str, Json]:
    """Returns what InputPath and OutputPath mean when they are null."""
    return {}


@dataclass(frozen=True, slots=True)
class PathFlow:
    """Fields that are not given are None."""

    input_path: Expression | None = None
    parameters: Expression | None = None
    result_selector: Expression | None = None
    result_path: ResultPath | None = None
    output_path: Expression | None = None
    assign: Expression | None = None
    names: bool = True
    """Whether TestState shows what each field gave."""

    def enter(self, scope: Scope) -> Any:
        value = scope.input
        if self.input_path is not None:
            value = read(self.input_path, value, scope)
        if scope.trace is not None and self.names:
            scope.trace["afterInputPath"] = value
        if self.parameters is not None:
            value = self.parameters(value, scope)
        return value

    def leave(self, scope: Scope, result: Any) -> Left:
        selected = result if self.result_selector is None else self.result_selector(result, scope)
        combined = selected if self.result_path is None else self.result_path.combine(scope.input, selected)
        if scope.trace is not None:
            scope.trace["afterResultSelector"] = selected
            scope.trace["afterResultPath"] = combined
        output = combined if self.output_path is None else read(self.output_path, combined, scope)
        return Left(output, None if self.assign is None else self.assign(result, scope))


@dataclass(frozen=True, slots=True)
class QueryFlow:
    """JSONata. Without an Output, the result is the output."""

    arguments: JsonataTemplate | None = None
    output: JsonataTemplate | None = None
    assign: JsonataTemplate | None = None

    def enter(self, scope: Scope) -> Any:
        return scope.input if self.arguments is None else self.arguments(scope)

    def leave(self, scope: Scope, result: Any) -> Left:
        output = result if self.output is None else self.output(scope)
        return Left(output, None if self.assign is None else self.assign(scope))


Leave = Callable[[Scope, Any], Left]
