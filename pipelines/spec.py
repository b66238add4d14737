"""The types of algorithm.yaml: what a file may say. `catalogue` reads files, `rules` checks what keys say together.

Unknown keys are refused, nothing is converted silently, and every default stands here and nowhere else.
"""

import json
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from pipelines.problems import expected, shown

RESERVED_PARAMETERS: Final = frozenset(
    {"JobId", "InputUri", "TrainingInstanceType", "TrainingInstanceCount", "ProcessingInstanceType"}
)
"""Pipeline parameters that every pipeline has; no hyperparameter may carry one of these names."""

MAX_NAME: Final = 30
"""Leaves room for the stage and a 12-digit suffix inside SageMaker's 63 characters."""

AlgorithmName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=MAX_NAME)]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=64)]
ChannelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
GroupName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](-*[A-Za-z0-9])*$", max_length=45)]
InstanceType = Annotated[str, StringConstraints(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9-]+$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Scalar = int | float | str


def refusal(at: str, text: str) -> PydanticCustomError:
    """A section's own rule was broken at its key `at` (empty for the section itself)."""
    return PydanticCustomError("rule", "{text}", {"at": at, "text": text})


def _free(name: str) -> str:
    """A hyperparameter's name that nothing else has; raises what pydantic turns into a problem."""
    if name in RESERVED_PARAMETERS:
        raise refusal("", "expected another name, found one that every pipeline has as a parameter")
    if name.startswith("sagemaker_"):
        raise refusal("", "expected another name, found one of the SageMaker containers' own")
    return name


def _short(path: str) -> str:
    """A path that a file system can be asked about."""
    if len(path.encode()) > 255:
        raise refusal("", expected("a path of at most 255 bytes", path))
    return path


RelativePath = Annotated[str, StringConstraints(pattern=r"^[^/\\\x00][^\\\x00]*$"), AfterValidator(_short)]
HyperparameterName = Annotated[ParameterName, AfterValidator(_free)]


class Section(BaseModel):
    """A mapping of the file: frozen, strict, closed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class HyperparameterType(StrEnum):
    """The types a SageMaker pipeline parameter can have and a hyperparameter can use."""

    INTEGER = "integer"
    FLOAT = "float"
    STRING = "string"


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


class TriggerOn(StrEnum):
    """What starts the training flow."""

    UPLOAD = "upload"
    SCHEDULE = "schedule"


class Goal(StrEnum):
    """Which side of the threshold is good."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class ImageSource(Section):
    """Where one image comes from: exactly one of the three."""

    build: RelativePath | None = Field(
        default=None, description="folder with the Dockerfile, inside the algorithm's folder"
    )
    uri: Text | None = Field(default=None, description="URI of an image that exists")
    ssm: Text | None = Field(default=None, description="SSM parameter that holds the URI")

    def given(self) -> list[str]:
        """The keys that say where the image comes from."""
        return [key for key in ("build", "uri", "ssm") if getattr(self, key) is not None]

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if len(self.given()) != 1:
            raise refusal("", expected("exactly one of build, uri and ssm", self.given()))
        return self


class Image(ImageSource):
    """An own container: one image for both ends, or one for `training` and one for `inference`."""

    training: ImageSource | None = None
    inference: ImageSource | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        apart = [key for key in ("training", "inference") if getattr(self, key) is not None]
        if len(self.given()) + len(apart) == 0 or (self.given() and apart) or len(self.given()) > 1:
            what = "exactly one of build, uri and ssm, or training and inference"
            raise refusal("", expected(what, self.given() + apart))
        if apart == ["training"]:
            raise refusal("inference", expected("the image that serves the model", None))
        return self

    @property
    def for_training(self) -> ImageSource:
        """The image of training and processing."""
        return self.training or self

    @property
    def for_inference(self) -> ImageSource:
        """The image of endpoints and batch transforms."""
        return self.inference or self


class FrameworkName(StrEnum):
    """The SageMaker framework containers that the compiler knows."""

    SKLEARN = "sklearn"
    XGBOOST = "xgboost"
    PYTORCH = "pytorch"
    TENSORFLOW = "tensorflow"
    HUGGINGFACE = "huggingface"
    MXNET = "mxnet"


class GitSource(Section):
    """A repository to take the sources from; the commit that was found is the one that is compiled."""

    repo: Text
    branch: Text | None = None
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = None

    @model_validator(mode="after")
    def _one_revision(self) -> Self:
        if (self.branch is None) == (self.commit is None):
            found = "neither" if self.branch is None else "both"
            raise refusal("", f"expected exactly one of branch and commit, found {found}")
        return self


class Framework(Section):
    """Script mode: a framework's own container runs the scripts of `source_dir`."""

    name: FrameworkName
    version: Text
    py_version: Text = "py3"
    transformers_version: Text | None = Field(default=None, description="huggingface only")
    entry_point: RelativePath | None = Field(default=None, description="training script")
    source_dir: RelativePath | None = Field(
        default=None, description="folder of the scripts; inside `git` when that is given"
    )
    git: GitSource | None = None
    inference_entry_point: RelativePath | None = None

    @model_validator(mode="after")
    def _own_rules(self) -> Self:
        if self.source_dir is None:
            raise refusal("source_dir", expected("the folder of the scripts", None))
        if (self.transformers_version is not None) != (self.name is FrameworkName.HUGGINGFACE):
            what = "a version with huggingface and nothing with any other framework"
            raise refusal("transformers_version", expected(what, self.transformers_version))
        return self


class Channel(Section):
    """One input of the training job."""

    required: bool = True
    description: str = ""


class Hyperparameter(Section):
    """A typed pipeline parameter, passed to the training job by its own name."""

    type: HyperparameterType
    default: Scalar
    minimum: int | float | None = None
    maximum: int | float | None = None
    choices: Annotated[tuple[Scalar, ...], Field(min_length=1)] | None = None
    description: str = ""

    @model_validator(mode="after")
    def _own_rules(self) -> Self:
        for key in ("default", "minimum", "maximum"):
            value = getattr(self, key)
            if value is not None and not self._fits(value):
                raise refusal(key, expected(self._wanted(key), value))
        for value in self.choices or ():
            if not self._fits(value):
                raise refusal("choices", expected(f"values of type {self.type.value}", value))
        self._default_in_range()
        return self

    def _fits(self, value: Scalar) -> bool:
        match self.type:
            case HyperparameterType.INTEGER:
                return isinstance(value, int)
            case HyperparameterType.FLOAT:
                return isinstance(value, int | float)
            case HyperparameterType.STRING:
                return isinstance(value, str)

    def _wanted(self, key: str) -> str:
        if self.type is HyperparameterType.STRING and key != "default":
            return "nothing for a string"
        return {"integer": "an integer", "float": "a number", "string": "text"}[self.type.value]

    def _default_in_range(self) -> None:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise refusal("maximum", expected(f"a number >= {self.minimum} (minimum)", self.maximum))
        if self.choices is not None and self.default not in self.choices:
            listed = ", ".join(shown(choice) for choice in self.choices)
            raise refusal("default", expected(f"one of {listed} (choices)", self.default))
        if isinstance(self.default, str):
            return
        if self.minimum is not None and self.default < self.minimum:
            raise refusal("default", expected(f"a number >= {self.minimum} (minimum)", self.default))
        if self.maximum is not None and self.default > self.maximum:
            raise refusal("default", expected(f"a number <= {self.maximum} (maximum)", self.default))


class Compute(Section):
    """The machines of a job."""

    instance_type: InstanceType = "ml.m5.large"
    instance_count: int = Field(default=1, ge=1)
    volume_gb: int = Field(default=30, ge=1, le=16384)
    max_runtime_seconds: int = Field(default=86400, ge=60, le=432000)


class Training(Compute):
    """The training job."""


class Processing(Compute):
    """The job before training that turns the upload into channels; evaluation runs on the same machines."""

    max_runtime_seconds: int = Field(default=3600, ge=60, le=432000)
    arguments: tuple[ParameterName, ...] = Field(default=(), description="hyperparameters passed as --name value")
    entry_point: RelativePath | None = Field(default=None, description="script; with a framework only")


class Evaluation(Section):
    """The quality gate: a metric of evaluation.json and the value it must reach."""

    metric: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    threshold: int | float
    goal: Goal = Goal.MAXIMIZE
    entry_point: RelativePath | None = Field(default=None, description="script; with a framework only")


class Register(Section):
    """The model package that a good model becomes."""

    group: GroupName
    approval: Approval = Approval.AUTOMATIC
    content_types: tuple[Text, ...] = Field(default=("text/csv",), min_length=1)
    response_types: tuple[Text, ...] = Field(default=("text/csv",), min_length=1)


class Canary(Section):
    """How an update of an endpoint takes over traffic."""

    percent: int = Field(default=10, ge=1, le=50)
    wait_seconds: int = Field(default=300, ge=0, le=3600)


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
                found = getattr(self, key)
                plain = found.model_dump() if isinstance(found, BaseModel) else found
                raise refusal(key, expected(f"nothing with mode {self.mode.value}", plain))
        if self.mode in _MODES_OF["instance_type"] and self.instance_type is None:
            raise refusal("instance_type", expected(f"an instance type for mode {self.mode.value}", None))
        return self

    def published(self) -> dict[str, Any]:
        """The section as functions read it: what applies to its mode, defaults filled in."""
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


class Retrain(Section):
    """Training on a schedule."""

    schedule: Annotated[str, StringConstraints(pattern=r"^(rate\([1-9][0-9]* (minute|hour|day)s?\)|cron\([^()]+\))$")]
    only_if_new_data: bool = True


class Trigger(Section):
    """What starts a run. The pattern is matched against the uploaded file's name."""

    on: TriggerOn = TriggerOn.UPLOAD
    pattern: Text = "_SUCCESS"


class Results(Section):
    """How an answer made of several images is named."""

    labels: tuple[Text, ...] = ()


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
    artifact: RelativePath | None = Field(
        default=None, description="folder packed as model.tar.gz when nothing is trained"
    )
    channels: dict[ChannelName, Channel] = Field(default_factory=dict)
    hyperparameters: dict[HyperparameterName, Hyperparameter] = Field(default_factory=dict)
    training: Training | None = None
    processing: Processing | None = None
    evaluation: Evaluation | None = None
    registration: Register | None = Field(default=None, alias="register")
    deploy: Deploy = Deploy(mode=DeployMode.NONE)
    retrain: Retrain | None = None
    trigger: Trigger = Trigger()
    results: Results = Results()

    @property
    def deploys(self) -> bool:
        """Whether the pipeline ends in an endpoint without anyone's approval."""
        automatic = self.registration is not None and self.registration.approval is Approval.AUTOMATIC
        return self.deploy.mode is not DeployMode.NONE and automatic

    @classmethod
    def of(cls, data: dict[str, Any]) -> Self:
        """A specification from plain data; raises pydantic.ValidationError. `catalogue.load` tells more."""
        return cls.model_validate_json(json.dumps(data))


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of algorithm.yaml, for editors."""
    schema = AlgorithmSpec.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Headrace algorithm.yaml",
        **{key: value for key, value in schema.items() if key not in {"title", "description"}},
        "oneOf": [{"required": ["image"]}, {"required": ["framework"]}],
    }


def json_schema_text() -> str:
    """The text of `pipelines/algorithm.schema.json`."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
