"""`headrace deploy`: the same template, state machines and pipelines to AWS.

SAM brings the stack up, then the catalogue is published into it. Nothing here runs without AWS credentials.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import project as projects
from cli.algorithms import catalogue_of
from cli.errors import CommandError
from cli.output import out, say
from cli.project import Project
from cli.publishing import image_folders, publish_catalogue
from pipelines.environment import Environment


def deploy(
    stage: Annotated[str, typer.Option(help="A section of samconfig.toml: dev, staging or prod.")] = "dev",
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Build and deploy the stack with SAM, then publish the catalogue."""
    project = projects.find()
    catalogue = catalogue_of(project)
    commands = [
        [sam(project), "build", "--config-env", stage],
        [sam(project), "deploy", "--config-env", stage, "--no-fail-on-empty-changeset"],
    ]
    if plan:
        for command in commands:
            out.print(" ".join(command), markup=False)
        for name, folder in image_folders(catalogue).items():
            out.print(f"docker build -t {name} {folder.relative_to(project.root)}  # and push it to ECR", markup=False)
        for algorithm in catalogue:
            out.print(f"publish {algorithm.name}", markup=False)
        return
    for command in commands:
        say(" ".join(command))
        _run(command, project.root)
    _publish(project, stage)


def sam(project: Project) -> str:
    """The SAM CLI: on the PATH, or the one `make` installs beside the project. Raises CommandError without one."""
    beside = project.root / ".venv-tools" / "bin" / "sam"
    found = shutil.which("sam") or (str(beside) if beside.is_file() else None)
    if found is None:
        raise CommandError("the SAM CLI is not installed; `make deploy` installs it beside the project")
    return found


def _run(command: list[str], folder: Path) -> None:
    environment = {"SAM_CLI_TELEMETRY": "0", **os.environ}
    try:
        subprocess.run(command, cwd=folder, env=environment, check=True)
    except subprocess.CalledProcessError as error:
        raise CommandError(f"{' '.join(command)}: ended with {error.returncode}") from error


def _publish(project: Project, stage: str) -> None:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    session = boto3.Session()
    # The stubs know services by literal name only; ours arrive as data.
    make: Callable[[str], Any] = session.client  # type: ignore[assignment]
    try:
        account = make("sts").get_caller_identity()["Account"]
        environment = Environment(stage=stage, account=account, region=str(session.region_name))
        publish_catalogue(project, environment, make, say)
    except (BotoCoreError, ClientError, ValueError) as error:
        raise CommandError(f"the catalogue was not published: {error}") from error
