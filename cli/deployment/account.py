"""The account behind the person's credentials: its clients, and the names of a stage there."""

from collections.abc import Callable
from typing import Any

from cli.errors import CommandError, UsageError
from pipelines.environment import Environment

Client = Callable[[str], Any]
"""A boto3 client by its service's name."""

_ATTEMPTS = 10


def account(stage: str) -> tuple[Client, Environment]:
    """Returns clients of the account, and the names of the deployment there. Raises CommandError without an account."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    session = boto3.Session()
    if session.region_name is None:
        raise CommandError("no AWS region to deploy to; set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile with one")
    # A new catalogue writes more parameters at once than SSM takes; the adaptive mode slows down to what it does take.
    config = Config(retries={"mode": "adaptive", "total_max_attempts": _ATTEMPTS})

    def client(service: str) -> Any:
        # The stubs know services by literal name only; ours arrive as data.
        return session.client(service, config=config)  # type: ignore[call-overload]

    try:
        number = client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"no AWS account to deploy to: {error}") from error
    try:
        return client, Environment(stage=stage, account=number, region=session.region_name)
    except ValueError as error:
        raise UsageError(str(error)) from error
