"""A folder of algorithms and an environment -> compiled pipelines, without a network and with the same bytes each time.

Definitions are cached under the hash of everything they depend on, so that an unchanged algorithm imports no SDK.
"""

import hashlib
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from pipelines.catalogue import Algorithm, load_catalogue
from pipelines.compiled import CompiledPipeline, canonical, compiled
from pipelines.environment import Environment
from pipelines.request import Request
from pipelines.sdk import definitions
from pipelines.staging import Staged, stage

Progress = Callable[[str], None]
"""Called with a line to show: what is being done now."""


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
    """Some algorithms. `image_values` are the values of the SSM parameters that their images name."""
    values = image_values or {}
    staged = [stage(algorithm, environment, values, cache_dir / "git") for algorithm in algorithms]
    texts = _definitions([item.request for item in staged], cache_dir / "definitions", progress)
    return tuple(_compiled(item, text) for item, text in zip(staged, texts, strict=True))


def _compiled(staged: Staged, definition: str) -> CompiledPipeline:
    request = staged.request
    keys = {"source": staged.source_key, "artifact": staged.artifact_key}
    return compiled(request.spec, request.environment, definition, staged.uploads, keys, staged.content_sha256)


def _definitions(requests: list[Request], folder: Path, progress: Progress) -> list[str]:
    """The canonical text of each definition: from the cache, or from the SDK for those that are not there."""
    places = [folder / f"{_key(request)}.json" for request in requests]
    texts = [_cached(place) for place in places]
    missing = [index for index, text in enumerate(texts) if text is None]
    if missing:
        progress(f"compiling {', '.join(requests[index].spec.name for index in missing)}")
    made = definitions([requests[index] for index in missing])
    for index, definition in zip(missing, made, strict=True):
        texts[index] = canonical(definition)
        _keep(places[index], canonical(definition))
        progress(f"compiled {requests[index].spec.name}")
    return [text for text in texts if text is not None]


def _key(request: Request) -> str:
    return hashlib.sha256(f"{compiler_version()}\n{request.canonical()}".encode()).hexdigest()


@cache
def compiler_version() -> str:
    """Hash of this package's own source and the SDK's version: what a cached definition was made by."""
    digest = hashlib.sha256(importlib.metadata.version("sagemaker").encode())
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
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
