"""The conditions of a Condition step. Pure."""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence

from local.documents import Json
from local.sagemaker.pipelines.expressions import ExpressionError, Scope, evaluate

_COMPARISONS: Mapping[str, Callable[[Json, Json], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
TYPES = frozenset({*_COMPARISONS, "In", "Not", "Or", "And"})


def all_hold(conditions: Sequence[Mapping[str, Json]], scope: Scope) -> bool:
    """Tells whether the conditions of a step hold, which they do when each does."""
    return all(holds(condition, scope) for condition in conditions)


def holds(condition: Mapping[str, Json], scope: Scope) -> bool:
    """Raises ExpressionError where a value is missing or the two cannot be compared."""
    kind = condition["Type"]
    if kind == "Not":
        return not holds(condition.get("Condition") or condition["Expression"], scope)
    if kind == "Or":
        return any(holds(inner, scope) for inner in condition["Conditions"])
    if kind == "And":
        return all_hold(condition["Conditions"], scope)
    if kind == "In":
        value = evaluate(condition["QueryValue"], scope)
        return any(_equal(value, evaluate(inner, scope)) for inner in condition["Values"])
    left, right = evaluate(condition["LeftValue"], scope), evaluate(condition["RightValue"], scope)
    if kind == "Equals":
        return _equal(left, right)
    left, right = _comparable(left, right)
    return bool(_COMPARISONS[kind](left, right))


def _equal(left: Json, right: Json) -> bool:
    # true is not 1 here, as in JSON.
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _comparable(left: Json, right: Json) -> tuple[Json, Json]:
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (left, right)]
    if all(numbers) or (isinstance(left, str) and isinstance(right, str)):
        return left, right
    raise ExpressionError(f"{left!r} and {right!r} cannot be compared")


def problems(conditions: Json) -> Iterator[str]:
    """Yields what is wrong with a list of conditions, all the way down."""
    if not isinstance(conditions, list) or not conditions:
        yield "a Condition step needs Conditions"
        return
    for condition in conditions:
        kind = condition.get("Type") if isinstance(condition, dict) else None
        if kind not in TYPES:
            yield f"the condition type {kind!r} is not known"
            continue
        for any_of in _MEMBERS.get(kind, _COMPARED):
            if not any(condition.get(member) is not None for member in any_of):
                yield f"condition {kind} needs {' or '.join(any_of)}"
        if kind in ("And", "Or") and condition.get("Conditions") is not None:
            yield from problems(condition["Conditions"])
        inner = condition.get("Condition") or condition.get("Expression")
        if kind == "Not" and inner is not None:
            yield from problems([inner])
        if kind == "In" and not isinstance(condition.get("Values", []), list):
            yield "condition In needs a list of Values"


_COMPARED = (("LeftValue",), ("RightValue",))
_MEMBERS: Mapping[str, Sequence[tuple[str, ...]]] = {
    "In": (("QueryValue",), ("Values",)),
    "And": (("Conditions",),),
    "Or": (("Conditions",),),
    "Not": (("Condition", "Expression"),),
}
