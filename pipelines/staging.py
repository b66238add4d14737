"""An algorithm's folder -> what is uploaded for it, and the request that the SDK turns into a definition."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.catalogue import Algorithm
from pipelines.environment import Environment
from pipelines.git import fetch
from pipelines.problems import CompileError
from pipelines.request import Request
from pipelines.sources import Upload, UploadKind, digest, files, inside, problems_of
from pipelines.spec import Framework, Image, ImageSource


@dataclass(frozen=True, slots=True)
class Staged:
    """A request and the objects its URIs point to."""

    request: Request
    uploads: tuple[Upload, ...]
    source_key: str | None
    artifact_key: str | None
    content_sha256: str
    """Address of everything the algorithm runs, own images' folders included."""


def image_parameters(algorithm: Algorithm) -> tuple[str, ...]:
    """The SSM parameters whose values are needed to compile an algorithm."""
    image = algorithm.spec.image
    sources = (image.for_training, image.for_inference) if image else ()
    return tuple(dict.fromkeys(source.ssm for source in sources if source.ssm is not None))


def stage(algorithm: Algorithm, environment: Environment, image_values: Mapping[str, str], git_cache: Path) -> Staged:
    """Resolve an algorithm's sources and images.

    `image_values` holds the values of `image_parameters`; `git_cache` keeps fetched repositories. Raises CompileError.
    """
    spec, folder = algorithm.spec, algorithm.folder
    uploads: list[Upload] = []
    contents: list[str] = []
    source_key = files_prefix = artifact_key = None
    if spec.framework is not None:
        source = source_folder(algorithm, git_cache)
        address = digest(source)
        contents.append(address)
        prefix = f"sources/{spec.name}/{address}"
        source_key, files_prefix = f"{prefix}/sourcedir.tar.gz", f"{prefix}/files/"
        uploads.append(Upload(source_key, source, UploadKind.FOLDER))
        if spec.processing is not None or spec.evaluation is not None:
            uploads += [Upload(f"{files_prefix}{item.name}", item.path, UploadKind.FILE) for item in files(source)]
    if spec.artifact is not None:
        address = digest(folder / spec.artifact)
        contents.append(address)
        artifact_key = f"sources/{spec.name}/{address}/model.tar.gz"
        uploads.append(Upload(artifact_key, folder / spec.artifact, UploadKind.FOLDER))
    contents += [digest(place) for place in build_folders(algorithm)]
    request = Request(
        spec=spec,
        environment=environment,
        training_image=_image(spec.image, "training", algorithm, environment, image_values),
        inference_image=_image(spec.image, "inference", algorithm, environment, image_values),
        source_uri=environment.artifact_uri(source_key) if source_key else None,
        files_uri=environment.artifact_uri(files_prefix) if files_prefix else None,
        artifact_uri=environment.artifact_uri(artifact_key) if artifact_key else None,
    )
    return Staged(request, tuple(uploads), source_key, artifact_key, _joined(contents))


def _joined(addresses: list[str]) -> str:
    return hashlib.sha256("\n".join(addresses).encode()).hexdigest()


def source_folder(algorithm: Algorithm, git_cache: Path) -> Path:
    """The folder of a framework's scripts, fetched first when it lives in a repository. Raises CompileError."""
    framework = algorithm.spec.framework
    if framework is None or framework.source_dir is None:
        raise CompileError(f"{algorithm.name}: expected a framework with sources, found an own image")
    if framework.git is None:
        return algorithm.folder / framework.source_dir
    return _checked_checkout(algorithm.name, framework, fetch(framework.git, git_cache))


def _checked_checkout(name: str, framework: Framework, checkout: Path) -> Path:
    place = inside(checkout, framework.source_dir or ".")
    if place is None or not place.is_dir():
        raise CompileError(f"{name}: framework.source_dir: expected a folder of the repository")
    found = problems_of(place, checkout)
    if found:
        raise CompileError("\n".join(f"{name}: framework.git: {path}: {text}" for path, text in found))
    return place


def build_folders(algorithm: Algorithm) -> tuple[Path, ...]:
    """The folders that own images are built from, each once."""
    image = algorithm.spec.image
    sources = (image.for_training, image.for_inference) if image else ()
    return tuple(dict.fromkeys(algorithm.folder / source.build for source in sources if source.build is not None))


def repository(image: Image, end: str, algorithm: str) -> str:
    """The ECR repository of an own image: one when both ends share a folder, one each when they do not."""
    shared = image.for_training.build == image.for_inference.build
    return f"headrace/{algorithm}" if shared else f"headrace/{algorithm}-{end}"


def _image(
    image: Image | None, end: str, algorithm: Algorithm, environment: Environment, values: Mapping[str, str]
) -> str | None:
    if image is None:
        return None
    source: ImageSource = image.for_training if end == "training" else image.for_inference
    if source.build is not None:
        return environment.image_uri(repository(image, end, algorithm.name))
    if source.ssm is not None and source.ssm not in values:
        raise CompileError(f"{algorithm.name}: image.ssm: expected a value of {source.ssm}, found no such parameter")
    return source.uri if source.ssm is None else values[source.ssm]
