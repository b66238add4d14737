"""What an algorithm is made of: an own image, a framework that SageMaker serves, or a chain of others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipelines.problems import expected, shown
from pipelines.spec import DEFAULT_INSTANCE_TYPE, AlgorithmSpec, DeployMode, Framework, FrameworkName, served
from pipelines.spec.rules.finding import Finding, Rule

_KINDS: Final = ("image", "framework", "chain")
_NOT_CHAINED: Final = ("artifact", "registration", "transform", "training", "tuning", "processing", "evaluation")


def name_is_the_folder(spec: AlgorithmSpec, folder: Path) -> Iterator[Finding]:
    if spec.name != folder.name:
        yield "name", expected(f"{shown(folder.name)} (the folder's name)", spec.name)


def exactly_one_kind(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    kinds = [kind for kind in _KINDS if getattr(spec, kind) is not None]
    if len(kinds) != 1:
        named = " and ".join(kinds) or "none of them"
        yield kinds[-1] if kinds else "image", f"expected exactly one of image, framework and chain, found {named}"


def chained_refuses(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.chain is None:
        return
    for key in ("trainable", "inferable", "batch"):
        if getattr(spec, key):
            yield key, expected("false, as a chain asks the endpoints of others", True)
    for key in _NOT_CHAINED:
        if getattr(spec, key) is not None:
            shown_as = "register" if key == "registration" else key
            yield shown_as, "expected nothing, as a chain has no model of its own, found a section"
    if spec.deploy.mode is not DeployMode.NONE:
        yield "deploy.mode", expected("none, as a chain asks the endpoints of others", spec.deploy.mode)


def framework_can(*, training: bool) -> Rule:
    """Makes the rule that SageMaker has an image of the framework for one end."""

    def rule(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
        if spec.framework is None or not (spec.trainable if training else serves(spec)):
            return
        framework = spec.framework if training else spec.framework.serving
        for section, kind in _machines(spec, training=training):
            for key, text in served.problems_of(framework, "training" if training else "inference", kind):
                yield f"{section}.{key}" if key == "instance_type" else _path(spec.framework, key, training), text

    return rule


def _path(framework: Framework, key: str, training: bool) -> str:
    apart = not training and framework.inference is not None and getattr(framework.inference, key) is not None
    return f"framework.inference.{key}" if apart else f"framework.{key}"


def _machines(spec: AlgorithmSpec, *, training: bool) -> Iterator[tuple[str, str]]:
    """(section, instance type) of every job that runs on an end's image; processing runs on the training image."""
    if training:
        yield "training", spec.training.instance_type if spec.training else DEFAULT_INSTANCE_TYPE
        return
    if spec.transform is not None:
        yield "transform", spec.transform.instance_type
    if spec.deploy.instance_type is not None or spec.transform is None:
        yield "deploy", spec.deploy.instance_type or DEFAULT_INSTANCE_TYPE


def serves(spec: AlgorithmSpec) -> bool:
    """Tells whether anything runs the inference image."""
    registered = spec.registration is not None
    return registered or spec.transform is not None or spec.deploy.mode is not DeployMode.NONE


def toolkits_do_not_serve(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    rl = spec.framework is not None and spec.framework.serving.name is FrameworkName.RL
    if rl and serves(spec):
        what = "the framework that serves what was learnt, as rl has images for training alone"
        yield "framework.inference", expected(what, None)
