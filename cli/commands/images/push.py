"""`headrace images push`: images to ECR. One whose content is there already is neither built nor pushed again."""

from contextlib import ExitStack
from typing import Annotated

import typer

from cli.commands.images.docker import docker
from cli.commands.images.ecr import Aws, log_in
from cli.commands.images.outcome import Outcome, print_outcomes
from cli.commands.images.plan import DryRun, Names, environment_of, planned, print_plan
from cli.project.checkout import find_project
from cli.terminal.options import AsJson, Stage
from cli.terminal.output import say
from pipelines.container_images.image import LATEST, RUNNABLE, ContainerImage
from pipelines.container_images.plan import registries
from pipelines.documents import Document

Rebuild = Annotated[bool, typer.Option("--rebuild", help="Build and push even what ECR has: for newer base images.")]


def push(
    algorithm: Names = None,
    stage: Stage = "dev",
    rebuild: Rebuild = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Build what ECR does not have yet and push it, by its content and as `latest`."""
    project = find_project()
    aws = Aws()
    environment = environment_of(project, stage, aws, asked=not dry_run)
    images = planned(project, algorithm, environment)
    if dry_run:
        print_plan(project, images, as_json, push=True)
        return
    outcomes = {image.repository: _prepare(aws, image, rebuild) for image in images}
    absent = [image for image in images if not outcomes[image.repository].done]
    with ExitStack() as stack:
        if absent:
            client = stack.enter_context(docker(registries(absent, push=True)))
            log_in(client, aws, absent, push=True)
        for image in absent:
            for command in (image.build, *image.pushes):
                client.run(command, say)
            _check_format(aws, image)
            outcomes[image.repository] += ("built", "pushed")
    print_outcomes(project, list(outcomes.values()), as_json)


def _prepare(aws: Aws, image: ContainerImage, rebuild: bool) -> Outcome:
    """Makes the repository with its policies, and moves `latest` where the content is there. It may all be there."""
    outcome = Outcome(image)
    if aws.send(image.description, unless="RepositoryNotFoundException") is None:
        aws.send(image.creation, unless="RepositoryAlreadyExistsException")  # by another push, just now
        outcome += ("created the repository",)
    for (asking, writing), none in zip(
        image.policies, ("RepositoryPolicyNotFoundException", "LifecyclePolicyNotFoundException"), strict=True
    ):
        if aws.send(asking, unless=none) is None:
            aws.send(writing)
    standing = _standing(aws, image)
    if rebuild or standing is None:
        return outcome
    if LATEST not in standing["imageTags"]:
        (content,) = aws.send(image.reading)["images"]
        moving = image.move(content["imageManifest"], content["imageManifestMediaType"])
        aws.send(moving, unless="ImageAlreadyExistsException")  # by another push, just now
        outcome += ("moved latest",)
    return Outcome(image, outcome.did, done=True)


def _standing(aws: Aws, image: ContainerImage) -> Document | None:
    """Returns what ECR says of the image with this content."""
    inspection = aws.send(image.inspection, unless="ImageNotFoundException")
    return inspection["imageDetails"][0] if inspection else None


def _check_format(aws: Aws, image: ContainerImage) -> None:
    """Warns of what some builders push whatever they are told: SageMaker would say so only when an endpoint starts."""
    pushed = (_standing(aws, image) or {}).get("imageManifestMediaType", RUNNABLE)
    if pushed != RUNNABLE:
        say(f"{image.uri(image.tag)}: is {pushed}, and SageMaker's endpoints run {RUNNABLE} only")
