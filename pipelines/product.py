"""What compiling gives: a definition, what it refers to, and the published algorithm that functions read."""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from pipelines import durations
from pipelines.definition.document import images_of, steps_of
from pipelines.documents import Document
from pipelines.environment import Environment
from pipelines.spec import AlgorithmSpec, DeployMode
from pipelines.staging.uploads import Upload

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class CompiledPipeline:
    """One algorithm, ready to be published."""

    name: str
    """The algorithm's."""
    pipeline_name: str | None
    """None for a chain, which has no pipeline: so is `definition`."""
    definition: str | None
    """Canonical JSON: what CreatePipeline gets; equal inputs give equal bytes."""
    uploads: tuple[Upload, ...]
    published: str
    """The published algorithm as JSON."""
    parameters: tuple[tuple[str, str], ...]
    """SSM parameters (leaf, value): source, artifact, training_image, inference_image, industrialmodels.

    As far as there are any; industrialmodels is a JSON list of the model package groups it registers to.
    """
    retrain_schedule: str | None
    """When it is trained anew: `rate(...)` or `cron(...)`, UTC."""
    deployment_job_id: str | None
    """For an algorithm that is deployed without training: the job that does it."""
    tags: tuple[tuple[str, str], ...] = ()
    """(key, value) of the pipeline and of all that belongs to the algorithm; its jobs have them already."""

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps a successful run takes, in order."""
        return tuple(step["Name"] for step in _listed(self.definition) if step["Type"] != "Fail")

    @property
    def definition_sha256(self) -> str | None:
        """Hash of the definition."""
        return None if self.definition is None else hashlib.sha256(self.definition.encode()).hexdigest()

    def pretty(self) -> str:
        """Returns the definition for people and for golden files."""
        return json.dumps(json.loads(self.definition or "null"), indent=2, ensure_ascii=False) + "\n"


def _listed(definition: str | None) -> list[Document]:
    return [] if definition is None else list(steps_of(json.loads(definition)))


def compiled(
    spec: AlgorithmSpec,
    environment: Environment,
    definition: str | None,
    uploads: tuple[Upload, ...],
    keys: dict[str, str | None],
    content_sha256: str,
) -> CompiledPipeline:
    """Puts a definition together with what belongs to it. `keys` are those of `source` and `artifact`."""
    sha256 = None if definition is None else hashlib.sha256(definition.encode()).hexdigest()
    steps = _listed(definition)
    values = {leaf: environment.artifact_uri(key) for leaf, key in keys.items() if key is not None}
    values |= images_of(steps)
    if spec.registration is not None:
        values["industrialmodels"] = json.dumps([environment.model_package_group(spec.registration.group)])
    job_id = derived_job_id("publish", spec.name, sha256, content_sha256) if sha256 else None
    return CompiledPipeline(
        name=spec.name,
        pipeline_name=None if definition is None else environment.resource_name(spec.name),
        definition=definition,
        uploads=uploads,
        published=json.dumps(published(spec, environment, steps, sha256), ensure_ascii=False, separators=(",", ":")),
        parameters=tuple(sorted(values.items())),
        retrain_schedule=spec.retrain.schedule if spec.retrain else None,
        deployment_job_id=job_id if spec.deployed_by_publishing else None,
        tags=tuple(sorted(spec.tags.items())),
    )


def published(spec: AlgorithmSpec, environment: Environment, steps: list[Document], sha256: str | None) -> Document:
    """Returns the row of the algorithms table: what functions and the API know of an algorithm."""
    serves = spec.deploy.mode is not DeployMode.NONE
    settable = {name: value for name, value in spec.hyperparameters.items() if name not in spec.tuned}
    return {
        "name": spec.name,
        "title": spec.title,
        "reference": spec.reference,
        "trainable": spec.trainable,
        "inferable": spec.inferable,
        "batch": spec.batch,
        "trigger": spec.trigger.model_dump(mode="json"),
        "channels": {name: channel.model_dump(mode="json") for name, channel in spec.channels.items()},
        "hyperparameters": {name: value.model_dump(mode="json") for name, value in settable.items()},
        "pipeline": environment.resource_name(spec.name) if steps else None,
        "pipeline_seconds": durations.seconds(steps) if steps else None,
        "steps": [step["Name"] for step in steps if step["Type"] != "Fail"],
        "endpoint": environment.resource_name(spec.name) if serves else None,
        "deploy": spec.deploy.published(),
        "network": spec.network.model_dump(mode="json", exclude_defaults=True),
        "encryption": spec.encryption.model_dump(mode="json", exclude_defaults=True),
        "registration": _registered(spec, environment),
        "evaluation": spec.evaluation.model_dump(mode="json", exclude={"entry_point"}) if spec.evaluation else None,
        "labels": list(spec.results.labels),
        "retrain": spec.retrain.model_dump(mode="json") if spec.retrain else None,
        "definition_sha256": sha256,
        "cache": spec.cache is not None,
        "local": spec.local.model_dump(mode="json"),
        "tags": dict(sorted(spec.tags.items())),
        "transform": spec.transform.model_dump(mode="json", exclude_none=True) if spec.transform else None,
        "chain": spec.chain.model_dump(mode="json") if spec.chain else None,
    }


def _registered(spec: AlgorithmSpec, environment: Environment) -> Document | None:
    """Returns the section `register` with the whole name of its model package group."""
    if spec.registration is None:
        return None
    section = spec.registration.model_dump(mode="json", exclude={"sample"})
    return {**section, "group": environment.model_package_group(spec.registration.group)}


def derived_job_id(*parts: str) -> str:
    """Returns the job id that the same parts always give: 130 bits of their hash, 26 characters, the first 0 to 7."""
    number = int.from_bytes(hashlib.sha256("\n".join(parts).encode()).digest()) >> (256 - 130)
    digits = [_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)]
    return _ALPHABET[_ALPHABET.index(digits[0]) & 7] + "".join(digits[1:])
