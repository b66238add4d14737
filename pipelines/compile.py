"""Algorithms and an environment -> compiled pipelines, without a network and with the same bytes each time.

The stages, in order:

1. `catalogue` and `spec`: each algorithm.yaml is read and checked, before anything here begins.
2. `staging`: folders get their content addresses, branches become commits, images get their names. What comes of it
   is a list of uploads, and a request that has a URI for everything outside the specification.
3. `definition`: a request becomes a definition, from a cache where request and compiler are unchanged, else by the
   sagemaker SDK in a process of its own.
4. `product`: a definition is put together with what functions and people are told of the algorithm.

What comes out is compared with the committed files (`goldens`) or brought to a deployment (`publishing`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.catalogue import Algorithm
from pipelines.definition.cache import definitions
from pipelines.definition.exchange import Refusal
from pipelines.environment import Environment
from pipelines.problems import CatalogueError, Problem
from pipelines.product import CompiledPipeline, compiled
from pipelines.progress import Progress, silent
from pipelines.staging.stage import Staged, stage


def compile_algorithms(
    algorithms: Sequence[Algorithm],
    environment: Environment,
    cache_dir: Path,
    *,
    image_values: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> tuple[CompiledPipeline, ...]:
    """Compiles algorithms. `image_values` are the values of the SSM parameters that their images name.

    Raises CatalogueError (all problems) for what a file says, CompileError for what is outside the files.
    """
    staged = _staged(algorithms, environment, image_values or {}, cache_dir / "git")
    # A chain asks the endpoints of others and has nothing to define.
    defined = [algorithm for algorithm in staged if algorithm.request.spec.chain is None]
    texts = dict(zip(map(_name, defined), _texts(defined, cache_dir / "definitions", progress), strict=True))
    return tuple(_compiled(algorithm, texts.get(_name(algorithm))) for algorithm in staged)


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


def _texts(staged: Sequence[Staged], folder: Path, progress: Progress) -> list[str]:
    """Returns the canonical text of each definition. Raises CatalogueError with everything that the SDK refuses."""
    texts = definitions([algorithm.request for algorithm in staged], folder, progress)
    problems = [
        Problem(algorithm.file, text.path, text.text)
        for algorithm, text in zip(staged, texts, strict=True)
        if isinstance(text, Refusal)
    ]
    if problems:
        raise CatalogueError(problems)
    return [text for text in texts if isinstance(text, str)]


def _name(staged: Staged) -> str:
    return staged.request.spec.name


def _compiled(staged: Staged, definition: str | None) -> CompiledPipeline:
    request = staged.request
    keys = {"source": staged.source_key, "artifact": staged.artifact_key}
    return compiled(request.spec, request.environment, definition, staged.uploads, keys, staged.content_sha256)
