"""`headrace deploy`: the same template, state machines and pipelines to AWS.

SAM brings the stack up, then the catalogue is published into it. What can be known before (the stage, the SAM CLI, the
account) is asked first, so that a mistake costs a second and not a build.
"""

import os
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.deployment.account import Client, account
from cli.deployment.catalogue import publish_catalogue
from cli.errors import CommandError, UsageError
from cli.project import checkout as projects
from cli.project.catalogue import catalogue_of
from cli.project.checkout import Project
from cli.terminal.output import out, say
from pipelines.catalogue import Algorithm
from pipelines.environment import Environment
from pipelines.staging.images import build_folders


def deploy(
    stage: Annotated[str, typer.Option(help="A section of samconfig.toml: dev, staging or prod.")] = "dev",
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Build and deploy the stack with SAM, then publish the catalogue."""
    project = projects.find()
    stack = stack_of(project, stage)
    catalogue = catalogue_of(project)
    commands = (
        ("build", "--config-env", stage),
        ("deploy", "--config-env", stage, "--no-fail-on-empty-changeset"),
    )
    if plan:
        for command in commands:
            out.print(" ".join(("sam", *command)), markup=False)
        _print_publishing(stage, catalogue)
        return
    cli = sam(project)
    client, environment = account(stage)
    for command in commands:
        say(" ".join(("sam", *command)))
        _run((cli, *command), project.root)
    _publish(project, stack, environment, client)


def sam(project: Project) -> str:
    """The SAM CLI: on the PATH, or the one `make` installs beside the project. Raises CommandError without one."""
    beside = project.root / ".venv-tools" / "bin" / "sam"
    found = shutil.which("sam") or (str(beside) if beside.is_file() else None)
    if found is None:
        raise CommandError("the SAM CLI is not installed; `make deploy` installs it beside the project")
    return found


def stack_of(project: Project, stage: str) -> str:
    """The stack that samconfig.toml names for a stage.

    Raises UsageError for a stage that has no section of its own there, or whose section deploys another one: SAM
    would take defaults without a word, and the catalogue would be published beside the stack.
    """
    file = project.root / "samconfig.toml"
    sections = _sections(file)
    if stage not in sections:
        raise UsageError(f"{file}: no stage {stage}; there are {', '.join(sections) or 'none'}")
    section = sections[stage]
    overrides = _parameter(section, "parameter_overrides", [])
    if f"Stage={stage}" not in (overrides.split() if isinstance(overrides, str) else overrides):
        raise UsageError(f"{file}: [{stage}.deploy.parameters] parameter_overrides: expected Stage={stage}")
    stack = _parameter(section, "stack_name", None)
    if not isinstance(stack, str):
        raise UsageError(f"{file}: [{stage}.global.parameters] stack_name: expected headrace-{stage}")
    return stack


def _sections(file: Path) -> dict[str, Mapping[str, Any]]:
    """The stages of samconfig.toml. SAM's `default` is none: it stands for one of the others."""
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from error
    return {name: value for name, value in document.items() if isinstance(value, dict) and name != "default"}


def _parameter(section: Mapping[str, Any], name: str, default: object) -> Any:
    """A parameter of `sam deploy`: under `deploy`, else under `global`, as SAM looks it up."""
    for command in ("deploy", "global"):
        parameters = section.get(command, {}).get("parameters", {})
        if name in parameters:
            return parameters[name]
    return default


def _print_publishing(stage: str, catalogue: tuple[Algorithm, ...]) -> None:
    if any(build_folders(algorithm) for algorithm in catalogue):
        out.print(f"headrace images push --stage {stage}  # by hand, as it needs Docker", markup=False)
    for algorithm in catalogue:
        out.print(f"publish {algorithm.name}", markup=False)


def _run(command: tuple[str, ...], folder: Path) -> None:
    environment = {"SAM_CLI_TELEMETRY": "0", **os.environ}
    try:
        subprocess.run(command, cwd=folder, env=environment, check=True)
    except OSError as error:
        raise CommandError(f"{command[0]}: cannot be run: {error}") from error
    except subprocess.CalledProcessError as error:
        raise CommandError(f"{' '.join(command)}: ended with {error.returncode}") from error


def _publish(project: Project, stack: str, environment: Environment, client: Client) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        if was_declined(client("cloudformation"), stack):
            raise CommandError(f"{stack}: its change set was not executed, so the catalogue was not published")
        publish_catalogue(project, environment, client, say)
    except (BotoCoreError, ClientError, ValueError) as error:
        raise CommandError(f"the catalogue was not published: {error}") from error


def was_declined(cloudformation: Any, stack: str) -> bool:
    """Whether the newest change set still waits: `sam deploy` ends with 0 when a person answers no to it."""
    pages = cloudformation.get_paginator("list_change_sets").paginate(StackName=stack)
    change_sets = [change_set for page in pages for change_set in page["Summaries"]]
    newest = max(change_sets, key=lambda change_set: change_set["CreationTime"], default=None)
    return newest is not None and newest.get("ExecutionStatus") == "AVAILABLE"
