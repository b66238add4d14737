"""A published algorithm as the API tells it: the shape of the catalogue's rows."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Scalar = int | float | str | bool


class _Section(BaseModel):
    """A part of a row. Rows that an older headrace published may have fewer keys, those of a newer one more."""

    model_config = ConfigDict(extra="allow")


class Trigger(_Section):
    on: Literal["upload", "schedule", "request"] = "upload"
    pattern: str = Field(default="_SUCCESS", description="of the file names that start it")


class Channel(_Section):
    required: bool = True
    description: str = ""


class Hyperparameter(_Section):
    type: Literal["integer", "float", "string"]
    default: Scalar
    minimum: float | None = None
    maximum: float | None = None
    choices: list[Scalar] | None = None
    description: str = ""


class Deploy(_Section):
    """How it is served; beside the mode stands what that mode knows."""

    mode: Literal["realtime", "async", "serverless", "none"]


class Registration(_Section):
    """The model package group that it registers into, and who lets a model be deployed."""

    group: str
    approval: Literal["automatic", "manual"]
    content_types: list[str] = Field(default_factory=list)
    response_types: list[str] = Field(default_factory=list)


class Evaluation(_Section):
    """The quality gate; with `against`, a model has to be as good as the one in service too."""

    metric: str
    threshold: float
    goal: Literal["maximize", "minimize"] = "maximize"
    against: Literal["deployed"] | None = None


class Retrain(_Section):
    schedule: str = Field(description="rate(...) or cron(...), UTC")
    only_if_new_data: bool = True


class Detect(_Section):
    algorithm: str
    min_confidence: float = 0.25
    margin: float = 0.0


class Read(_Section):
    algorithm: str


class Chain(_Section):
    """Two algorithms, one after the other; docs/chained.md."""

    detect: Detect
    read: Read
    max_crops: int = 20


class Local(_Section):
    """Whether the local cloud runs it, and why not."""

    runs: bool = True
    reason: str | None = None


class Transform(_Section):
    instance_type: str | None = None
    instance_count: int | None = None
    content_type: str | None = None
    accept: str | None = None
    channel: str | None = None


class Algorithm(_Section):
    """An algorithm of the catalogue."""

    name: str
    title: str
    reference: str | None = None
    trainable: bool
    inferable: bool
    batch: bool = False
    trigger: Trigger | None = None
    channels: dict[str, Channel] = Field(default_factory=dict)
    hyperparameters: dict[str, Hyperparameter] = Field(default_factory=dict)
    pipeline: str | None = None
    pipeline_seconds: int | None = Field(default=None, description="as long as a run of its pipeline may take")
    steps: list[str] = Field(default_factory=list)
    endpoint: str | None = None
    deploy: Deploy | None = None
    network: dict[str, Any] = Field(default_factory=dict)
    encryption: dict[str, Any] = Field(default_factory=dict)
    registration: Registration | None = None
    evaluation: Evaluation | None = None
    labels: list[str] = Field(default_factory=list)
    retrain: Retrain | None = None
    definition_sha256: str | None = None
    cache: bool = Field(default=False, description="Whether a step that ran with the same arguments is not run again")
    local: Local | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    transform: Transform | None = None
    chain: Chain | None = None


class AlgorithmList(BaseModel):
    algorithms: list[Algorithm]
