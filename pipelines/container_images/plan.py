"""The own images of some algorithms, and everything that would be done for them, in order."""

from collections.abc import Iterator, Sequence

from pipelines.catalogue import FILE_NAME, Algorithm
from pipelines.container_images.dockerfile import ecr_registries
from pipelines.container_images.image import ContainerImage
from pipelines.container_images.requests import Call, Command, Registry, Step, login, token
from pipelines.environment import Environment
from pipelines.folders import digest
from pipelines.problems import CatalogueError, Problem, expected
from pipelines.staging.images import built_images


def plan_images(algorithms: Sequence[Algorithm], environment: Environment) -> tuple[ContainerImage, ...]:
    """Returns every own image, by repository. Raises CatalogueError naming each folder without a Dockerfile."""
    planned: dict[str, ContainerImage] = {}
    problems = []
    for algorithm in algorithms:
        for key, name, folder in built_images(algorithm):
            dockerfile = folder / "Dockerfile"
            if not dockerfile.is_file():
                where = f"{algorithm.folder.parent.name}/{algorithm.name}/{FILE_NAME}"
                place = folder.relative_to(algorithm.folder).as_posix()
                problems.append(Problem(where, key, expected("a folder with a Dockerfile", place)))
                continue
            bases = ecr_registries(dockerfile.read_text("utf-8"))
            planned[name] = ContainerImage(name, folder, digest(folder), environment, bases)
    if problems:
        raise CatalogueError(dict.fromkeys(problems))
    return tuple(planned[name] for name in sorted(planned))


def registries(images: Sequence[ContainerImage], *, push: bool) -> tuple[Registry, ...]:
    """Says where docker has to be logged in to build some images, and to push them."""
    bases = {base for image in images for base in image.bases}
    return tuple(sorted(bases | {image.registry for image in images} if push else bases))


def steps(images: Sequence[ContainerImage], *, push: bool) -> Iterator[Step]:
    """Yields everything that would be done for some images, in order; `when` says on what it depends."""
    absent = "the content is not in ECR yet" if push else ""
    if push:
        for image in images:
            yield from _preparation(image)
    asked: set[str] = set()
    for registry in registries(images, push=push):
        if registry.region not in asked:
            yield token(registry.region)
            asked.add(registry.region)
        yield login(registry)
    for image in images:
        for command in (image.build, *(image.pushes if push else ())):
            yield Command(command.arguments, when=absent)


def _preparation(image: ContainerImage) -> Iterator[Call]:
    yield image.description
    yield image.creation
    for asking, writing in image.policies:
        yield asking
        yield writing
    yield image.inspection
    yield image.reading
    yield image.move("<manifest of the content>", "<its media type>")
