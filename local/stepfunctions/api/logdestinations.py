"""A loggingConfiguration: one log group, which must exist."""

import asyncio

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Document
from local.stepfunctions.api.context import Context
from local.stepfunctions.api.errors import ApiError

OFF = "OFF"
_GROUP = ":log-group:"


def check_logging(context: Context, requested: Document | None) -> Document:
    """Returns the configuration with what AWS puts in where nothing is said. Raises ApiError."""
    configuration = {"level": OFF, "includeExecutionData": False, **(requested or {})}
    destinations = configuration.get("destinations", [])
    if configuration["level"] == OFF and not destinations:
        return configuration
    if len(destinations) != 1:
        raise _invalid("Must specify exactly one Log Destination.")
    arn = destinations[0].get("cloudWatchLogsLogGroup", {}).get("logGroupArn", "")
    if _GROUP not in arn or not arn.endswith(":*"):
        raise _invalid("Log Destination must be the ARN of a CloudWatch Logs log group that ends in ':*'.")
    if not _exists(context, group_of(configuration)):
        raise _invalid("Log Destination not found.")
    return configuration


def group_of(configuration: Document) -> str:
    """Returns the name of the log group."""
    arn: str = configuration["destinations"][0]["cloudWatchLogsLogGroup"]["logGroupArn"]
    return arn.partition(_GROUP)[2].removesuffix(":*")


def _exists(context: Context, group: str) -> bool:
    if _in_event_loop():
        # The request to Logs would be answered by the loop that waits for it here.
        return True
    try:
        groups = context.cloud.client("logs").describe_log_groups(logGroupNamePrefix=group)
    except (BotoCoreError, ClientError) as error:
        raise _invalid(f"Log Destination cannot be reached: {error}") from error
    return any(known["logGroupName"] == group for known in groups["logGroups"])


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _invalid(why: str) -> ApiError:
    return ApiError("InvalidLoggingConfiguration", f"Invalid Logging Configuration: {why}")
