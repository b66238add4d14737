"""`headrace deploy`: the same template, state machines and pipelines to AWS.

SAM brings the stack up, then the catalogue is published into it. What can be known before (the stage, the SAM CLI, the
account) is asked first, so that a mistake costs a second and not a build.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.deployment.account import Client, account
from cli.deployment.catalogue import publish_catalogue
from cli.errors import CommandError
from cli.project.catalogue import catalogue_of
from cli.project.checkout import Project, find_project
from cli.project.stages import stack_of
from cli.terminal.options import Stage
from cli.terminal.output import out, say
from pipelines.catalogue import Algorithm
from pipelines.environment import Environment
from pipelines.staging.images import build_folders


def deploy(
    stage: Stage = "dev",
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Build and deploy the stack with SAM, then publish the catalogue."""
    project = find_project()
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
    program = sam(project)
    client, environment = account(stage)
    for command in commands:
        say(" ".join(("sam", *command)))
        _run((program, *command), project.root)
    _publish(project, stack, environment, client)


def sam(project: Project) -> str:
    """Finds the SAM CLI: on the PATH, or the one that `make` installs here. Raises CommandError without one."""
    beside = project.root / ".venv-tools" / "bin" / "sam"
    program = shutil.which("sam") or (str(beside) if beside.is_file() else None)
    if program is None:
        raise CommandError("the SAM CLI is not installed; `make deploy` installs it beside the project")
    return program


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
    """Tells whether the newest change set still waits: `sam deploy` ends with 0 when a person answers no to it."""
    pages = cloudformation.get_paginator("list_change_sets").paginate(StackName=stack)
    change_sets = [change_set for page in pages for change_set in page["Summaries"]]
    newest = max(change_sets, key=lambda change_set: change_set["CreationTime"], default=None)
    return newest is not None and newest.get("ExecutionStatus") == "AVAILABLE"
