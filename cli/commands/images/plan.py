"""Which images are meant and for which deployment; `--dry-run` says everything that would be done for them."""

from collections.abc import Sequence
from typing import Annotated

import typer

from cli.commands.images.ecr import Aws
from cli.commands.images.outcome import described
from cli.errors import CommandError, UsageError, problems_as_errors
from cli.project.catalogue import catalogue_of, named
from cli.project.checkout import Project
from cli.project.stages import stack_of
from cli.terminal.output import out, print_json, say
from pipelines.container_images.image import ContainerImage
from pipelines.container_images.plan import plan_images, steps
from pipelines.container_images.requests import Call, Command
from pipelines.documents import Document
from pipelines.environment import LOCAL_ACCOUNT, LOCAL_REGION, Environment
from pipelines.staging.images import build_folders

Names = Annotated[
    list[str] | None,
    typer.Option("--algorithm", "-a", help="Only of this algorithm; may be repeated.", show_default="all of them"),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say every command and AWS call, and do nothing.")]


def environment_of(project: Project, stage: str, aws: Aws, *, asked: bool) -> Environment:
    """Returns a stage's deployment: the caller's account and region, or what stands for them when nobody is asked."""
    stack_of(project, stage)
    region = aws.region()
    if not asked:
        say(
            f"the account is not asked for: {LOCAL_ACCOUNT} stands for it" + ("" if region else f", {LOCAL_REGION} too")
        )
    elif region is None:
        raise CommandError("no AWS region to push to; set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile with one")
    try:
        region = region or LOCAL_REGION
        return Environment(stage, aws.account(region) if asked else LOCAL_ACCOUNT, region)
    except ValueError as error:
        raise UsageError(str(error)) from error


def planned(project: Project, names: list[str] | None, environment: Environment) -> tuple[ContainerImage, ...]:
    """Returns the own images of some algorithms, or of all. Raises UsageError for one that has none."""
    algorithms = catalogue_of(project)
    for name in names or ():
        if not build_folders(named(algorithms, name)):
            raise UsageError(f"{name}: has no image of its own to build")
    chosen = [algorithm for algorithm in algorithms if not names or algorithm.name in names]
    with problems_as_errors():
        return plan_images(chosen, environment)


def print_plan(project: Project, images: Sequence[ContainerImage], as_json: bool, *, push: bool) -> None:
    planned = list(steps(images, push=push))
    if as_json:
        print_json({"images": [described(image, project.root) for image in images], "steps": list(map(_step, planned))})
        return
    for step in planned:
        remark = ("if " if step.when else "") + step.remark
        out.print(f"{step}  # {remark}" if step.remark else str(step), markup=False)


def _step(step: Command | Call) -> Document:
    condition: Document = {"when": step.when} if step.when else {}
    if isinstance(step, Command):
        return {"command": ["docker", *step.arguments], **({"stdin": step.stdin} if step.stdin else {}), **condition}
    return {"call": f"ecr:{step.operation}", "region": step.region, "request": step.request, **condition}
