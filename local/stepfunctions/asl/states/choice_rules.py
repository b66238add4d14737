"""Choice rules of JSONPath states, each compiled to a predicate."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from local.stepfunctions.asl import timestamps
from local.stepfunctions.asl.documents import is_number
from local.stepfunctions.asl.errors import SyntaxProblem, runtime
from local.stepfunctions.asl.jsonpath.expressions import UnknownPath, compile_path
from local.stepfunctions.asl.scope import Expression, Scope

Rule = Callable[[Any, Scope], bool]
_Comparison = Callable[[Any, Any], bool]

_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "IsNull": lambda value: value is None,
    "IsNumeric": is_number,
    "IsString": lambda value: isinstance(value, str),
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": lambda value: timestamps.parse(value) is not None,
}


def _as_string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _as_number(value: Any) -> Any:
    return value if is_number(value) else None


def _as_boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _ordered(read: Callable[[Any], Any], order: Callable[[Any, Any], bool]) -> _Comparison:
    """Values that are not of the operator's type never match."""

    def compare(left: Any, right: Any) -> bool:
        left, right = read(left), read(right)
        return left is not None and right is not None and order(left, right)

    return compare


def _matches(value: Any, pattern: Any) -> bool:
    """`*` stands for any text; a backslash takes its meaning away."""
    if not isinstance(value, str) or not isinstance(pattern, str):
        return False
    first, *rest = _between_stars(pattern)
    if not rest:
        return value == first
    *inner, last = rest
    if len(value) < len(first) + len(last) or not value.startswith(first) or not value.endswith(last):
        return False
    # The leftmost place of each leaves the most to those after it: there is no need to go back, as `re` would.
    position, end = len(first), len(value) - len(last)
    for part in inner:
        position = value.find(part, position, end)
        if position < 0:
            return False
        position += len(part)
    return True


def _between_stars(pattern: str) -> list[str]:
    parts = [""]
    for piece in re.findall(r"\\.|\*|[^\\*]+|\\", pattern, re.DOTALL):
        if piece == "*":
            parts.append("")
        else:
            parts[-1] += piece[1:] if piece[0] == "\\" and piece[1:] else piece
    return parts


_COMPARISONS: Mapping[str, _Comparison] = {
    **{f"String{name}": _ordered(_as_string, order) for name, order in _ORDERS.items()},
    **{f"Numeric{name}": _ordered(_as_number, order) for name, order in _ORDERS.items()},
    **{f"Timestamp{name}": _ordered(timestamps.parse, order) for name, order in _ORDERS.items()},
    "BooleanEquals": _ordered(_as_boolean, operator.eq),
    "StringMatches": _matches,
}
_NO_PATH = frozenset({"StringMatches"})
OPERATORS = frozenset(
    {*_COMPARISONS, *(f"{name}Path" for name in _COMPARISONS if name not in _NO_PATH), *_TYPES, "IsPresent"}
)
"""Each needs a Variable."""
COMPOSITES = frozenset({"And", "Or", "Not"})


def compile_rule(rule: Any) -> Rule:
    """Returns one rule, without its Next. Raises SyntaxProblem."""
    if not isinstance(rule, dict):
        raise SyntaxProblem("A Choice rule must be an object")
    if "Not" in rule:
        inner = compile_rule(rule["Not"])
        return lambda root, scope: not inner(root, scope)
    for name, every in (("And", all), ("Or", any)):
        if name in rule:
            rules = rule[name]
            if not isinstance(rules, list) or not rules:
                raise SyntaxProblem("Value cannot be empty")
            return _composite([compile_rule(contained) for contained in rules], every)
    operators = [name for name in rule if name in OPERATORS]
    if len(operators) != 1 or not isinstance(rule.get("Variable"), str):
        raise SyntaxProblem("A Choice rule must have a Variable and exactly one comparison operator")
    return _comparison(operators[0], rule["Variable"], rule[operators[0]])


def _composite(rules: list[Rule], every: Callable[[Any], bool]) -> Rule:
    return lambda root, scope: every(rule(root, scope) for rule in rules)


def _comparison(name: str, variable: str, operand: Any) -> Rule:
    read = compile_path(variable)
    if name == "IsPresent":
        _expect_boolean(operand)
        return lambda root, scope: _is_present(read, root, scope) is operand
    value = _valid(read)
    if name in _TYPES:
        _expect_boolean(operand)
        check = _TYPES[name]
        return lambda root, scope: check(value(root, scope)) is operand
    if name.endswith("Path"):
        if not isinstance(operand, str):
            raise SyntaxProblem("Value is not a String")
        other, compare = _valid(compile_path(operand)), _COMPARISONS[name.removesuffix("Path")]
        return lambda root, scope: compare(value(root, scope), other(root, scope))
    if name.startswith("Timestamp") and timestamps.parse(operand) is None:
        raise SyntaxProblem("String does not match RFC3339 timestamp")
    compare = _COMPARISONS[name]
    return lambda root, scope: compare(value(root, scope), operand)


def _expect_boolean(operand: Any) -> None:
    if not isinstance(operand, bool):
        raise SyntaxProblem("Value is not a Boolean")


def _is_present(read: Expression, root: Any, scope: Scope) -> bool:
    try:
        read(root, scope)
    except UnknownPath:
        return False
    return True


def _valid(read: Expression) -> Expression:
    def checked(root: Any, scope: Scope) -> Any:
        try:
            return read(root, scope)
        except UnknownPath as unknown:
            raise runtime(
                f"Invalid path '{unknown.path}': The choice state's condition path references an invalid value."
            ) from unknown

    return checked
