"""The outside world of the functions: AWS clients, names from the environment, and the clock.

A client is made at its first use and kept for the life of the Lambda; a test passes its own `client` factory and clock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_stepfunctions import SFNClient


WAITING_RUNTIME = "sagemaker-runtime, waiting"
"""Name of the client for calls that a model answers while they wait."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Names of the stack's resources; each is looked up when it is asked for, so a function needs only its own."""

    environ: Mapping[str, str]

    def _name(self, variable: str) -> str:
        value = self.environ.get(variable, "")
        if not value:
            raise RuntimeError(f"the environment variable {variable} is not set")
        return value

    @property
    def jobs_table(self) -> str:
        return self._name("JOBS_TABLE")

    @property
    def ledger_table(self) -> str:
        return self._name("LEDGER_TABLE")

    @property
    def waits_table(self) -> str:
        return self._name("WAITS_TABLE")

    @property
    def algorithms_table(self) -> str:
        return self._name("ALGORITHMS_TABLE")

    @property
    def job_retention_days(self) -> int:
        return int(self._name("JOB_RETENTION_DAYS"))

    @property
    def uploads_bucket(self) -> str:
        return self._name("UPLOADS_BUCKET")

    @property
    def artifacts_bucket(self) -> str:
        return self._name("ARTIFACTS_BUCKET")

    @property
    def training_state_machine_arn(self) -> str:
        return self._name("TRAINING_STATE_MACHINE_ARN")

    @property
    def deployment_state_machine_arn(self) -> str:
        return self._name("DEPLOYMENT_STATE_MACHINE_ARN")

    @property
    def serving_role_arn(self) -> str:
        return self._name("SERVING_ROLE_ARN")

    @property
    def inference_success_topic_arn(self) -> str:
        return self._name("INFERENCE_SUCCESS_TOPIC_ARN")

    @property
    def inference_error_topic_arn(self) -> str:
        return self._name("INFERENCE_ERROR_TOPIC_ARN")

    @property
    def jobs_topic_arn(self) -> str:
        return self._name("JOBS_TOPIC_ARN")

    @property
    def face_algorithm(self) -> str:
        return self._name("FACE_ALGORITHM")

    @property
    def api_base_url(self) -> str | None:
        """Set where the request's own host is not the public one (a custom domain, the local cloud)."""
        return self.environ.get("API_BASE_URL") or None


@dataclass(frozen=True)
class Services:
    """Clients by need, settings and clock; everything a function touches outside its own process."""

    settings: Settings
    client: Callable[[str], Any]
    now: Callable[[], datetime]

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        client: DynamoDBClient = self.client("dynamodb")
        return client

    @cached_property
    def s3(self) -> S3Client:
        client: S3Client = self.client("s3")
        return client

    @cached_property
    def sagemaker(self) -> SageMakerClient:
        client: SageMakerClient = self.client("sagemaker")
        return client

    @cached_property
    def sagemaker_runtime(self) -> SageMakerRuntimeClient:
        client: SageMakerRuntimeClient = self.client("sagemaker-runtime")
        return client

    @cached_property
    def waiting_runtime(self) -> SageMakerRuntimeClient:
        """For InvokeEndpoint, which lasts as long as the model takes."""
        client: SageMakerRuntimeClient = self.client(WAITING_RUNTIME)
        return client

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        client: CloudWatchLogsClient = self.client("logs")
        return client

    @cached_property
    def cloudwatch(self) -> Any:
        return self.client("cloudwatch")

    @cached_property
    def sns(self) -> SNSClient:
        client: SNSClient = self.client("sns")
        return client

    @cached_property
    def stepfunctions(self) -> SFNClient:
        client: SFNClient = self.client("stepfunctions")
        return client


def utc_now() -> datetime:
    return datetime.now(UTC)


@cache
def _session() -> botocore.session.Session:
    """Returns the session boto3 would wrap. boto3's own layer (resources, transfers) is not used, and costs 50 ms to
    import.
    """
    return botocore.session.get_session()


def make_client(name: str) -> Any:
    """Returns a client as boto3.client gives it; it retries throttling, and signs presigned URLs with version 4.

    Checksums are sent only where S3 demands them: a presigned PUT that carries one fits no other body. An endpoint
    of one's own (AWS_ENDPOINT_URL) has no DNS name per bucket, hence path-style addresses there.
    """
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "max_attempts": 5},
        s3={"addressing_style": "path" if os.environ.get("AWS_ENDPOINT_URL") else "auto"},
        request_checksum_calculation="when_required",
    )
    if name == "s3":
        config = config.merge(Config(signature_version="s3v4"))
    if name == WAITING_RUNTIME:
        # A model may take 60 s, and the socket should wait for 70 (API_runtime_InvokeEndpoint). One that takes longer
        # is not asked five times over: the state machine tries again.
        config = config.merge(Config(read_timeout=70, retries={"mode": "standard", "total_max_attempts": 2}))
    return _session().create_client(name.partition(",")[0], config=config)


@cache
def current() -> Services:
    """Returns the services of this Lambda, from its environment."""
    return Services(settings=Settings(os.environ), client=make_client, now=utc_now)


def error_code(error: Exception) -> str:
    """Returns the AWS error code of a botocore ClientError, e.g. `ValidationException`; "" when it carries none."""
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def is_no_object(error: Exception) -> bool:
    """Tells whether S3 says that there is no such object; a HEAD has no body to name it in, and says 404."""
    return error_code(error) in {"404", "NoSuchKey", "NotFound"}


def error_message(error: Exception) -> str:
    """Returns the AWS error message of a botocore ClientError, without the operation's name around it."""
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Message", "")) or str(error)
