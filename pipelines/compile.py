"""A folder of algorithms and an environment -> compiled pipelines, without a network and with the same bytes each time.

Definitions are cached under the hash of everything they depend on, so that an unchanged algorithm imports no SDK.
"""

import hashlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from pipelines.catalogue import Algorithm, load_catalogue
from pipelines.compiled import CompiledPipeline, canonical, compiled
from pipelines.definition.exchange import Refusal, definitions
from pipelines.definition.request import Request
from pipelines.environment import Environment
from pipelines.problems import CatalogueError, Problem
from pipelines.staging.stage import Staged, stage

Progress = Callable[[str], None]
"""Called with a line to show: what is being done now."""

_AFTERWARDS: Final = frozenset({"publishing"})
"""The parts of this package that change nothing in a definition: they are about what becomes of it."""


def _silent(_: str) -> None:
    return None


def compile_catalogue(
    folder: Path,
    environment: Environment,
    cache_dir: Path,
    *,
    image_values: Mapping[str, str] | None = None,
    progress: Progress = _silent,
) -> tuple[CompiledPipeline, ...]:
    """Every algorithm of a folder, by name. Raises CatalogueError (all problems) or CompileError."""
    algorithms = load_catalogue(folder).checked()
    return compile_algorithms(algorithms, environment, cache_dir, image_values=image_values, progress=progress)


def compile_algorithms(
    algorithms: Sequence[Algorithm],
    environment: Environment,
    cache_dir: Path,
    *,
    image_values: Mapping[str, str] | None = None,
    progress: Progress = _silent,
) -> tuple[CompiledPipeline, ...]:
    """Some algorithms. `image_values` are the values of the SSM parameters that their images name.

    Raises CatalogueError (all problems) for what a file says, CompileError for what is outside the files.
    """
    staged = _staged(algorithms, environment, image_values or {}, cache_dir / "git")
    texts = _definitions([item for item in staged if _runs(item)], cache_dir / "definitions", progress)
    return tuple(_compiled(item, next(texts) if _runs(item) else None) for item in staged)


def _staged(
    algorithms: Sequence[Algorithm], environment: Environment, values: Mapping[str, str], git_cache: Path
) -> list[Staged]:
    staged: list[Staged] = []
    problems: list[Problem] = []
    for algorithm in algorithms:
        try:
            staged.append(stage(algorithm, environment, values, git_cache))
        except CatalogueError as error:
            problems += error.problems
    if problems:
        raise CatalogueError(problems)
    return staged


def _runs(staged: Staged) -> bool:
    """Whether the algorithm is a pipeline; a chain asks the endpoints of others and has nothing to define."""
    return staged.request.spec.chain is None


def _compiled(staged: Staged, definition: str | None) -> CompiledPipeline:
    request = staged.request
    keys = {"source": staged.source_key, "artifact": staged.artifact_key}
    return compiled(request.spec, request.environment, definition, staged.uploads, keys, staged.content_sha256)


def _definitions(staged: list[Staged], folder: Path, progress: Progress) -> Iterator[str]:
    """The canonical text of each definition: from the cache, or from the SDK for those that are not there."""
    requests = [item.request for item in staged]
    places = [folder / f"{_key(request)}.json" for request in requests]
    texts = [_cached(place) for place in places]
    missing = [index for index, text in enumerate(texts) if text is None]
    if missing:
        progress(f"compiling {', '.join(requests[index].spec.name for index in missing)}")
    problems: list[Problem] = []
    made = definitions([requests[index] for index in missing])
    for index, answer in zip(missing, made, strict=True):
        name = requests[index].spec.name
        if isinstance(answer, Refusal):
            problems.append(Problem(staged[index].file, answer.path, answer.text))
            continue
        texts[index] = canonical(answer)
        _keep(places[index], canonical(answer))
        progress(f"compiled {name}")
    if problems:
        raise CatalogueError(problems)
    return iter([text for text in texts if text is not None])


def _key(request: Request) -> str:
    return hashlib.sha256(f"{compiler_version()}\n{request.canonical()}".encode()).hexdigest()


@cache
def compiler_version() -> str:
    """Hash of this package's own source and the SDK's version: what a cached definition was made by."""
    return source_sha256(Path(__file__).parent, importlib.metadata.version("sagemaker"))


def source_sha256(package: Path, sdk: str) -> str:
    """Hash of an SDK's version and of every module of a copy of this package, but for those of _AFTERWARDS."""
    digest = hashlib.sha256(sdk.encode())
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0] not in _AFTERWARDS:
            digest.update(name.as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _cached(place: Path) -> str | None:
    try:
        text = place.read_text(encoding="utf-8")
        json.loads(text)
    except (FileNotFoundError, ValueError):
        # Missing, or cut short by a full disk: compiling again writes it anew.
        return None
    return text


def _keep(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=place.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    # Renamed whole, so another process compiling the same never reads half a definition.
    Path(temporary).replace(place)
