"""Compiling the catalogue for one deployment and publishing it there; what `up`, `deploy` and `publish` share."""

from collections.abc import Sequence
from datetime import UTC, datetime

from cli.deployment.account import Client
from cli.errors import problems_as_errors
from cli.project.catalogue import catalogue_of
from cli.project.checkout import Project
from pipelines.catalogue import Algorithm
from pipelines.compile import compile_algorithms
from pipelines.environment import Environment
from pipelines.product import CompiledPipeline
from pipelines.progress import Progress
from pipelines.publishing.catalogue import publish, read_image_values
from pipelines.publishing.changes import Plan
from pipelines.publishing.publication import Clients, Publication, Scope, reading

_TOLD = ("packing", "uploading", "function", "pipeline", "deployment", "stopped")


def publish_catalogue(
    project: Project,
    environment: Environment,
    client: Client,
    progress: Progress,
    *,
    local: bool = False,
) -> tuple[tuple[CompiledPipeline, ...], Plan]:
    """Compiles every algorithm and brings the deployment in line. Raises CommandError with the reason.

    In a `local` cloud what does not run there is not deployed, and what cannot be fetched now does not stop the others.
    """
    with problems_as_errors():
        publication = publication_of(environment, client)
        catalogue = catalogue_of(project)
        compiled = compile_for(project, publication, catalogue, progress)
        scope = Scope(idle=idle(catalogue), lenient=True) if local else Scope()
        plan = publish(compiled, publication, telling(progress), scope)
    for note in plan.notes:
        progress(note)
    return compiled, plan


def idle(algorithms: Sequence[Algorithm]) -> frozenset[str]:
    """Returns the names of those that do not run in a local cloud."""
    return frozenset(algorithm.name for algorithm in algorithms if not algorithm.spec.local.runs)


def publication_of(environment: Environment, client: Client) -> Publication:
    """Returns one deployment, with the clients that publishing the catalogue there needs."""
    clients = Clients(
        s3=client("s3"),
        sagemaker=client("sagemaker"),
        dynamodb=client("dynamodb"),
        ssm=client("ssm"),
        stepfunctions=client("stepfunctions"),
        scheduler=client("scheduler"),
    )
    return Publication(environment, clients, datetime.now(UTC))


def compile_for(
    project: Project, publication: Publication, algorithms: Sequence[Algorithm], progress: Progress
) -> tuple[CompiledPipeline, ...]:
    """Compiles algorithms for a deployment, with the images that its parameters name."""
    environment = publication.environment
    with reading(environment):
        values = read_image_values(algorithms, publication.clients.ssm)
    folder = project.cache_dir / "pipelines"
    return compile_algorithms(algorithms, environment, folder, image_values=values, progress=progress)


def telling(progress: Progress) -> Progress:
    """Tells of what takes a while and of what people know by name; the plan has all of it."""

    def tell(line: str) -> None:
        if line.startswith(_TOLD):
            progress(line)

    return tell
