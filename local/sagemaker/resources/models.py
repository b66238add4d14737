"""Models: images, model data and environment variables, ready to be served.

A model is one container, or several in a row (Serial: each gets what the one before answered) or side by side (Direct:
the caller names one).
"""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from local.documents import Document
from local.sagemaker.machine.machine import Machine
from local.sagemaker.resources import model_packages
from local.sagemaker.resources.resource import Resource
from local.sagemaker.wire.errors import ImageError, ValidationException
from local.store import now

_MULTI_MODEL = "com.amazonaws.sagemaker.capabilities.multi-models"


@dataclass(frozen=True, slots=True)
class Served:
    """One container, as it is started."""

    name: str
    image: str
    data: str | None
    """S3 location of a model.tar.gz, or of a folder (ending in /)."""
    environment: dict[str, str]
    hostname: str = "primary"
    """What AWS's messages and the caller of a Direct model call it."""
    multi_model: bool = False
    """`data` holds many models, loaded when they are asked for."""
    cached: bool = True
    """Of many models: one that was loaded stays."""
    channels: tuple[tuple[str, str], ...] = ()
    """Further data: name below /opt/ml/additional-model-data-sources and S3 location."""


@dataclass(frozen=True, slots=True)
class Model:
    """What stands behind one instance of a variant."""

    containers: tuple[Served, ...]
    direct: bool = False


MODEL = Resource("model", "Model", 'Cannot create already existing model "{arn}".', 'Could not find model "{arn}".')


def create(machine: Machine, request: Document) -> Document:
    for container in _resolved(machine, request).containers:
        _check_label(machine, container)
    return MODEL.insert(machine, request, {**request, "CreationTime": now()})


describe, listed, delete = MODEL.describe, MODEL.listed, MODEL.delete


def resolved(machine: Machine, name: str) -> Model:
    """Raises ValidationException when the model, or the package it names, is not there."""
    return _resolved(machine, MODEL.find(machine, name))


def served(machine: Machine, name: str) -> Served:
    """Returns what a model of one container serves. Raises ValidationException, also for another kind of model."""
    model = resolved(machine, name)
    if len(model.containers) != 1 or model.containers[0].multi_model:
        raise ValidationException(f"Model {name} is not a model of exactly one container; such a one is needed here.")
    return model.containers[0]


def _resolved(machine: Machine, document: Document) -> Model:
    primary, several = document.get("PrimaryContainer"), document.get("Containers", [])
    if bool(primary) == bool(several):
        raise ValidationException("A model has either a PrimaryContainer or Containers.")
    definitions = [primary] if primary else several
    execution = document.get("InferenceExecutionConfig", {}).get("Mode", "Serial")
    if primary and execution == "Direct":
        raise ValidationException("InferenceExecutionConfig Direct is for a model of several Containers.")
    containers = tuple(
        _container(machine, document["ModelName"], definition, _hostname(definition, index, len(definitions)))
        for index, definition in enumerate(definitions, start=1)
    )
    _check_together([container.hostname for container in containers], containers, execution, definitions)
    return Model(containers, execution == "Direct")


def _hostname(definition: Document, index: int, count: int) -> str:
    alone = "model" if definition.get("Mode") == "MultiModel" else "primary"
    return str(definition.get("ContainerHostname") or (alone if count == 1 else f"container-{index}"))


def _check_together(
    names: list[str], containers: tuple[Served, ...], execution: str, definitions: list[Document]
) -> None:
    if len(set(names)) != len(names):
        raise ValidationException(f"Every container needs a ContainerHostname of its own; found {', '.join(names)}.")
    if len(containers) > 1 and any(container.multi_model for container in containers):
        raise ValidationException("Mode MultiModel among several containers is not run by this local SageMaker.")
    if execution == "Direct" and not all("ContainerHostname" in definition for definition in definitions):
        raise ValidationException("Every container of a model with InferenceExecutionConfig Direct needs a name.")


def _container(machine: Machine, model: str, container: Document, hostname: str) -> Served:
    for refused in ("InferenceSpecificationName",):
        if refused in container:
            raise ValidationException(f"{refused} is not run by this local SageMaker.")
    variables = dict(container.get("Environment", {}))
    if "ModelPackageName" in container:
        # A package may be approved or rejected later; what counts is now, as on AWS.
        packaged = model_packages.deployable(machine, container["ModelPackageName"])
        variables = {**packaged.get("Environment", {}), **variables}
        container = {**packaged, **{k: v for k, v in container.items() if k in ("Image", "Mode")}}
    if "Image" not in container:
        raise ValidationException("A container needs an Image or a ModelPackageName.")
    many = container.get("Mode") == "MultiModel"
    data = _data(container)
    if many and data is None:
        raise ValidationException("A container of Mode MultiModel needs a ModelDataUrl: the prefix of its models.")
    return Served(
        model,
        container["Image"],
        data,
        {**variables, "SAGEMAKER_MULTI_MODEL": "true"} if many else variables,
        hostname,
        many,
        container.get("MultiModelConfig", {}).get("ModelCacheSetting", "Enabled") == "Enabled",
        tuple(
            (source["ChannelName"], _location(source["S3DataSource"]))
            for source in container.get("AdditionalModelDataSources", ())
        ),
    )


def _data(container: Document) -> str | None:
    url, source = container.get("ModelDataUrl"), container.get("ModelDataSource", {}).get("S3DataSource")
    if url and source:
        raise ValidationException("A container has either a ModelDataUrl or a ModelDataSource.")
    return _location(source) if source else url


def _location(source: Document) -> str:
    for refused in ("HubAccessConfig", "ManifestS3Uri"):
        if refused in source:
            raise ValidationException(f"{refused} of a model's data is not run by this local SageMaker.")
    uri: str = source["S3Uri"]
    whole = source.get("S3DataType", "S3Object") == "S3Prefix"
    if whole == (source.get("CompressionType", "None" if whole else "Gzip") == "Gzip"):
        raise ValidationException("A model's data is an S3Object of CompressionType Gzip or an S3Prefix of None here.")
    return uri if not whole or uri.endswith("/") else f"{uri}/"


def _check_label(machine: Machine, container: Served) -> None:
    if not container.multi_model:
        return
    try:
        folder = machine.environments.resolve(container.image).folder
    except ImageError:
        # Said when an endpoint is made of it, in the words of every other image that nothing stands for.
        return
    if folder is None or not _labelled(folder / "Dockerfile"):
        raise ValidationException(
            f"Ecr image {container.image} does not contain required {_MULTI_MODEL}=true Docker label(s)."
        )


@functools.lru_cache(maxsize=64)
def _label(text: str) -> bool:
    joined = re.sub(r"\\\n", " ", text)
    return re.search(rf"(?mi)^\s*LABEL\b.*\b{re.escape(_MULTI_MODEL)}=[\"']?true\b", joined) is not None


def _labelled(dockerfile: Path) -> bool:
    return dockerfile.is_file() and _label(dockerfile.read_text(errors="replace"))
