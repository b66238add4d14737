"""An algorithm's folder -> what is uploaded for it, and the request that the SDK turns into a definition."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.catalogue import Algorithm, shown_as
from pipelines.definition.request import Request
from pipelines.environment import Environment
from pipelines.folders import digest, files
from pipelines.spec import Framework, GitSource
from pipelines.staging.git import Checkout, resolve
from pipelines.staging.images import build_folders, image_uri
from pipelines.staging.uploads import Upload, UploadKind


@dataclass(frozen=True, slots=True)
class Staged:
    """A request and the objects its URIs point to."""

    file: str
    """The algorithm.yaml, as problems name it."""
    request: Request
    uploads: tuple[Upload, ...]
    source_key: str | None
    artifact_key: str | None
    content_sha256: str
    """Address of everything the algorithm runs, own images' folders included."""


@dataclass(slots=True)
class _Objects:
    """What has been put together for one algorithm so far."""

    algorithm: Algorithm
    uploads: list[Upload] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def archive(self, folder: Path, name: str) -> str:
        """Returns the key of a folder, packed."""
        address = digest(folder)
        self.addresses.append(address)
        key = f"sources/{self.algorithm.name}/{address}/{name}"
        self.uploads.append(Upload(key, folder, UploadKind.FOLDER))
        return key

    def checkout(self, checkout: Checkout, name: str) -> str:
        """Returns the key of a repository's folder, fetched and packed when it is uploaded."""
        self.addresses.append(checkout.address)
        key = f"sources/{self.algorithm.name}/{checkout.address}/{name}"
        self.uploads.append(Upload(key, checkout.place, UploadKind.FOLDER, checkout))
        return key

    def file(self, place: Path) -> str:
        """Returns the key of a file."""
        address = hashlib.sha256(place.read_bytes()).hexdigest()
        self.addresses.append(address)
        key = f"sources/{self.algorithm.name}/{address}/{place.name}"
        self.uploads.append(Upload(key, place, UploadKind.FILE))
        return key

    def each(self, folder: Path, prefix: str) -> str:
        """Returns the prefix of a folder's files, one object each."""
        self.uploads += [Upload(f"{prefix}{item.name}", item.path, UploadKind.FILE) for item in files(folder)]
        return prefix


def stage(algorithm: Algorithm, environment: Environment, image_values: Mapping[str, str], git_cache: Path) -> Staged:
    """Resolves an algorithm's sources and images.

    `image_values` holds the values of `image_parameters`; `git_cache` keeps fetched repositories. Raises CompileError,
    and CatalogueError for a branch that is gone.
    """
    spec, folder = algorithm.spec, algorithm.folder
    objects = _Objects(algorithm)
    source_key = files_prefix = serving_key = artifact_key = None
    if spec.framework is not None:
        source_key, files_prefix = _sources(objects, spec.framework, git_cache)
        serving_key = _serving_source(objects, spec.framework, source_key)
    if spec.artifact is not None:
        artifact_key = objects.archive(folder / spec.artifact, "model.tar.gz")
    sample = spec.registration.sample if spec.registration else None
    sample_key = objects.file(folder / sample) if sample is not None else None
    objects.addresses += [digest(place) for place in build_folders(algorithm)]
    request = Request(
        spec=spec,
        environment=environment,
        training_image=image_uri(spec.image, "training", algorithm, environment, image_values),
        inference_image=image_uri(spec.image, "inference", algorithm, environment, image_values),
        source_uri=environment.artifact_uri(source_key) if source_key else None,
        files_uri=environment.artifact_uri(files_prefix) if files_prefix else None,
        serving_uri=environment.artifact_uri(serving_key) if serving_key else None,
        artifact_uri=environment.artifact_uri(artifact_key) if artifact_key else None,
        sample_uri=environment.artifact_uri(sample_key) if sample_key else None,
    )
    address = hashlib.sha256("\n".join(objects.addresses).encode()).hexdigest()
    return Staged(shown_as(folder), request, tuple(objects.uploads), source_key or serving_key, artifact_key, address)


def _sources(objects: _Objects, framework: Framework, git_cache: Path) -> tuple[str | None, str | None]:
    """(key of the packed scripts, prefix of the same one by one), as far as they are needed."""
    if framework.source_dir is None:
        return None, None
    if framework.git is not None:
        # The files of a commit are not known before it is fetched: processing unpacks the archive itself.
        checkout = _checkout(objects.algorithm, framework, framework.git, git_cache)
        return objects.checkout(checkout, "sourcedir.tar.gz"), None
    spec, source = objects.algorithm.spec, objects.algorithm.folder / framework.source_dir
    key = objects.archive(source, "sourcedir.tar.gz")
    if spec.processing is None and spec.evaluation is None:
        return key, None
    return key, objects.each(source, key.removesuffix("sourcedir.tar.gz") + "files/")


def _serving_source(objects: _Objects, framework: Framework, source_key: str | None) -> str | None:
    """Returns the key of the packed serving scripts; those of training where they have no folder of their own."""
    apart = framework.inference.source_dir if framework.inference else None
    if apart is None or (apart == framework.source_dir and framework.git is None):
        return source_key
    return objects.archive(objects.algorithm.folder / apart, "sourcedir.tar.gz")


def _checkout(algorithm: Algorithm, framework: Framework, source: GitSource, git_cache: Path) -> Checkout:
    spec, serving = algorithm.spec, framework.serving
    named = {
        "framework.entry_point": framework.entry_point,
        "framework.inference_entry_point": framework.inference_entry_point,
        "framework.inference.entry_point": serving.entry_point if framework.inference and serving.git else None,
        "processing.entry_point": spec.processing.entry_point if spec.processing else None,
        "evaluation.entry_point": spec.evaluation.entry_point if spec.evaluation else None,
    }
    scripts = tuple((key, script) for key, script in named.items() if script is not None)
    file = shown_as(algorithm.folder)
    return Checkout(file, source, resolve(source, file), framework.source_dir or ".", scripts, git_cache)
