"""The images of an algorithm: which are built from its folders, their names, and the parameters that name others."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pipelines.catalogue import Algorithm, shown_as
from pipelines.environment import Environment
from pipelines.problems import CompileError
from pipelines.spec import Image, ImageSource


def image_parameters(algorithm: Algorithm) -> tuple[str, ...]:
    """Returns the SSM parameters whose values are needed to compile an algorithm."""
    image = algorithm.spec.image
    sources = (image.for_training, image.for_inference) if image else ()
    return tuple(dict.fromkeys(source.ssm for source in sources if source.ssm is not None))


def built_images(algorithm: Algorithm) -> Iterator[tuple[str, str, Path]]:
    """Yields the key in algorithm.yaml, the repository and the folder of each end's image that is built here."""
    image = algorithm.spec.image
    if image is None:
        return
    for end, source in (("training", image.for_training), ("inference", image.for_inference)):
        if source.build is not None:
            key = "image.build" if source is image else f"image.{end}.build"
            yield key, repository(image, end, algorithm.name), algorithm.folder / source.build


def build_folders(algorithm: Algorithm) -> tuple[Path, ...]:
    """Returns the folders that own images are built from, each once."""
    return tuple(dict.fromkeys(folder for _, _, folder in built_images(algorithm)))


def image_folders(algorithms: Iterable[Algorithm]) -> dict[str, Path]:
    """Returns the folder that each own image of a catalogue is built from, by its ECR repository."""
    return {name: folder for algorithm in algorithms for _, name, folder in built_images(algorithm)}


def repository(image: Image, end: str, algorithm: str) -> str:
    """Returns the ECR repository of an own image: one when both ends share a folder, one each when they do not."""
    shared = image.for_training.build == image.for_inference.build
    return f"headrace/{algorithm}" if shared else f"headrace/{algorithm}-{end}"


def image_uri(
    image: Image | None, end: str, algorithm: Algorithm, environment: Environment, values: Mapping[str, str]
) -> str | None:
    if image is None:
        return None
    source: ImageSource = image.for_training if end == "training" else image.for_inference
    if source.build is not None:
        return environment.image_uri(repository(image, end, algorithm.name))
    if source.ssm is not None and source.ssm not in values:
        text = f"expected a value of {source.ssm}, found no such parameter"
        raise CompileError(f"{shown_as(algorithm.folder)}: image.ssm: {text}")
    return source.uri if source.ssm is None else values[source.ssm]
