"""Payload templates: JSON in which some strings are expressions.

In JSONPath a member whose name ends in `.$` holds one; in JSONata any string `{% ... %}` is one.
"""

from collections.abc import Callable
from typing import Any

from local.documents import Json
from local.stepfunctions.asl.errors import StatesError, SyntaxProblem, runtime
from local.stepfunctions.asl.jsonata.queries import Query, is_query
from local.stepfunctions.asl.jsonpath.expressions import UnknownPath, compile_expression
from local.stepfunctions.asl.scope import Expression, Scope

JsonataTemplate = Callable[[Scope], Any]


class NotAnExpression(SyntaxProblem):
    """The value of a `.$` member cannot be compiled."""

    def __init__(self, name: str, place: str) -> None:
        super().__init__(
            f"The value for the field '{name}' must be a valid JSONPath or a valid intrinsic function call"
        )
        self.place = place
        """Where it stands below the template, such as `/inner`."""


def compile_template(template: Any, error: Callable[[str], StatesError] = runtime, place: str = "") -> Expression:
    """Returns a JSONPath payload template. `error` makes the error of a path that leads nowhere. Raises
    SyntaxProblem.
    """
    compiled = _compiled(template, error, place)
    return compiled if compiled is not None else lambda _root, _scope: template


def _compiled(template: Any, error: Callable[[str], StatesError], place: str) -> Expression | None:
    """Returns None for a constant."""
    if isinstance(template, dict):
        members = {
            name: _member(name, value, error, place)
            if name.endswith(".$")
            else _compiled(value, error, f"{place}/{name}")
            for name, value in template.items()
        }
        return _object(template, members)
    if isinstance(template, list):
        items = [_compiled(item, error, f"{place}[{index}]") for index, item in enumerate(template)]
        return _array(template, items)
    return None


def _object(template: dict[str, Json], members: dict[str, Expression | None]) -> Expression | None:
    if not any(members.values()):
        return None
    plan = [(name.removesuffix(".$") if member else name, member, template[name]) for name, member in members.items()]
    return lambda root, scope: {name: value if member is None else member(root, scope) for name, member, value in plan}


def _array(template: list[Json], items: list[Expression | None]) -> Expression | None:
    if not any(items):
        return None
    plan = list(zip(items, template, strict=True))
    return lambda root, scope: [value if item is None else item(root, scope) for item, value in plan]


def _member(name: str, value: Any, error: Callable[[str], StatesError], place: str) -> Expression:
    if not isinstance(value, str):
        raise NotAnExpression(name, place)
    try:
        expression = compile_expression(value)
    except SyntaxProblem as problem:
        raise NotAnExpression(name, place) from problem

    def evaluate(root: Any, scope: Scope) -> Any:
        try:
            return expression(root, scope)
        except UnknownPath as unknown:
            raise error(unknown.for_field(name)) from unknown

    return evaluate


def compile_jsonata(template: Any, field: str) -> JsonataTemplate:
    """Returns a JSONata template; `field` is the name of the field it stands in. Raises SyntaxProblem."""
    compiled = _compiled_jsonata(template, field)
    if compiled is None:
        return lambda _scope: template
    evaluate = compiled
    return lambda scope: evaluate(scope, scope.states())


_Evaluate = Callable[[Scope, dict[str, Json]], Any]


def _compiled_jsonata(template: Any, field: str) -> _Evaluate | None:
    if is_query(template):
        return Query(template, field).evaluate
    if isinstance(template, dict):
        members = [(name, _compiled_jsonata(value, f"{field}/{name}"), value) for name, value in template.items()]
        if not any(compiled for _, compiled, _ in members):
            return None
        return lambda scope, states: {
            name: value if compiled is None else compiled(scope, states) for name, compiled, value in members
        }
    if isinstance(template, list):
        items = [(_compiled_jsonata(value, f"{field}[{index}]"), value) for index, value in enumerate(template)]
        if not any(compiled for compiled, _ in items):
            return None
        return lambda scope, states: [
            value if compiled is None else compiled(scope, states) for compiled, value in items
        ]
    return None
