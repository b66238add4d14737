"""What an algorithm becomes: its pipeline, images and parameters here, and whether this machine can run it."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cli.project.checkout import Project
from cli.terminal.output import say
from pipelines.catalogue import Algorithm
from pipelines.compile import compile_algorithms
from pipelines.documents import Document
from pipelines.environment import Environment
from pipelines.problems import PipelinesError
from pipelines.product import CompiledPipeline
from pipelines.spec import AlgorithmSpec

if TYPE_CHECKING:
    from local.sagemaker.machine.images import Images


@dataclass(frozen=True, slots=True)
class Resolved:
    """An algorithm and what was made of it; `compiled` is None where it cannot be compiled here."""

    algorithm: Algorithm
    compiled: CompiledPipeline | None
    obstacle: str
    """Why it does not run on this machine; empty when it does."""

    @property
    def spec(self) -> AlgorithmSpec:
        return self.algorithm.spec

    def document(self) -> Document:
        """Returns the specification with every default, without the sections that it does not have."""
        return self.spec.model_dump(mode="json", by_alias=True, exclude_none=True)

    def local(self) -> Document:
        """Tells whether it runs here, as JSON."""
        return {"runs": not self.obstacle, **({"reason": self.obstacle} if self.obstacle else {})}

    def names(self) -> Document:
        """Returns its names in the local cloud: pipeline, endpoint, steps, images and where its sources will be."""
        if self.compiled is None:
            return {}
        row = json.loads(self.compiled.published)
        names = {key: row.get(key) for key in ("pipeline", "steps", "endpoint")}
        return {key: value for key, value in (names | dict(self.compiled.parameters)).items() if value}


def resolve(project: Project, algorithms: Sequence[Algorithm]) -> list[Resolved]:
    """Resolves algorithms in the local cloud's terms; definitions come from the cache where nothing has changed."""
    from local.sagemaker.machine.images import FRAMEWORKS, Images
    from pipelines.staging.images import image_folders

    images = Images(image_folders(algorithms), project.root / "images.yaml", FRAMEWORKS)
    resolved = {}
    for algorithm, compiled in zip(algorithms, _compiled(project, algorithms), strict=True):
        if isinstance(compiled, PipelinesError):
            resolved[algorithm.name] = Resolved(algorithm, None, " ".join(str(compiled).split()))
        else:
            resolved[algorithm.name] = Resolved(algorithm, compiled, _obstacle(algorithm.spec, compiled, images))
    return [replace(part, obstacle=part.obstacle or _of_members(part.spec, resolved)) for part in resolved.values()]


def _of_members(spec: AlgorithmSpec, resolved: Mapping[str, Resolved]) -> str:
    """Says why a chain does not run: one of its algorithms does not."""
    members = (spec.chain.detect.algorithm, spec.chain.read.algorithm) if spec.chain else ()
    obstacles = {name: resolved[name].obstacle for name in members if name in resolved}
    return "; ".join(f"{name} {why}" for name, why in obstacles.items() if why)


def _compiled(project: Project, algorithms: Sequence[Algorithm]) -> list[CompiledPipeline | PipelinesError]:
    """Compiles all at once, as starting the SDK takes a second; one by one only when one of them cannot be compiled."""

    def compile_some(some: Sequence[Algorithm]) -> Sequence[CompiledPipeline]:
        return compile_algorithms(some, Environment(), project.cache_dir / "pipelines", progress=say)

    with suppress(PipelinesError):
        return list(compile_some(algorithms))
    outcomes: list[CompiledPipeline | PipelinesError] = []
    for algorithm in algorithms:
        try:
            outcomes.extend(compile_some((algorithm,)))
        except PipelinesError as error:
            outcomes.append(error)
    return outcomes


def _obstacle(spec: AlgorithmSpec, compiled: CompiledPipeline, images: "Images") -> str:
    if not spec.local.runs:
        return spec.local.reason or "its algorithm.yaml says so"
    used = [uri for leaf, uri in compiled.parameters if leaf.endswith("_image")]
    return next((why for why in map(images.unavailable, used) if why), "")
