"""Where a catalogue is published: stage, account and region, and every name, ARN and URI that follows from them.

The partition is data: `arn` and `domain` are the only places that know it. The walk goes on in `compile`.
"""

import re
from dataclasses import dataclass
from typing import Final

LOCAL_ACCOUNT: Final = "000000000000"
LOCAL_REGION: Final = "us-east-1"

_DOMAINS: Final = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"}
_SHAPES: Final = {
    "stage": re.compile(r"[a-z][a-z0-9]{1,9}"),
    "account": re.compile(r"[0-9]{12}"),
    "region": re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]"),
}


def partition_of(region: str) -> str:
    """Returns the partition a region belongs to: `aws`, `aws-cn` or `aws-us-gov`."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def dashed(algorithm: str) -> str:
    """Returns an algorithm's name as SageMaker allows it in resource names, which refuse underscores."""
    return algorithm.replace("_", "-")


@dataclass(frozen=True, slots=True)
class Environment:
    """One deployment of Headrace. Raises ValueError for a stage, account, region or partition that cannot be one."""

    stage: str = "dev"
    account: str = LOCAL_ACCOUNT
    region: str = LOCAL_REGION
    partition: str = ""
    """Derived from the region when left empty."""

    def __post_init__(self) -> None:
        for name, shape in _SHAPES.items():
            value = getattr(self, name)
            if not shape.fullmatch(value):
                raise ValueError(f"{name}: expected a match of {shape.pattern}, found {value!r}")
        expected = partition_of(self.region)
        if self.partition not in ("", expected):
            raise ValueError(f"partition: expected {expected} for {self.region}, found {self.partition!r}")
        object.__setattr__(self, "partition", expected)

    @property
    def domain(self) -> str:
        """The suffix of service host names."""
        return _DOMAINS[self.partition]

    def arn(self, service: str, resource: str, *, region: bool = True) -> str:
        """Returns an ARN of this account; `region=False` for services without regions, such as IAM."""
        return f"arn:{self.partition}:{service}:{self.region if region else ''}:{self.account}:{resource}"

    @property
    def prefix(self) -> str:
        """What every resource name of the stage begins with."""
        return f"headrace-{self.stage}"

    @property
    def uploads_bucket(self) -> str:
        """The bucket whose objects start flows."""
        return f"{self.prefix}-uploads-{self.account}-{self.region}"

    @property
    def artifacts_bucket(self) -> str:
        """The bucket of sources, runs and results; never a trigger."""
        return f"{self.prefix}-artifacts-{self.account}-{self.region}"

    @property
    def algorithms_table(self) -> str:
        """The table of published algorithms, key `name`."""
        return f"{self.prefix}-algorithms"

    @property
    def training_state_machine_arn(self) -> str:
        """The state machine that runs a pipeline."""
        return self.arn("states", f"stateMachine:{self.prefix}-training")

    @property
    def retraining_state_machine_arn(self) -> str:
        """The state machine that plans what is trained anew."""
        return self.arn("states", f"stateMachine:{self.prefix}-retraining")

    @property
    def schedule_group(self) -> str:
        """The group of the algorithms' schedules."""
        return f"{self.prefix}-retraining"

    @property
    def scheduler_role_arn(self) -> str:
        """The role under which schedules start what they start."""
        return self.arn("iam", f"role/{self.prefix}-scheduler-{self.region}", region=False)

    @property
    def dead_letters_arn(self) -> str:
        """The queue of what could not be delivered."""
        return self.arn("sqs", f"{self.prefix}-dead-letters")

    @property
    def pipeline_role_arn(self) -> str:
        """The role that pipelines run under."""
        return self.arn("iam", f"role/{self.prefix}-pipeline-{self.region}", region=False)

    @property
    def job_role_arn(self) -> str:
        """The role that the jobs of pipelines run under, and the models of their batch transforms."""
        return self.arn("iam", f"role/{self.prefix}-job-{self.region}", region=False)

    def function_arn(self, module: str) -> str:
        """Returns the ARN of the Lambda function of `functions/<module>.py`."""
        return self.arn("lambda", f"function:{self.prefix}-{dashed(module)}")

    def resource_name(self, algorithm: str) -> str:
        """Returns the name of an algorithm's pipeline and of its endpoint."""
        return f"{self.prefix}-{dashed(algorithm)}"

    def model_package_group(self, group: str) -> str:
        """Returns the name of a model package group."""
        return f"{self.prefix}-{dashed(group)}"

    def image_uri(self, repository: str) -> str:
        """Returns the URI of the current image of a repository of this account."""
        return f"{self.account}.dkr.ecr.{self.region}.{self.domain}/{repository}:latest"

    def artifact_uri(self, key: str) -> str:
        """Returns the S3 URI of a key of the artifacts bucket."""
        return f"s3://{self.artifacts_bucket}/{key}"

    def parameter_name(self, algorithm: str, leaf: str) -> str:
        """Returns the SSM parameter that tells one fact about a published algorithm."""
        return f"/headrace/{self.stage}/algorithms/{algorithm}/{leaf}"
