"""`headrace images`: the own images of the catalogue, built by docker and pushed to ECR.

What an image is called and which requests are sent is `pipelines/container_images.py`'s; here they are sent. An image
whose content ECR has already is neither built nor pushed again.
"""

import base64
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.commands.deploy import stack_of
from cli.commands.images.docker import Docker, docker
from cli.errors import CommandError, UsageError
from cli.project import checkout as projects
from cli.project.catalogue import catalogue_of
from cli.project.checkout import Project
from cli.terminal.options import Json
from cli.terminal.output import out, print_json, say
from pipelines.container_images import (
    LATEST,
    RUNNABLE,
    Call,
    Command,
    ContainerImage,
    login,
    plan_images,
    registries,
    steps,
    token,
)
from pipelines.environment import LOCAL_ACCOUNT, LOCAL_REGION, Environment
from pipelines.problems import CatalogueError

app = typer.Typer(help="The own images of the catalogue.", no_args_is_help=True)

Names = Annotated[
    list[str] | None,
    typer.Option("--algorithm", "-a", help="Only of this algorithm; may be repeated.", show_default="all of them"),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say every command and AWS call, and do nothing.")]
Rebuild = Annotated[bool, typer.Option("--rebuild", help="Build and push even what ECR has: for newer base images.")]


@app.command()
def build(
    algorithm: Names = None,
    stage: Annotated[
        str | None,
        typer.Option(help="Name the images as in this stage's account; left out, as in the local cloud."),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Build images on this machine, under the names that `headrace up --isolation docker` runs."""
    project = projects.find()
    aws = Aws()
    environment = Environment() if stage is None else _environment(project, stage, aws, asked=not dry_run)
    images = _planned(project, algorithm, environment)
    if dry_run:
        _print_plan(project, images, as_json, push=False)
        return
    with docker(registries(images, push=False)) as client:
        _log_in(client, aws, images, push=False)
        for image in images:
            client.run(image.build, say)
    _print_outcomes(project, [Outcome(image, ("built",)) for image in images], as_json)


@app.command()
def push(
    algorithm: Names = None,
    stage: Annotated[str, typer.Option(help="A section of samconfig.toml: dev, staging or prod.")] = "dev",
    rebuild: Rebuild = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Build what ECR does not have yet and push it, by its content and as `latest`."""
    project = projects.find()
    aws = Aws()
    environment = _environment(project, stage, aws, asked=not dry_run)
    images = _planned(project, algorithm, environment)
    if dry_run:
        _print_plan(project, images, as_json, push=True)
        return
    outcomes = {image.repository: _prepare(aws, image, rebuild) for image in images}
    absent = [image for image in images if not outcomes[image.repository].done]
    with ExitStack() as stack:
        if absent:
            client = stack.enter_context(docker(registries(absent, push=True)))
            _log_in(client, aws, absent, push=True)
        for image in absent:
            for command in (image.build, *image.pushes):
                client.run(command, say)
            _check_format(aws, image)
            outcomes[image.repository] += ("built", "pushed")
    _print_outcomes(project, list(outcomes.values()), as_json)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done for one image."""

    image: ContainerImage
    did: tuple[str, ...] = ()
    done: bool = False
    """Whether nothing is left to build."""

    def __add__(self, more: tuple[str, ...]) -> "Outcome":
        return Outcome(self.image, self.did + more, self.done)


@dataclass(slots=True)
class Aws:
    """Clients by service and region, made when they are first needed: boto3 takes longer to import than to plan."""

    _clients: dict[tuple[str, str | None], Any] = field(default_factory=dict)

    def region(self) -> str | None:
        """The region of the caller's profile. Asks nobody. Raises CommandError for a profile that does not exist."""
        import boto3
        from botocore.exceptions import BotoCoreError

        try:
            return boto3.Session().region_name
        except BotoCoreError as error:
            raise CommandError(str(error)) from error

    def client(self, service: str, region: str | None) -> Any:
        import boto3

        key = (service, region)
        if key not in self._clients:
            # The stubs know services by literal name only; ours arrive as data.
            make: Callable[..., Any] = boto3.client
            self._clients[key] = make(service, region_name=region)
        return self._clients[key]

    def send(self, call: Call, *, unless: str = "") -> Any:
        """The answer, or None for the error code `unless`. Raises CommandError with AWS's reason for any other."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self.client("ecr", call.region), call.operation)(**call.request)
        except ClientError as error:
            if unless and error.response["Error"]["Code"] == unless:
                return None
            raise CommandError(str(error)) from error
        except BotoCoreError as error:
            raise CommandError(str(error)) from error

    def account(self, region: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return str(self.client("sts", region).get_caller_identity()["Account"])
        except (BotoCoreError, ClientError) as error:
            raise CommandError(f"no AWS account to push to: {error}; `--dry-run` needs none") from error


def _environment(project: Project, stage: str, aws: Aws, *, asked: bool) -> Environment:
    """The deployment of a stage: the caller's account and region, or what stands for them when nobody is asked."""
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


def _planned(project: Project, names: list[str] | None, environment: Environment) -> tuple[ContainerImage, ...]:
    algorithms = catalogue_of(project)
    by_name = {algorithm.name: algorithm for algorithm in algorithms}
    for name in names or ():
        if name not in by_name:
            raise UsageError(f"{name}: no such algorithm; there are {', '.join(by_name)}")
        image = by_name[name].spec.image
        if image is None or not any(source.build for source in (image.for_training, image.for_inference)):
            raise UsageError(f"{name}: has no image of its own to build")
    chosen = [algorithm for algorithm in algorithms if not names or algorithm.name in names]
    try:
        return plan_images(chosen, environment)
    except CatalogueError as error:
        raise UsageError(str(error)) from error


def _prepare(aws: Aws, image: ContainerImage, rebuild: bool) -> Outcome:
    """The repository with its policies, and `latest` where the content is there. Every part may have been done."""
    outcome = Outcome(image)
    if aws.send(image.description, unless="RepositoryNotFoundException") is None:
        aws.send(image.creation, unless="RepositoryAlreadyExistsException")  # by another push, just now
        outcome += ("created the repository",)
    for (asking, writing), none in zip(
        image.policies, ("RepositoryPolicyNotFoundException", "LifecyclePolicyNotFoundException"), strict=True
    ):
        if aws.send(asking, unless=none) is None:
            aws.send(writing)
    there = _found(aws, image)
    if rebuild or there is None:
        return outcome
    if LATEST not in there["imageTags"]:
        (content,) = aws.send(image.reading)["images"]
        moving = image.move(content["imageManifest"], content["imageManifestMediaType"])
        aws.send(moving, unless="ImageAlreadyExistsException")  # by another push, just now
        outcome += ("moved latest",)
    return Outcome(image, outcome.did, done=True)


def _found(aws: Aws, image: ContainerImage) -> dict[str, Any] | None:
    """What ECR says of the image with this content."""
    answer = aws.send(image.inspection, unless="ImageNotFoundException")
    return answer["imageDetails"][0] if answer else None


def _check_format(aws: Aws, image: ContainerImage) -> None:
    """Some builders push an index whatever they are told, and SageMaker would say so only when an endpoint starts."""
    pushed = (_found(aws, image) or {}).get("imageManifestMediaType", RUNNABLE)
    if pushed != RUNNABLE:
        say(f"{image.uri(image.tag)}: is {pushed}, and SageMaker's endpoints run {RUNNABLE} only")


def _log_in(client: Docker, aws: Aws, images: Sequence[ContainerImage], *, push: bool) -> None:
    passwords: dict[str, str] = {}
    for registry in registries(images, push=push):
        if registry.region not in passwords:
            passwords[registry.region] = _password(aws.send(token(registry.region)))
        say(f"logging in to {registry.host}")
        client.login(login(registry), passwords[registry.region])


def _password(answer: dict[str, Any]) -> str:
    encoded = answer["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(encoded).decode().partition(":")[2]


def _print_plan(project: Project, images: Sequence[ContainerImage], as_json: bool, *, push: bool) -> None:
    planned = list(steps(images, push=push))
    if as_json:
        print_json(
            {"images": [_described(image, project.root) for image in images], "steps": list(map(_step, planned))}
        )
        return
    for step in planned:
        remark = ("if " if step.when else "") + step.remark
        out.print(f"{step}  # {remark}" if step.remark else str(step), markup=False)


def _step(step: Command | Call) -> dict[str, Any]:
    told: dict[str, Any] = {"when": step.when} if step.when else {}
    if isinstance(step, Command):
        return {"command": ["docker", *step.arguments], **({"stdin": step.stdin} if step.stdin else {}), **told}
    return {"call": f"ecr:{step.operation}", "region": step.region, "request": step.request, **told}


def _described(image: ContainerImage, root: Path) -> dict[str, Any]:
    return {
        "repository": image.repository,
        "folder": image.folder.relative_to(root).as_posix(),
        "content_sha256": image.content_sha256,
        "uris": [image.uri(image.tag), image.uri()],
    }


def _print_outcomes(project: Project, outcomes: Sequence[Outcome], as_json: bool) -> None:
    if as_json:
        print_json({"images": [_described(one.image, project.root) | {"did": one.did} for one in outcomes]})
        return
    for one in outcomes:
        out.print(f"{one.image.uri(one.image.tag)}  {', '.join(one.did) or 'is there'}", markup=False)
