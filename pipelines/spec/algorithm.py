"""One algorithm.yaml as a whole, and its JSON Schema for editors."""

import json
from typing import Self

from pydantic import Field

from pipelines.documents import Document
from pipelines.spec.framework import Framework
from pipelines.spec.images import Image
from pipelines.spec.running import (
    Cache,
    Chain,
    Encryption,
    Local,
    Network,
    Results,
    Retrain,
    Retry,
    TagKey,
    TagValue,
    Trigger,
    TriggerOn,
)
from pipelines.spec.sections import AlgorithmName, ChannelName, HyperparameterName, RelativePath, Section, Text
from pipelines.spec.serving import Approval, Deploy, DeployMode, Register, Transform
from pipelines.spec.training import Channel, Evaluation, Hyperparameter, Processing, Training, Tuning


class AlgorithmSpec(Section):
    """One algorithm.yaml."""

    name: AlgorithmName
    title: Text
    reference: Text | None = None
    trainable: bool
    inferable: bool
    batch: bool = False
    image: Image | None = None
    framework: Framework | None = None
    chain: Chain | None = None
    artifact: RelativePath | None = Field(
        default=None, description="folder packed as model.tar.gz when nothing is trained"
    )
    channels: dict[ChannelName, Channel] = Field(default_factory=dict)
    hyperparameters: dict[HyperparameterName, Hyperparameter] = Field(default_factory=dict)
    training: Training | None = None
    tuning: Tuning | None = None
    processing: Processing | None = None
    evaluation: Evaluation | None = None
    registration: Register | None = Field(default=None, alias="register")
    deploy: Deploy = Deploy(mode=DeployMode.NONE)
    transform: Transform | None = None
    retrain: Retrain | None = None
    trigger: Trigger = Trigger()
    results: Results = Results()
    cache: Cache | None = None
    retry: Retry | None = None
    network: Network = Network()
    encryption: Encryption = Encryption()
    tags: dict[TagKey, TagValue] = Field(default_factory=dict, max_length=40)
    local: Local = Local()

    @property
    def deploys(self) -> bool:
        """Whether the pipeline ends in an endpoint without anyone's approval."""
        automatic = self.registration is not None and self.registration.approval is Approval.AUTOMATIC
        return self.deploy.mode is not DeployMode.NONE and automatic

    @property
    def deployed_by_publishing(self) -> bool:
        """Whether publishing alone brings the model to its endpoint: nothing is trained and nobody is to ask."""
        return self.deploys and not self.trainable and self.trigger.on is not TriggerOn.REQUEST

    @property
    def tuned(self) -> frozenset[str]:
        """Hyperparameters whose values the tuning job chooses; nobody else gives them."""
        return frozenset(self.tuning.ranges) if self.tuning else frozenset()

    @classmethod
    def of(cls, data: Document) -> Self:
        """Returns a specification from plain data; raises pydantic.ValidationError. `reading.parse` tells more."""
        return cls.model_validate_json(json.dumps(data))


def json_schema() -> Document:
    """Returns the JSON Schema (2020-12) of algorithm.yaml, for editors."""
    schema = AlgorithmSpec.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Headrace algorithm.yaml",
        **{key: value for key, value in schema.items() if key not in {"title", "description"}},
        "oneOf": [{"required": [key]} for key in ("image", "framework", "chain")],
    }


def json_schema_text() -> str:
    """Returns the text of `pipelines/algorithm.schema.json`."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
