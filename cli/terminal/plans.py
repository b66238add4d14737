"""A plan of publishing, as a person reads it and as JSON."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from cli.terminal.output import out, table
from pipelines.documents import Document
from pipelines.environment import Environment
from pipelines.publishing.changes import Action, Change, Kind, Plan

_ADDRESS_SHOWN = 12
_STYLES = {Action.CREATE: "green", Action.UPDATE: "yellow", Action.DELETE: "red", Action.START: "cyan"}


def show_plan(plan: Plan, environment: Environment) -> None:
    same = len(plan.changes) - len(plan.changed)
    if plan.changed:
        table(("ACTION", "KIND", "NAME", "WHAT", "BYTES"), _rows(plan.changed))
    for note in plan.notes:
        out.print(note, markup=False)
    where = f"{environment.prefix} in account {environment.account}, region {environment.region}"
    what = f"{len(plan.changed)} to change" if plan.changed else "nothing to change"
    out.print(f"{where}: {what}, {same} unchanged")


def _rows(changes: Sequence[Change]) -> Iterator[tuple[str, ...]]:
    """Yields a line for each change, but one for all objects of a source and one for all parameters of an algorithm."""
    from rich.markup import escape

    for (action, kind, name), group in groupby(changes, key=_line):
        members = tuple(group)
        details = [detail for _, detail in map(_group, members) if detail]
        detail = f"{len(details)} object{'s' * (len(details) > 1)}" if kind is Kind.SOURCE else ", ".join(details)
        sizes = [member.size for member in members if member.size is not None]
        yield f"[{_STYLES[action]}]{action}[/]", kind, name, escape(detail), f"{sum(sizes):,}" if sizes else ""


def _line(change: Change) -> tuple[Action, Kind, str]:
    return change.action, change.kind, _group(change)[0]


def _group(change: Change) -> tuple[str, str]:
    """Returns the name of the line that a change is told on, and what it adds to the line."""
    match change.kind:
        case Kind.SOURCE:
            _, algorithm, address, name = change.name.split("/", 3)
            return f"{algorithm}/{address[:_ADDRESS_SHOWN]}", name
        case Kind.PARAMETER:
            _, algorithm, leaf = change.name.rsplit("/", 2)
            return algorithm, leaf
        case _:
            return change.name, change.detail


def plan_document(plan: Plan, environment: Environment, *, applied: bool) -> Document:
    return {
        "stage": environment.stage,
        "account": environment.account,
        "region": environment.region,
        "applied": applied,
        "changes": [
            {
                "kind": change.kind.value,
                "name": change.name,
                "action": change.action.value,
                "detail": change.detail,
                "bytes": change.size,
                "job_id": change.job_id,
            }
            for change in plan.changed
        ],
        "unchanged": len(plan.changes) - len(plan.changed),
        "notes": list(plan.notes),
    }
