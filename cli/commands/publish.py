"""`headrace publish`: bring a deployment that is there in line with the project, without SAM. The plan comes first."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from cli.deployment.account import Client, account
from cli.deployment.catalogue import compile_for, idle, publication_of, telling
from cli.errors import UsageError, problems_as_errors
from cli.project.catalogue import catalogue_of, named
from cli.project.checkout import Project, find_project
from cli.project.stages import stack_of
from cli.terminal.options import AsJson, Stage
from cli.terminal.output import out, print_json, say
from cli.terminal.plans import plan_document, show_plan
from pipelines.catalogue import Algorithm
from pipelines.environment import LOCAL_ACCOUNT, Environment
from pipelines.publishing.apply import apply
from pipelines.publishing.catalogue import plan_catalogue
from pipelines.publishing.changes import Plan
from pipelines.publishing.publication import Scope


class Part(StrEnum):
    """What can be published by itself."""

    SOURCES = "sources"
    PIPELINES = "pipelines"
    FUNCTIONS = "functions"
    CONSOLE = "console"


_CATALOGUE = frozenset({Part.SOURCES, Part.PIPELINES})


def publish(
    stage: Stage = "dev",
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
    as_json: AsJson = False,
) -> None:
    """Bring an existing deployment in line with the project: what differs is said, then made so."""
    project = find_project()
    stack = stack_of(project, stage)
    parts = _parts(project, only or (), algorithm or ())
    catalogue = catalogue_of(project)
    chosen = tuple(named(catalogue, name) for name in dict.fromkeys(algorithm or ())) or catalogue
    client, environment = account(stage)
    target = _Target(project, environment, client, stack)
    with problems_as_errors(), TemporaryDirectory(prefix="headrace-publish-") as folder:
        made = _plan(target, parts, chosen, Path(folder), whole=not algorithm)
        if not as_json:
            show_plan(made, environment)
        if not plan:
            apply(made, telling(say))
    if as_json:
        print_json(plan_document(made, environment, applied=not plan))
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
    """Returns what is published. Raises UsageError for what does not go together, or for a console not built."""
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
    from pipelines.publishing.functions import Functions, plan_functions
    from pipelines.publishing.packages import make_build

    resources = read(target.project.template)["Resources"]
    logical_ids = [name for name, resource in resources.items() if resource.get("Type") == "AWS::Serverless::Function"]
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
        response = urllib3.request("GET", url, timeout=60)
    except urllib3.exceptions.HTTPError:
        return None
    return response.data if response.status == 200 else None
