"""A container's failure in the words of the runtime."""

from local.sagemaker.endpoints.instance import Reply, Unanswered
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire.errors import ModelError

_MOST_SAID = 1 << 16


def late(hostname: str) -> str:
    return (
        f"Your invocation timed out while waiting for a response from container {hostname}. Review the latency metrics "
        "for each container in Amazon CloudWatch, resolve the issue, and try again."
    )


EXITED = "An error occurred while handling request as the model process exited."


def received(status: int, hostname: str, message: str | None) -> str:
    """Returns AWS's sentence about a container's error. Without a message: its answer broke off."""
    side = "client" if 400 <= status < 500 else "server"
    if message is None:
        return f"Received {side} error ({status}) from {hostname} and could not load the entire response body."
    return f'Received {side} error ({status}) from {hostname} with message "{message.strip()}".'


def said(reply: Reply) -> str:
    """Returns what an answer that is an error says, as far as it is read. Raises Unanswered."""
    parts, size = [], 0
    while size < _MOST_SAID and (chunk := reply.read()):
        parts.append(chunk)
        size += len(chunk)
    return b"".join(parts).decode("utf-8", "replace")


def reason(error: Unanswered) -> tuple[int, str | None]:
    """Returns status and message of a request that got no whole answer."""
    if error.late:
        return 0, late(error.hostname)
    return (error.status, None) if error.status else (0, EXITED)


def model_error(machine: Machine, name: str, status: int, hostname: str, message: str | None) -> ModelError:
    settings = machine.settings
    group = f"/aws/sagemaker/Endpoints/{name}"
    arn = f"arn:{settings.partition}:logs:{settings.region}:{settings.account}:log-group:{group}"
    console = f"https://{settings.region}.console.aws.amazon.com/cloudwatch/home?region={settings.region}"
    code = "CLIENT_ERROR_FROM_MODEL" if 400 <= status < 500 else "INTERNAL_FAILURE_FROM_MODEL"
    return ModelError(
        f"{received(status, hostname, message)} See {console}#logEventViewer:group={group} in account "
        f"{settings.account} for more information.",
        {"ErrorCode": code, "OriginalStatusCode": status, "OriginalMessage": message or "", "LogStreamArn": arn},
    )
