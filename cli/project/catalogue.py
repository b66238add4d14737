"""The project's catalogue, as commands want it: every algorithm, or one by its name, or every problem at once."""

from cli.errors import UsageError, problems_as_errors
from cli.project.checkout import Project
from pipelines.catalogue import Algorithm, load_catalogue


def catalogue_of(project: Project) -> tuple[Algorithm, ...]:
    """Returns the project's catalogue. Raises UsageError with every problem, one a line."""
    with problems_as_errors():
        return load_catalogue(project.algorithms).checked()


def named(catalogue: tuple[Algorithm, ...], name: str) -> Algorithm:
    """Returns one algorithm. Raises UsageError with the names that there are."""
    by_name = {algorithm.name: algorithm for algorithm in catalogue}
    if name not in by_name:
        raise UsageError(f"{name}: no such algorithm; there are {', '.join(by_name)}")
    return by_name[name]
