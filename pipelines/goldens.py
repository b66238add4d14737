"""The committed definitions: one pretty file an algorithm, so that a change of compiler or SDK is a readable diff."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.product import CompiledPipeline


def write_goldens(folder: Path, pipelines: Sequence[CompiledPipeline]) -> tuple[Path, ...]:
    """Writes `<folder>/<name>.json` for each and removes the files of algorithms that are gone. Returns what changed.

    Chains have no definition and no file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for pipeline in _defined(pipelines):
        place = _place(folder, pipeline)
        if not place.is_file() or place.read_text(encoding="utf-8") != pipeline.pretty():
            place.write_text(pipeline.pretty(), encoding="utf-8")
            changed.append(place)
    for place in _left_over(folder, pipelines):
        place.unlink()
        changed.append(place)
    return tuple(changed)


def check_goldens(folder: Path, pipelines: Sequence[CompiledPipeline]) -> tuple[str, ...]:
    """Returns a unified diff for each definition that differs from its file. Empty when all agree."""
    differences = []
    for pipeline in _defined(pipelines):
        place = _place(folder, pipeline)
        committed = place.read_text(encoding="utf-8") if place.is_file() else ""
        differences.append(_diff(place.name, committed, pipeline.pretty()))
    differences += [
        f"{place.name}: expected an algorithm of this name, found none" for place in _left_over(folder, pipelines)
    ]
    return tuple(text for text in differences if text)


def _defined(pipelines: Sequence[CompiledPipeline]) -> list[CompiledPipeline]:
    return [pipeline for pipeline in pipelines if pipeline.definition is not None]


def _place(folder: Path, pipeline: CompiledPipeline) -> Path:
    return folder / f"{pipeline.name}.json"


def _left_over(folder: Path, pipelines: Sequence[CompiledPipeline]) -> Iterator[Path]:
    names = {pipeline.name for pipeline in _defined(pipelines)}
    return (place for place in sorted(folder.glob("*.json")) if place.stem not in names)


def _diff(name: str, committed: str, made: str) -> str:
    lines = difflib.unified_diff(
        committed.splitlines(keepends=True), made.splitlines(keepends=True), f"{name} (committed)", f"{name} (compiled)"
    )
    return "".join(lines)
