"""The bodies of the HTTP API, for validation and for its OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from functions.jobs import errors


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class UploadRequest(_Request):
    """A file that will be uploaded."""

    kind: Literal["training", "face", "chain"]
    algorithm: str | None = Field(
        default=None, min_length=1, max_length=64, description="required for a training and for a chain"
    )
    filename: Annotated[str, Field(min_length=1, max_length=200)]
    content_type: str | None = Field(default=None, min_length=1, max_length=128, pattern=r"^[\x21-\x7e ]+$")
    hyperparameters: dict[str, Any] = Field(default_factory=dict, description="of the training that it starts")


class TrainingRequest(_Request):
    """A training of a dataset that is in the uploads bucket already."""

    algorithm: Annotated[str, Field(min_length=1, max_length=64)]
    key: str | None = Field(
        default=None, min_length=1, max_length=1024, description="key of the dataset; the newest if absent"
    )
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    inherit: bool = Field(
        default=True, description="without a key: whether what is not told is taken from the last successful run"
    )


class RerunRequest(_Request):
    """What is to be otherwise than the first time; {} for nothing."""

    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    from_step: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="run from this step on, over what was left of those before",
    )


def _error_codes(schema: dict[str, Any]) -> None:
    """Names the codes that are known; a failure of foreign code has its own exception's name."""
    schema.pop("type", None)
    codes = sorted({*errors.own_codes(), *errors.KNOWN_CODES})
    schema["anyOf"] = [{"type": "string", "enum": codes, "title": "KnownCode"}, {"type": "string"}]


class Upload(BaseModel):
    method: str
    url: str
    headers: dict[str, str]


class Form(BaseModel):
    """The same upload as a multipart/form-data POST, whose length S3 bounds."""

    method: str
    url: str
    fields: dict[str, str] = Field(description="to send before the field `file`")
    max_bytes: int


class UploadAnswer(BaseModel):
    job_id: str
    upload: Upload
    form: Form
    status_url: str


class Links(BaseModel):
    execution: str | None
    pipeline_execution: str | None
    training_job: str | None
    model_package: str | None
    endpoint: str | None


class Result(BaseModel):
    index: int
    label: str
    url: str


class JobError(BaseModel):
    code: Annotated[str, Field(json_schema_extra=_error_codes)]
    message: str


class Source(BaseModel):
    bucket: str
    key: str
    version_id: str | None


class HyperparameterValue(BaseModel):
    value: int | float | str | bool | None
    origin: Literal["default", "inherited", "dataset", "upload", "request", "rerun"]


class Run(BaseModel):
    """What a job was run with, and what was measured; null and empty where it is not known (yet)."""

    trigger: str | None = Field(description="upload, api, retraining, publish or rerun")
    rerun_of: str | None
    inherited_from: str | None = Field(description="the job whose hyperparameters were taken over")
    definition_sha256: str | None = Field(description="of its pipeline's definition, which names its code by content")
    hyperparameters: dict[str, HyperparameterValue] | None
    input_uri: str | None = Field(description="the copy of what it was claimed with")
    metrics: dict[str, float]
    durations: dict[str, float] = Field(description="seconds, by step")


class Job(BaseModel):
    """A tracked job, from upload to result."""

    job_id: str
    kind: Literal["training", "face", "chain", "batch", "deployment"]
    status: Literal["PENDING", "INPROGRESS", "SUCCESS", "FAILURE", "STOPPED"]
    algorithm: str | None
    step: str | None
    steps_done: int
    steps_total: int
    links: Links
    results: list[Result]
    error: JobError | None
    source: Source | None
    run: Run
    created_at: str
    updated_at: str


class Delivery(BaseModel):
    """One delivery of an upload's event, and what was decided."""

    decision: Literal["started", "rejected", "duplicate", "stale", "ignored"]
    reason: str | None
    job_id: str | None
    execution: str
    received_at: str


class JobList(BaseModel):
    jobs: list[Job]
    cursor: str | None
    events: list[Delivery] | None = Field(
        default=None, description="only with key: the last 20 deliveries of that object, newest first"
    )


class DeliveryList(BaseModel):
    events: list[Delivery]


class TrainingAnswer(BaseModel):
    job_id: str
    status_url: str


class LogLine(BaseModel):
    time: str
    stream: str = Field(description="of the job: its instance")
    message: str


class LogPage(BaseModel):
    """One step's log: the last 1,000 lines, or those behind `after`."""

    step: str | None
    status: str | None
    steps: list[str] = Field(description="that have logs: the failed ones, then the others, the latest first")
    lines: list[LogLine]
    next: str | None = Field(description="to be sent as after, for what is written next")


class Node(BaseModel):
    kind: Literal[
        "rerun_of", "inherited_from", "upload", "event", "job", "input", "execution", "pipeline_execution",
        "training_job", "model_package", "endpoint", "result",
    ]  # fmt: skip
    id: str
    detail: str | None


class Lineage(BaseModel):
    """What came of what, from the upload on."""

    job_id: str
    lineage: list[Node]


class Difference(BaseModel):
    name: str
    values: list[int | float | str | bool | None] = Field(description="one a job, in their order")


class Comparison(BaseModel):
    """What differs between jobs: metrics, hyperparameters, what they ran on, durations."""

    jobs: list[str]
    differences: list[Difference]


class ApprovalRequest(_Request):
    """A person's decision about a model."""

    status: Literal["Approved", "Rejected"]
    reason: str | None = Field(default=None, min_length=1, max_length=1024)


class ApprovalAnswer(BaseModel):
    """What came of a decision; no job where nothing has to change."""

    model: str
    status: Literal["Approved", "Rejected"]
    job_id: str | None
    status_url: str | None


class Model(BaseModel):
    """A registered version of an algorithm's model."""

    id: str
    algorithm: str | None
    version: int
    approval: Literal["Approved", "Rejected", "PendingManualApproval"]
    reason: str | None
    endpoint: str | None = Field(description="that serves it now")
    job_id: str | None = Field(description="that made it")
    model_package: str
    metrics: str | None = Field(description="s3:// URI of evaluation.json")
    created_at: str
    updated_at: str


class ModelList(BaseModel):
    models: list[Model]


class Endpoint(BaseModel):
    """An endpoint, as SageMaker tells its status."""

    name: str
    algorithm: str
    status: str
    mode: str | None
    instances: int | None
    model: str | None = Field(description="id of the model that it serves")
    model_package: str | None
    endpoint_config: str | None
    reason: str | None = Field(description="of its last failure")
    created_at: str
    updated_at: str


class EndpointList(BaseModel):
    endpoints: list[Endpoint]


class EndpointDeletion(BaseModel):
    name: str
    status: Literal["Deleting"]


class FieldProblem(BaseModel):
    field: str
    message: str


class GatewayMessage(BaseModel):
    """What API Gateway says when it answers itself."""

    message: str


class ProblemBody(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = Field(default_factory=list)
