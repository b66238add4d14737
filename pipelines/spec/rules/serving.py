"""What endpoints and batch transforms need: a model, a package to deploy from, something to answer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipelines.problems import expected
from pipelines.spec import AlgorithmSpec, DeployMode, FrameworkName
from pipelines.spec.rules.finding import Finding

_NEEDS_SCRIPT: Final = frozenset({FrameworkName.SKLEARN, FrameworkName.CHAINER})
"""Frameworks whose containers cannot load a model by themselves."""
_HUB: Final = "HF_MODEL_ID"


def deployed_needs(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.deploy.mode is DeployMode.NONE:
        return
    if not spec.inferable:
        yield "deploy.mode", expected("none, as inferable is false", spec.deploy.mode)
    if spec.registration is None:
        yield "register", expected("the model package to deploy from", None)
    if spec.framework is None or spec.artifact is not None:
        return
    serving = spec.framework.serving
    if serving.name in _NEEDS_SCRIPT and serving.entry_point is None:
        key = "inference_entry_point" if spec.framework.inference is None else "inference.entry_point"
        yield f"framework.{key}", expected("the script that serves the model", None)


def compared_is_deployed(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.evaluation is not None and spec.evaluation.against is not None and spec.deploy.mode is DeployMode.NONE:
        yield "evaluation.against", expected("nothing, as deploy.mode is none", spec.evaluation.against.value)


def given_model_is_there(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    """Wants a model from somewhere for a framework's container that is neither trained nor given a script."""
    if spec.trainable or spec.framework is None or spec.artifact is not None:
        return
    serving = spec.framework.serving
    if serving.name is FrameworkName.SPARKML:
        yield "artifact", expected("the folder with the model, as sparkml runs no scripts", None)
    elif serving.entry_point is None and not _from_the_hub(spec):
        what = f"the folder with the model (or a serving script, or {_HUB} in deploy.environment with huggingface)"
        yield "artifact", expected(what, None)


def _from_the_hub(spec: AlgorithmSpec) -> bool:
    hub = spec.framework is not None and spec.framework.serving.name is FrameworkName.HUGGINGFACE
    return hub and _HUB in spec.deploy.environment


def isolated_fetches_nothing(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.framework is None or not spec.network.isolation:
        return
    if spec.framework.serving.entry_point is not None or _from_the_hub(spec):
        what = "false, as the serving container fetches its script or model when it starts"
        yield "network.isolation", expected(what, True)


def transform_has_input(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.transform is None:
        return
    if not spec.trainable:
        if "channel" in spec.transform.model_fields_set:
            what = "nothing, as trainable is false and the upload itself is answered"
            yield "transform.channel", expected(what, spec.transform.channel)
        return
    channel = spec.channels.get(spec.transform.channel)
    if channel is None:
        yield "transform.channel", expected("the name of a channel", spec.transform.channel)
    elif not channel.required and spec.processing is None:
        what = "a required channel, as without processing an optional one may be missing"
        yield "transform.channel", expected(what, spec.transform.channel)


def batch_run_stands_alone(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    if spec.transform is None or spec.trainable:
        return
    if spec.deploy.mode is not DeployMode.NONE:
        what = "none, as without training a transform answers uploads and an endpoint would be another pipeline"
        yield "deploy.mode", expected(what, spec.deploy.mode)
    if spec.registration is not None:
        yield "register", "expected nothing, as every batch would register the same model again, found a section"


def batch_has_a_way(spec: AlgorithmSpec, _: Path) -> Iterator[Finding]:
    ways = spec.transform is not None or spec.deploy.mode is not DeployMode.NONE
    if spec.batch and not ways and spec.chain is None:
        yield "transform", expected("the batch job (or an endpoint), as batch is true", None)
