"""The conditions of a Condition step. Pure."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.sagemaker.pipelines.expressions import ExpressionError, Scope, evaluate

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
TYPES = frozenset({*_COMPARISONS, "In", "Not", "Or"})


def all_hold(conditions: Sequence[Mapping[str, Any]], scope: Scope) -> bool:
    """The conditions of a step hold when each does."""
    return all(holds(condition, scope) for condition in conditions)


def holds(condition: Mapping[str, Any], scope: Scope) -> bool:
    """Raises ExpressionError where a value is missing or the two cannot be compared."""
    kind = condition["Type"]
    if kind == "Not":
        return not holds(condition.get("Condition") or condition["Expression"], scope)
    if kind == "Or":
        return any(holds(one, scope) for one in condition["Conditions"])
    if kind == "In":
        value = evaluate(condition["QueryValue"], scope)
        return any(_equal(value, evaluate(one, scope)) for one in condition["Values"])
    left, right = evaluate(condition["LeftValue"], scope), evaluate(condition["RightValue"], scope)
    if kind == "Equals":
        return _equal(left, right)
    left, right = _comparable(left, right)
    return bool(_COMPARISONS[kind](left, right))


def _equal(left: Any, right: Any) -> bool:
    # true is not 1 here, as in JSON.
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _comparable(left: Any, right: Any) -> tuple[Any, Any]:
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (left, right)]
    if all(numbers) or (isinstance(left, str) and isinstance(right, str)):
        return left, right
    raise ExpressionError(f"{left!r} and {right!r} cannot be compared")
