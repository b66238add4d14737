"""JSONata: queries, evaluated by the `jsonata` package (jsonata-python, Apache-2.0).

Adds AWS's functions and turns what goes wrong into States.QueryEvaluationError. `evaluation.py` bounds what an
expression may do.
"""

import math
import random
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jsonata  # type: ignore[import-untyped]

from local.documents import Json
from local.stepfunctions.asl import intrinsics, timestamps
from local.stepfunctions.asl.documents import decode, encode, type_name
from local.stepfunctions.asl.errors import QueryEvaluationError, SyntaxProblem
from local.stepfunctions.asl.jsonata.evaluation import Expression
from local.stepfunctions.asl.scope import Scope

T = TypeVar("T")

_NULL = jsonata.Utils.NULL_VALUE


class Unsupported(Exception):
    """A result that JSON cannot hold, such as a function."""


def is_query(value: object) -> bool:
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}") and len(value) >= 4


class Query:
    """One `{% expression %}`."""

    __slots__ = ("_compiled", "_dynamic", "field", "text")

    def __init__(self, text: str, field: str) -> None:
        """`field` is where it stands, such as `Output/result`. Raises SyntaxProblem."""
        self.text = text[2:-2].strip()
        self.field = field
        try:
            self._compiled = Expression(self.text)
        except Exception as error:
            raise SyntaxProblem(str(error)) from error
        if self._compiled.errors:
            raise SyntaxProblem(str(self._compiled.errors[0]))
        for name, function in _FUNCTIONS.items():
            self._compiled.register_lambda(name, function)
        self._dynamic = [name for name in _DYNAMIC if f"${name}" in self.text]

    def evaluate(self, scope: Scope, states: Mapping[str, Json]) -> Any:
        """Raises QueryEvaluationError."""
        bindings = {name: _inward(value) for name, value in scope.variables.items() if f"${name}" in self.text}
        bindings["states"] = _inward(states)
        for name in self._dynamic:
            bindings[name] = jsonata.Jsonata.JLambda(_DYNAMIC[name](scope))
        try:
            outcome = self._compiled.run(bindings)
        # The package raises its own JException and, here and there, whatever Python raises: an expression that makes it
        # fail is a wrong expression, and no failure of the engine.
        except Exception as error:
            raise self._failed(f"threw an error during evaluation. {_reason(error)}") from error
        if outcome is None:
            raise self._failed("returned nothing (undefined).")
        try:
            return _outward(outcome)
        except Unsupported as error:
            raise self._failed("returned an unsupported result type.") from error
        except (jsonata.JException, RecursionError) as error:
            raise self._failed(f"threw an error during evaluation. {_reason(error)}") from error

    def evaluate_as(self, wanted: type[T], kind: str, scope: Scope) -> T:
        """Returns the value, if it is of that type, which JSONata calls `kind`. Raises QueryEvaluationError."""
        value = self.evaluate(scope, scope.states())
        if not isinstance(value, wanted):
            raise self.expected(kind, value)
        return value

    def expected(self, kind: str, value: Any) -> QueryEvaluationError:
        """Returns the error for a value that the field cannot take."""
        return self._failed(
            f"returned an unexpected result type. Expected '{kind}', but was '{type_name(value)}' for value: "
            f"{encode(value)}"
        )

    def out_of_range(self, range_text: str, value: Any) -> QueryEvaluationError:
        """Returns the error for a number that the field cannot take."""
        return self._failed(f"returned a number out of range. Expected a number {range_text}, but was {encode(value)}.")

    def _failed(self, what: str) -> QueryEvaluationError:
        return QueryEvaluationError(
            f"The JSONata expression '{self.text}' specified for the field '{self.field}' {what}", self.field
        )


def _reason(error: BaseException) -> str:
    if isinstance(error, jsonata.JException):
        return f"{error.error}: {error}"
    if isinstance(error, ZeroDivisionError | OverflowError):
        return "D1001: Number out of range: Infinity"
    if isinstance(error, RecursionError):
        return "D1011: Stack overflow error"
    return f"{type(error).__name__}: {error}"


def _inward(value: Any) -> Any:
    """JSON null as the package's own null: its None is undefined. Shares what holds no null."""
    if value is None:
        return _NULL
    if isinstance(value, dict):
        changed = {name: inner for name, item in value.items() if (inner := _inward(item)) is not item}
        return {**value, **changed} if changed else value
    if isinstance(value, list):
        items = [_inward(item) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def _outward(value: Any) -> Any:
    """Plain JSON again. Raises Unsupported."""
    if value is _NULL or value is None:
        return None
    if isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise jsonata.JException("D1001", -1, "Infinity")
        return value
    if isinstance(value, dict):
        return {str(name): _outward(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_outward(item) for item in value]
    raise Unsupported(type(value).__name__)


def _partition(items: Any = None, chunk: Any = None) -> Any:
    if items is None:
        return None
    if not isinstance(items, list) or not _is_number(chunk):
        raise jsonata.JException("T0410", -1, 1, "partition")
    return _computed(intrinsics.array_partition, items, int(chunk))


def _range(first: Any = None, last: Any = None, step: Any = None) -> Any:
    if not all(map(_is_number, (first, last, step))):
        raise jsonata.JException("T0410", -1, 1, "range")
    return _computed(intrinsics.array_range, int(first), int(last), int(step))


def _hash(value: Any = None, algorithm: Any = "SHA-256") -> Any:
    if value is None:
        return None
    if not isinstance(algorithm, str):
        raise jsonata.JException("T0410", -1, 2, "hash")
    text = value if isinstance(value, str) else encode(_outward(value))
    return _computed(intrinsics.hash_text, text, algorithm)


def _parse(text: Any = None) -> Any:
    if text is None:
        return None
    if not isinstance(text, str):
        raise jsonata.JException("T0410", -1, 1, "parse")
    return _inward(_computed(decode, text))


def _computed(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except (intrinsics.IntrinsicError, ValueError) as error:
        raise jsonata.JException("D3137", -1, str(error)) from error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _random(scope: Scope) -> Callable[..., Any]:
    return lambda seed=None: scope.effects.random() if seed is None else random.Random(seed).random()


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "partition": _partition,
    "range": _range,
    "hash": _hash,
    "parse": _parse,
}
_DYNAMIC: Mapping[str, Callable[[Scope], Callable[..., Any]]] = {
    "random": _random,
    "uuid": lambda scope: lambda: scope.effects.uuid(),
    "now": lambda scope: lambda *_picture: timestamps.write(scope.now),
    "millis": lambda scope: lambda: int(scope.now * 1000),
}
