"""When an algorithm runs, where it may, and what its jobs share: triggers, cache, retries, network, keys, tags."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from pipelines.problems import expected
from pipelines.spec.sections import AlgorithmName, Section, Text, refusal


class TriggerOn(StrEnum):
    """What starts the training flow; a person's request starts it always."""

    UPLOAD = "upload"
    SCHEDULE = "schedule"
    REQUEST = "request"


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


Duration = Annotated[str, StringConstraints(pattern=r"^P([0-9]+[YMWD])+(T([0-9]+[HMS])+)?$|^PT([0-9]+[HMS])+$")]


class Cache(Section):
    """Steps that ran with the same arguments before are not run again."""

    expire_after: Duration = Field(description="ISO 8601 duration: P30D")


class Retry(Section):
    """What is tried again: service faults and throttling of any step, capacity and internal errors of jobs."""

    max_attempts: int = Field(default=3, ge=1, le=20)
    interval_seconds: int = Field(default=10, ge=1, le=3600)
    backoff_rate: int | float = Field(default=2.0, ge=1, le=10)


SubnetId = Annotated[str, StringConstraints(pattern=r"^subnet-[0-9a-f]+$")]
SecurityGroupId = Annotated[str, StringConstraints(pattern=r"^sg-[0-9a-f]+$")]


class Network(Section):
    """Where jobs and models stand in a VPC, and what they may reach."""

    subnets: tuple[SubnetId, ...] = Field(default=(), max_length=16)
    security_group_ids: tuple[SecurityGroupId, ...] = Field(default=(), max_length=5)
    isolation: bool = Field(default=False, description="containers reach no network")
    encrypt_traffic: bool = Field(default=False, description="between the instances of a job")

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if self.subnets and not self.security_group_ids:
            raise refusal("security_group_ids", expected("the security groups inside the subnets", None))
        if self.security_group_ids and not self.subnets:
            raise refusal("subnets", expected("the subnets of the security groups", None))
        return self


KmsKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+"
        r"|alias/[A-Za-z0-9/_-]+|mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$"
    ),
]


class Encryption(Section):
    """KMS keys: an id, an ARN or an alias."""

    volume_key: KmsKey | None = Field(default=None, description="of the jobs' storage volumes")
    output_key: KmsKey | None = Field(default=None, description="of what jobs write to S3")


class Build(StrEnum):
    """When the local cloud builds the environments of an algorithm."""

    AHEAD = "ahead"
    FIRST_USE = "first_use"


class Local(Section):
    """Whether the algorithm runs on a laptop; one that does not is compiled, validated and published all the same."""

    runs: bool = True
    reason: Text | None = Field(default=None, description="why not")
    build: Build = Build.AHEAD

    @model_validator(mode="after")
    def _says_why_not(self) -> Self:
        if not self.runs and self.reason is None:
            raise refusal("reason", expected("why it does not run locally", None))
        if self.runs and self.reason is not None:
            raise refusal("reason", expected("nothing, as runs is true", self.reason))
        return self


class Detect(Section):
    """The endpoint that finds boxes in a picture."""

    algorithm: AlgorithmName
    min_confidence: int | float = Field(default=0.25, ge=0, le=1)
    margin: int | float = Field(default=0.0, ge=0, le=1, description="added around a box, as a share of its sides")


class Read(Section):
    """The endpoint that answers for each box."""

    algorithm: AlgorithmName


class Chain(Section):
    """Two endpoints in a row: what the first finds is cut out and given to the second."""

    detect: Detect
    read: Read
    max_crops: int = Field(default=20, ge=1, le=200)


def _not_reserved(key: str) -> str:
    if key.lower().startswith("aws:"):
        raise refusal("", expected("a key without the prefix aws:, which is AWS's own", key))
    return key


TagKey = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9 _.:/=+@-]+$", max_length=128), AfterValidator(_not_reserved)
]
TagValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 _.:/=+@-]*$", max_length=256)]
