"""`headrace images build`: images on this machine."""

from typing import Annotated

import typer

from cli.commands.images.docker import docker
from cli.commands.images.ecr import Aws, log_in
from cli.commands.images.outcome import Outcome, print_outcomes
from cli.commands.images.plan import DryRun, Names, environment_of, planned, print_plan
from cli.project.checkout import find_project
from cli.terminal.options import AsJson
from cli.terminal.output import say
from pipelines.container_images.plan import registries
from pipelines.environment import Environment


def build(
    algorithm: Names = None,
    stage: Annotated[
        str | None,
        typer.Option(help="Name the images as in this stage's account; left out, as in the local cloud."),
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Build images on this machine, under the names that `headrace up --isolation docker` runs."""
    project = find_project()
    aws = Aws()
    environment = Environment() if stage is None else environment_of(project, stage, aws, asked=not dry_run)
    images = planned(project, algorithm, environment)
    if dry_run:
        print_plan(project, images, as_json, push=False)
        return
    with docker(registries(images, push=False)) as client:
        log_in(client, aws, images, push=False)
        for image in images:
            client.run(image.build, say)
    print_outcomes(project, [Outcome(image, ("built",)) for image in images], as_json)
