"""What the keys of one algorithm.yaml say together, and whether the files they name are there. `catalogue` runs these.

Each rule names the sections it reads; it is left out when one of those is broken already, so that one mistake is
told once and the others are told too.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pipelines.problems import expected, shown
from pipelines.sources import inside, problems_of
from pipelines.spec import AlgorithmSpec, DeployMode, FrameworkName, TriggerOn

Finding = tuple[str, str]
"""(dotted path, text)."""
Rule = Callable[[AlgorithmSpec, Path], Iterator[Finding]]


def name_is_the_folder(spec: AlgorithmSpec, folder: Path) -> Iterator[Finding]:
    if spec.name != folder.name:
        yield "name", expected(f"{shown(folder.name)} (the folder's name)", spec.name)


def image_or_framework(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if (spec.image is None) == (spec.framework is None):
        found = "neither" if spec.image is None else "both"
        yield "", f"expected exactly one of image and framework, found {found}"


def trained_needs(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if not spec.trainable:
        return
    if spec.training is None:
        yield "training", expected("the training job's machines, as trainable is true", None)
    if not spec.channels:
        yield "channels", expected("at least one channel, as trainable is true", None)
    if spec.framework is not None and spec.framework.entry_point is None:
        yield "framework.entry_point", expected("the training script, as trainable is true", None)
    if spec.artifact is not None:
        yield "artifact", expected("nothing, as trainable is true and the model comes from training", spec.artifact)


def untrained_refuses(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.trainable:
        return
    for key in ("training", "processing", "evaluation", "retrain", "channels", "hyperparameters"):
        if getattr(spec, key):
            yield key, "expected nothing, as trainable is false, found a section"


def entry_points_fit(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    for key in ("processing", "evaluation"):
        section = getattr(spec, key)
        if section is None:
            continue
        if spec.framework is not None and section.entry_point is None:
            yield f"{key}.entry_point", expected("a script of framework.source_dir", None)
        if spec.framework is None and section.entry_point is not None:
            what = "nothing with an own image, which knows its commands"
            yield f"{key}.entry_point", expected(what, section.entry_point)


def evaluation_has_data(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.evaluation is not None and "test" not in spec.channels:
        yield "channels.test", expected("a channel to evaluate on", None)


def arguments_are_hyperparameters(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    for index, name in enumerate(spec.processing.arguments if spec.processing else ()):
        if name not in spec.hyperparameters:
            yield f"processing.arguments[{index}]", expected("the name of a hyperparameter", name)


def deployed_needs(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.deploy.mode is DeployMode.NONE:
        return
    if not spec.inferable:
        yield "deploy.mode", expected("none, as inferable is false", spec.deploy.mode)
    if spec.registration is None:
        yield "register", expected("the model package to deploy from", None)
    if spec.framework is not None and spec.framework.inference_entry_point is None and spec.artifact is None:
        yield "framework.inference_entry_point", expected("the script that serves the model", None)


def schedule_is_there(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.trigger.on is TriggerOn.SCHEDULE and spec.retrain is None:
        yield "retrain", expected("the schedule that trigger.on names", None)


def channels_have_folders(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    several = sum(channel.required for channel in spec.channels.values()) > 1
    if spec.trainable and spec.processing is None and several and spec.trigger.pattern != "_SUCCESS":
        what = "_SUCCESS, as several channels without processing are folders of one dataset"
        yield "trigger.pattern", expected(what, spec.trigger.pattern)


def sklearn_trains_alone(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    alone = spec.framework is not None and spec.framework.name is FrameworkName.SKLEARN
    if alone and spec.training is not None and spec.training.instance_count != 1:
        yield "training.instance_count", expected("1, as sklearn trains on one machine", spec.training.instance_count)


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


def scripts_are_there(spec: AlgorithmSpec, folder: Path) -> Iterator[Finding]:
    framework = spec.framework
    if framework is None or framework.source_dir is None or framework.git is not None:
        return
    broken = list(_folder(folder, "framework.source_dir", framework.source_dir))
    yield from broken
    if broken:
        return
    named = {
        "framework.entry_point": framework.entry_point,
        "framework.inference_entry_point": framework.inference_entry_point,
        "processing.entry_point": spec.processing.entry_point if spec.processing else None,
        "evaluation.entry_point": spec.evaluation.entry_point if spec.evaluation else None,
    }
    for path, script in named.items():
        if script is not None:
            yield from _file(folder / framework.source_dir, path, script)


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


RULES: Final[tuple[tuple[Rule, frozenset[str]], ...]] = (
    (name_is_the_folder, frozenset({"name"})),
    (image_or_framework, frozenset({"image", "framework"})),
    (trained_needs, frozenset({"trainable", "training", "channels", "framework", "artifact"})),
    (untrained_refuses, frozenset({"trainable"})),
    (entry_points_fit, frozenset({"framework", "processing", "evaluation"})),
    (evaluation_has_data, frozenset({"evaluation", "channels"})),
    (arguments_are_hyperparameters, frozenset({"processing", "hyperparameters"})),
    (deployed_needs, frozenset({"deploy", "inferable", "register", "framework", "artifact"})),
    (schedule_is_there, frozenset({"trigger", "retrain"})),
    (channels_have_folders, frozenset({"trainable", "channels", "processing", "trigger"})),
    (sklearn_trains_alone, frozenset({"framework", "training"})),
    (images_are_there, frozenset({"image"})),
    (artifact_is_there, frozenset({"artifact"})),
    (scripts_are_there, frozenset({"framework", "processing", "evaluation"})),
)
"""Each rule with the top-level keys it reads."""


def findings(spec: AlgorithmSpec, folder: Path, broken: frozenset[str]) -> Iterator[Finding]:
    """What every rule finds that reads no broken section."""
    for rule, sections in RULES:
        if not sections & broken:
            yield from rule(spec, folder)
