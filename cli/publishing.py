"""Compiling the catalogue for one deployment and publishing it there; what `up` and `deploy` share."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.algorithms import catalogue_of
from cli.errors import CommandError
from cli.project import Project
from pipelines.catalogue import Algorithm
from pipelines.compile import Progress, compile_algorithms
from pipelines.compiled import CompiledPipeline
from pipelines.environment import Environment
from pipelines.problems import CompileError, PublishError
from pipelines.publish import Clients, PublishReport, publish, read_image_values
from pipelines.staging import repository


def image_folders(algorithms: tuple[Algorithm, ...]) -> dict[str, Path]:
    """ECR repository -> the folder its image is built from, for every own image of the catalogue."""
    folders = {}
    for algorithm in algorithms:
        if (image := algorithm.spec.image) is not None:
            for end, source in (("training", image.for_training), ("inference", image.for_inference)):
                if source.build is not None:
                    folders[repository(image, end, algorithm.name)] = algorithm.folder / source.build
    return folders


def publish_catalogue(
    project: Project, environment: Environment, client: Callable[[str], Any], progress: Progress
) -> tuple[tuple[CompiledPipeline, ...], PublishReport]:
    """Compile every algorithm and bring the deployment in line. Raises CommandError with the reason."""
    algorithms = catalogue_of(project)
    clients = Clients(
        s3=client("s3"),
        sagemaker=client("sagemaker"),
        dynamodb=client("dynamodb"),
        ssm=client("ssm"),
        stepfunctions=client("stepfunctions"),
        scheduler=client("scheduler"),
    )
    try:
        values = read_image_values(algorithms, clients.ssm)
        compiled = compile_algorithms(
            algorithms, environment, project.cache_dir / "pipelines", image_values=values, progress=progress
        )
        return compiled, publish(
            compiled, environment, clients, datetime.now(UTC), _only(progress, "pipeline", "deployment")
        )
    except (CompileError, PublishError) as error:
        raise CommandError(str(error)) from error


def _only(progress: Progress, *kinds: str) -> Progress:
    """Tell of some kinds of changes; the report has all of them."""

    def tell(line: str) -> None:
        if line.startswith(kinds):
            progress(line)

    return tell
