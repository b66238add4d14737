"""How a model answers: its package in the registry, its endpoint, its batch transforms."""

from enum import StrEnum
from typing import Final, Self

from pydantic import BaseModel, Field, model_validator

from pipelines.documents import Document
from pipelines.problems import expected
from pipelines.spec.sections import (
    DEFAULT_INSTANCE_TYPE,
    ChannelName,
    GroupName,
    InstanceType,
    RelativePath,
    Section,
    Text,
    refusal,
)

LEAST_STEP: Final = 10
"""Percent of a linear shift; SageMaker takes no smaller step."""


class DeployMode(StrEnum):
    """How predictions are served."""

    REALTIME = "realtime"
    ASYNC = "async"
    SERVERLESS = "serverless"
    NONE = "none"


class Approval(StrEnum):
    """Who lets a registered model be deployed: the quality gate alone, or a person."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class Register(Section):
    """The model package that a good model becomes."""

    group: GroupName
    approval: Approval = Approval.AUTOMATIC
    content_types: tuple[Text, ...] = Field(default=("text/csv",), min_length=1)
    response_types: tuple[Text, ...] = Field(default=("text/csv",), min_length=1)
    sample: RelativePath | None = Field(
        default=None,
        description="file with one request of the first content type: a model that does not answer it is not deployed. "
        "Left out: what the step Evaluate wrote as `sample` beside evaluation.json, if it did",
    )


class TrafficShift(StrEnum):
    """How traffic moves to the new model: a first part and then the rest, or part after part."""

    CANARY = "canary"
    LINEAR = "linear"


class Canary(Section):
    """How an update of an endpoint takes over traffic, and what takes it back: any 5xx answer, and the limits here."""

    shift: TrafficShift = TrafficShift.CANARY
    percent: int = Field(default=10, ge=1, le=50)
    wait_seconds: int = Field(default=300, ge=0, le=3600)
    max_latency_ms: int | None = Field(default=None, ge=1, le=3_600_000, description="of the model, on average")
    max_backlog: int | None = Field(default=None, ge=1, description="async only: requests waiting, per instance")

    @model_validator(mode="after")
    def _linear_steps(self) -> Self:
        if self.shift is TrafficShift.LINEAR and self.percent < LEAST_STEP:
            raise refusal("percent", expected(f"a number >= {LEAST_STEP}, as shift is linear", self.percent))
        return self


class Deploy(Section):
    """The endpoint; keys that its mode does not know are refused."""

    mode: DeployMode
    instance_type: InstanceType | None = None
    count: int = Field(default=1, ge=1, le=100)
    max_concurrent_invocations: int | None = Field(default=None, ge=1, le=1000, description="async only, per instance")
    memory_mb: int | None = Field(default=None, ge=1024, le=6144, multiple_of=1024, description="serverless only")
    max_concurrency: int | None = Field(default=None, ge=1, le=200, description="serverless only")
    startup_timeout_seconds: int | None = Field(default=None, ge=60, le=3600)
    environment: dict[str, str] = Field(default_factory=dict, description="variables of the serving container")
    canary: Canary | None = None

    @model_validator(mode="after")
    def _mode_knows_its_keys(self) -> Self:
        for key, modes in _MODES_OF.items():
            if key in self.model_fields_set and getattr(self, key) is not None and self.mode not in modes:
                section = getattr(self, key)
                plain = section.model_dump() if isinstance(section, BaseModel) else section
                raise refusal(key, expected(f"nothing with mode {self.mode.value}", plain))
        if self.mode in _MODES_OF["instance_type"] and self.instance_type is None:
            raise refusal("instance_type", expected(f"an instance type for mode {self.mode.value}", None))
        if self.canary is not None and self.canary.max_backlog is not None and self.mode is not DeployMode.ASYNC:
            raise refusal("canary.max_backlog", expected("nothing, as mode is not async", self.canary.max_backlog))
        return self

    def published(self) -> Document:
        """Returns the section as functions read it: what applies to its mode, defaults filled in."""
        plain = self.model_dump(mode="json", exclude_none=True)
        return {key: value for key, value in plain.items() if self.mode in _MODES_OF.get(key, {self.mode})}


_MODES_OF: Final = {
    "instance_type": {DeployMode.REALTIME, DeployMode.ASYNC},
    "count": {DeployMode.REALTIME, DeployMode.ASYNC},
    "max_concurrent_invocations": {DeployMode.ASYNC},
    "memory_mb": {DeployMode.SERVERLESS},
    "max_concurrency": {DeployMode.SERVERLESS},
    "startup_timeout_seconds": {DeployMode.REALTIME, DeployMode.ASYNC},
    "environment": {DeployMode.REALTIME, DeployMode.ASYNC, DeployMode.SERVERLESS},
    "canary": {DeployMode.REALTIME, DeployMode.ASYNC},
}


class SplitType(StrEnum):
    """What one record of a file is."""

    NONE = "None"
    LINE = "Line"
    RECORD_IO = "RecordIO"
    TF_RECORD = "TFRecord"


class AssembleWith(StrEnum):
    """How the answers of a file's records are put together."""

    NONE = "None"
    LINE = "Line"


class BatchStrategy(StrEnum):
    """How many records one request holds."""

    SINGLE = "SingleRecord"
    MULTI = "MultiRecord"


class Transform(Section):
    """A batch transform job: the model's answers for every file of a prefix."""

    instance_type: InstanceType = DEFAULT_INSTANCE_TYPE
    instance_count: int = Field(default=1, ge=1, le=100)
    content_type: Text | None = None
    accept: Text | None = None
    split_type: SplitType | None = None
    assemble_with: AssembleWith | None = None
    strategy: BatchStrategy | None = None
    max_concurrent: int | None = Field(default=None, ge=0)
    max_payload_mb: int | None = Field(default=None, ge=0, le=100)
    channel: ChannelName = Field(default="test", description="what a trained model answers; trainable only")

    @model_validator(mode="after")
    def _payloads_fit(self) -> Self:
        together = (self.max_concurrent or 1) * (self.max_payload_mb or 6)
        if self.max_payload_mb is not None and together > 100:
            what = f"at most 100 MB together with max_concurrent ({self.max_concurrent})"
            raise refusal("max_payload_mb", expected(what, self.max_payload_mb))
        return self
