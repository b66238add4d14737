"""Where publishing goes and by which clients: what every kind of thing needs to be planned."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.environment import Environment
from pipelines.problems import PublishError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

_NOT_FOUND: Final = frozenset({"ResourceNotFound", "ResourceNotFoundException", "ParameterNotFound"})
# The first things that are read are the algorithms table and the artifacts bucket.
_NO_DEPLOYMENT: Final = frozenset({"NoSuchBucket", "ResourceNotFoundException"})


@dataclass(frozen=True, slots=True)
class Clients:
    """The boto3 clients that publishing the catalogue needs."""

    s3: "S3Client"
    sagemaker: "SageMakerClient"
    dynamodb: "DynamoDBClient"
    ssm: "SSMClient"
    stepfunctions: "SFNClient"
    scheduler: "EventBridgeSchedulerClient"


@dataclass(frozen=True, slots=True)
class Publication:
    """One deployment, seen through one person's clients; `now` is aware."""

    environment: Environment
    clients: Clients
    now: datetime


@dataclass(frozen=True, slots=True)
class Scope:
    """How much of the catalogue is published."""

    sources: bool = True
    pipelines: bool = True
    """Pipelines and what goes with them: rows, schedules, parameters, deployments."""
    whole: bool = True
    """Whether the pipelines are the whole catalogue, so that what is not among them is gone and removed."""
    idle: Collection[str] = ()
    """Algorithms that do not run there, which is a laptop: not deployed, and no repository is fetched for them."""
    lenient: bool = False
    """Whether a repository that does not answer costs its own algorithm only: a laptop may be without a network."""


CATALOGUE: Final = Scope()
"""The whole of it."""


def code_of(error: ClientError) -> str:
    """Returns the code of a refusal, such as `AccessDeniedException`."""
    return error.response.get("Error", {}).get("Code", "error")


def is_missing(error: ClientError) -> bool:
    """Tells whether a refusal says that the thing is not there."""
    # SageMaker says so with the code of a validation error for some of its resources.
    message = error.response.get("Error", {}).get("Message", "")
    return code_of(error) in _NOT_FOUND or (code_of(error) == "ValidationException" and "not" in message)


@contextmanager
def reading(environment: Environment) -> Iterator[None]:
    """Planning, where a refusal means that nothing was changed. Raises PublishError for what AWS answers."""
    try:
        yield
    except ClientError as error:
        where = f"account {environment.account}, region {environment.region}"
        if code_of(error) in _NO_DEPLOYMENT:
            raise PublishError(
                f"no deployment {environment.prefix} in {where} ({refusal(error)}); "
                f"`headrace deploy --stage {environment.stage}` makes one"
            ) from error
        raise PublishError(f"{refusal(error)} (nothing was changed)") from error
    except BotoCoreError as error:
        raise PublishError(f"{error} (nothing was changed)") from error


def refusal(error: ClientError | BotoCoreError) -> str:
    """Says which call was refused, and why: `PutItem: AccessDeniedException: ...`."""
    if isinstance(error, BotoCoreError):
        return str(error)
    return f"{error.operation_name}: {code_of(error)}: {error.response.get('Error', {}).get('Message', '')}"
