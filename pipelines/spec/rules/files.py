"""Whether the folders and scripts that an algorithm.yaml names are there, inside its folder, and of a size to pack."""

from collections.abc import Iterator
from pathlib import Path

from pipelines.folders import inside, problems_of
from pipelines.problems import expected
from pipelines.spec import AlgorithmSpec
from pipelines.spec.rules.finding import Finding


def images_are_there(spec: AlgorithmSpec, folder: Path) -> Iterator[Finding]:
    if spec.image is None:
        return
    named = {"image": spec.image, "image.training": spec.image.training, "image.inference": spec.image.inference}
    for path, source in named.items():
        if source is not None and source.build is not None:
            yield from _folder(folder, f"{path}.build", source.build)


def artifact_is_there(spec: AlgorithmSpec, folder: Path) -> Iterator[Finding]:
    if spec.artifact is not None:
        yield from _folder(folder, "artifact", spec.artifact)


def sample_is_there(spec: AlgorithmSpec, folder: Path) -> Iterator[Finding]:
    if spec.registration is not None and spec.registration.sample is not None:
        yield from _file(folder, "register.sample", spec.registration.sample)


def scripts_are_there(spec: AlgorithmSpec, folder: Path) -> Iterator[Finding]:
    framework = spec.framework
    if framework is None:
        return
    named = {
        "framework.entry_point": framework.entry_point,
        "framework.inference_entry_point": framework.inference_entry_point,
        "processing.entry_point": spec.processing.entry_point if spec.processing else None,
        "evaluation.entry_point": spec.evaluation.entry_point if spec.evaluation else None,
    }
    scripts = {path: script for path, script in named.items() if script is not None}
    if framework.source_dir is None:
        if scripts:
            what = f"the folder of the scripts, as {next(iter(scripts))} is given"
            yield "framework.source_dir", expected(what, None)
    elif framework.git is None:
        yield from _scripts(folder, "framework.source_dir", framework.source_dir, scripts)


def serving_scripts_are_there(spec: AlgorithmSpec, folder: Path) -> Iterator[Finding]:
    serving = spec.framework.inference if spec.framework else None
    if spec.framework is None or serving is None or (serving.source_dir is None and spec.framework.git is not None):
        return
    relative, path = serving.source_dir or spec.framework.source_dir, "framework.inference.source_dir"
    if relative is None:
        return
    named = {} if serving.entry_point is None else {"framework.inference.entry_point": serving.entry_point}
    if serving.source_dir is not None or (folder / relative).is_dir():
        yield from _scripts(folder, path, relative, named)


def _scripts(root: Path, path: str, relative: str, named: dict[str, str]) -> Iterator[Finding]:
    broken = list(_folder(root, path, relative))
    yield from broken
    if not broken:
        for script_path, script in named.items():
            yield from _file(root / relative, script_path, script)


def _folder(root: Path, path: str, relative: str) -> Iterator[Finding]:
    place = inside(root, relative)
    if place is None:
        yield path, expected("a folder inside the algorithm's folder", relative)
    elif not place.is_dir():
        yield path, expected("a folder that exists", relative)
    else:
        for name, text in problems_of(place, root):
            yield path, f"{name}: {text}"


def _file(root: Path, path: str, relative: str) -> Iterator[Finding]:
    place = inside(root, relative)
    if place is None or not place.is_file():
        yield path, expected(f"a file of {root.name}/", relative)
