"""`headrace publish`: bring a deployment that is there in line with the project, without SAM. The plan comes first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from cli.commands.deploy import stack_of
from cli.deployment.account import Client, account
from cli.deployment.catalogue import compile_for, idle, publication_of, telling, told
from cli.errors import UsageError
from cli.project import checkout as projects
from cli.project.catalogue import catalogue_of, named
from cli.project.checkout import Project
from cli.terminal.options import Json
from cli.terminal.output import out, print_json, say, table
from pipelines.catalogue import Algorithm
from pipelines.environment import LOCAL_ACCOUNT, Environment
from pipelines.publishing.apply import apply
from pipelines.publishing.catalogue import plan_catalogue
from pipelines.publishing.changes import Action, Change, Kind, Plan
from pipelines.publishing.publication import Scope

_ADDRESS_SHOWN = 12
_STYLES = {Action.CREATE: "green", Action.UPDATE: "yellow", Action.DELETE: "red", Action.START: "cyan"}


class Part(StrEnum):
    """What can be published by itself."""

    SOURCES = "sources"
    PIPELINES = "pipelines"
    FUNCTIONS = "functions"
    CONSOLE = "console"


_CATALOGUE = frozenset({Part.SOURCES, Part.PIPELINES})


def publish(
    stage: Annotated[str, typer.Option(help="A section of samconfig.toml: dev, staging or prod.")] = "dev",
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done, and do nothing.")] = False,
    only: Annotated[
        list[Part] | None,
        typer.Option(
            help="Publish this part; may be repeated. Pipelines are published with their rows, schedules, parameters "
            "and deployments.",
            show_default="all of them",
        ),
    ] = None,
    algorithm: Annotated[
        list[str] | None,
        typer.Option(
            "--algorithm",
            "-a",
            help="Publish this algorithm; may be repeated. The others stay as they are.",
            show_default="all of them, and those that are gone are removed",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring an existing deployment in line with the project: what differs is said, then made so."""
    project = projects.find()
    stack = stack_of(project, stage)
    parts = _parts(project, only or (), algorithm or ())
    catalogue = catalogue_of(project)
    chosen = tuple(named(catalogue, name) for name in dict.fromkeys(algorithm or ())) or catalogue
    client, environment = account(stage)
    target = _Target(project, environment, client, stack)
    with told(), TemporaryDirectory(prefix="headrace-publish-") as folder:
        made = _plan(target, parts, chosen, Path(folder), whole=not algorithm)
        if not as_json:
            _show(made, environment)
        if not plan:
            apply(made, telling(say))
    if as_json:
        print_json(_document(made, environment, applied=not plan))
    elif not plan and made.changed:
        out.print(f"{len(made.changed)} changes made")


@dataclass(frozen=True, slots=True)
class _Target:
    """A project, and the deployment it goes to."""

    project: Project
    environment: Environment
    client: Client
    stack: str

    @property
    def local(self) -> bool:
        return self.environment.account == LOCAL_ACCOUNT


def _parts(project: Project, only: Sequence[Part], algorithms: Sequence[str]) -> frozenset[Part]:
    """What is published. Raises UsageError for what does not go together, and for a console that is not built."""
    if algorithms:
        if not _CATALOGUE.issuperset(only):
            raise UsageError("--algorithm: expected sources or pipelines with it; functions and console have none")
        return frozenset(only) or _CATALOGUE
    if Part.CONSOLE in only and not _console(project).is_dir():
        raise UsageError(f"{_console(project)}: expected the built console, found no such folder")
    built = frozenset({Part.CONSOLE}) if _console(project).is_dir() else frozenset()
    return frozenset(only) or _CATALOGUE | {Part.FUNCTIONS} | built


def _console(project: Project) -> Path:
    return project.root / "web" / "dist"


def _plan(
    target: _Target, parts: frozenset[Part], algorithms: tuple[Algorithm, ...], folder: Path, *, whole: bool
) -> Plan:
    plan = Plan()
    publication = publication_of(target.environment, target.client)
    if parts & _CATALOGUE:
        scope = Scope(
            sources=Part.SOURCES in parts,
            pipelines=Part.PIPELINES in parts,
            whole=whole,
            idle=idle(algorithms) if target.local else (),
        )
        compiled = compile_for(target.project, publication, algorithms, say)
        plan += plan_catalogue(compiled, publication, folder, say, scope)
    if Part.FUNCTIONS in parts:
        plan += _functions(target, folder)
    if Part.CONSOLE in parts:
        from pipelines.publishing.console import plan_console

        plan += plan_console(publication, _console(target.project))
    return plan


def _functions(target: _Target, folder: Path) -> Plan:
    if target.local:
        return Plan(
            (), ("functions: the local cloud runs them from the project's folder; `headrace up` takes them anew",)
        )
    from local.template import read
    from pipelines.publishing.functions import Functions, make_build, plan_functions

    resources = read(target.project.template)["Resources"]
    logical_ids = [name for name, one in resources.items() if one.get("Type") == "AWS::Serverless::Function"]
    say(f"building {len(logical_ids)} functions")
    functions = Functions(
        cloudformation=target.client("cloudformation"),
        lambda_=target.client("lambda"),
        stack=target.stack,
        build=make_build(target.project.root),
        download=_download,
    )
    return plan_functions(functions, target.environment, logical_ids, folder)


def _download(url: str) -> bytes | None:
    import urllib3

    try:
        answer = urllib3.request("GET", url, timeout=60)
    except urllib3.exceptions.HTTPError:
        return None
    return answer.data if answer.status == 200 else None


def _show(plan: Plan, environment: Environment) -> None:
    same = len(plan.changes) - len(plan.changed)
    if plan.changed:
        table(("ACTION", "KIND", "NAME", "WHAT", "BYTES"), _rows(plan.changed))
    for note in plan.notes:
        out.print(note, markup=False)
    where = f"{environment.prefix} in account {environment.account}, region {environment.region}"
    what = f"{len(plan.changed)} to change" if plan.changed else "nothing to change"
    out.print(f"{where}: {what}, {same} unchanged")


def _rows(changes: Sequence[Change]) -> Iterator[tuple[str, ...]]:
    """A line for each change, but one for all objects of a source and one for all parameters of an algorithm."""
    from rich.markup import escape

    for (action, kind, name), group in groupby(changes, key=lambda one: (one.action, one.kind, _group(one)[0])):
        members = tuple(group)
        details = [detail for _, detail in map(_group, members) if detail]
        detail = f"{len(details)} object{'s' * (len(details) > 1)}" if kind is Kind.SOURCE else ", ".join(details)
        sizes = [member.size for member in members if member.size is not None]
        yield f"[{_STYLES[action]}]{action}[/]", kind, name, escape(detail), f"{sum(sizes):,}" if sizes else ""


def _group(change: Change) -> tuple[str, str]:
    """The name of the line that a change is told on, and what it adds to the line."""
    match change.kind:
        case Kind.SOURCE:
            _, algorithm, address, name = change.name.split("/", 3)
            return f"{algorithm}/{address[:_ADDRESS_SHOWN]}", name
        case Kind.PARAMETER:
            _, algorithm, leaf = change.name.rsplit("/", 2)
            return algorithm, leaf
        case _:
            return change.name, change.detail


def _document(plan: Plan, environment: Environment, *, applied: bool) -> dict[str, Any]:
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
