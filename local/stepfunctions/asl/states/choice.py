"""Choice states: the branches, in either language. The JSONPath rules are those of `choices.py`."""

from collections.abc import Callable
from typing import Any

from local.stepfunctions.asl.fields import Fields
from local.stepfunctions.asl.jsonata.queries import is_query
from local.stepfunctions.asl.machine.dataflow import DataFlow, Left, PathFlow, QueryFlow, read
from local.stepfunctions.asl.machine.machine import Branch, ChoiceState, State
from local.stepfunctions.asl.scope import Scope
from local.stepfunctions.asl.states.choice_rules import COMPOSITES, OPERATORS, compile_rule
from local.stepfunctions.asl.states.flow_fields import flow_of


def compile_choice(name: str, fields: Fields) -> State:
    fields.require("Choices")
    flow = flow_of(fields)
    branches = [
        branch
        for index, rule in enumerate(fields.items("Choices", least=1))
        if (branch := _branch(fields, rule, index, flow)) is not None
    ]
    return ChoiceState(
        name=name, jsonata=fields.jsonata, flow=flow, branches=tuple(branches), default=fields.text("Default")
    )


def _branch(state: Fields, rule: Any, index: int, flow: DataFlow) -> Branch | None:
    name = f"Choices[{index}]"
    if not isinstance(rule, dict):
        state.problem("Value is not an Object", name)
        return None
    fields = state.below(rule, name)
    target = fields.text("Next")
    if not fields.require("Next") or target is None:
        return None
    if not fields.jsonata:
        fields.only(("Next", "Assign", "Variable", *OPERATORS, *COMPOSITES))
        return _path_branch(state, fields, target, flow, name)
    fields.only(("Next", "Assign", "Output", "Condition"))
    holds = _condition(fields)
    leave = QueryFlow(None, fields.jsonata_template("Output"), fields.jsonata_template("Assign")).leave
    return None if holds is None else Branch(holds, target, leave)


def _path_branch(state: Fields, fields: Fields, target: str, flow: DataFlow, name: str) -> Branch | None:
    condition = {field: value for field, value in fields.values.items() if field not in ("Next", "Assign", "Comment")}
    rule = state.attempt(name, lambda: compile_rule(condition))
    assign = fields.template("Assign")
    if rule is None:
        return None

    def leave(scope: Scope, value: Any) -> Left:
        output_path = flow.output_path if isinstance(flow, PathFlow) else None
        output = value if output_path is None else read(output_path, value, scope)
        return Left(output, None if assign is None else assign(value, scope))

    return Branch(lambda scope, root: rule(root, scope), target, leave)


def _condition(fields: Fields) -> Callable[[Scope, Any], bool] | None:
    if not fields.require("Condition"):
        return None
    value = fields.values["Condition"]
    if isinstance(value, bool):
        return lambda _scope, _root: value
    if not is_query(value):
        fields.problem("Value is not a valid JSONata expression", "Condition")
        return None
    query = fields.query("Condition")
    return None if query is None else lambda scope, _root: query.evaluate_as(bool, "boolean", scope)
