"""The project's catalogue, as commands want it: every algorithm, or one by its name, or every problem at once."""

from cli.errors import UsageError
from cli.project.checkout import Project
from pipelines.catalogue import Algorithm, load_catalogue
from pipelines.problems import CatalogueError


def catalogue_of(project: Project) -> tuple[Algorithm, ...]:
    """The project's catalogue. Raises UsageError with every problem, one a line."""
    try:
        return load_catalogue(project.algorithms).checked()
    except CatalogueError as error:
        raise UsageError(str(error)) from error


def named(catalogue: tuple[Algorithm, ...], name: str) -> Algorithm:
    """One algorithm. Raises UsageError with the names that there are."""
    by_name = {algorithm.name: algorithm for algorithm in catalogue}
    if name not in by_name:
        raise UsageError(f"{name}: no such algorithm; there are {', '.join(by_name)}")
    return by_name[name]
