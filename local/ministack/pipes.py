"""MiniStack's Pipes, with all that a pipe may say and the sources and targets that users have.

MiniStack keeps of a pipe its source, target and role, and brings records of DynamoDB streams to two kinds of targets; a
pipe with another source is made and then does nothing. Here the whole request is kept, what cannot run is refused by
name, and `local.pipes` carries the events. Delivery is at least once, as on AWS: a message goes off its queue, and a
stream's position on, only when the target has taken it.
"""

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Document
from local.ministack import resources
from local.pipes import pipe as pipes
from local.pipes.pipe import Pipe
from local.pipes.targets import Client, DeliveryFailed, service_of

_SOURCES = {"sqs": "SqsQueueParameters", "dynamodb": "DynamoDBStreamParameters"}
_KEPT = "Request"
_MEMBERS = (
    "Source", "SourceParameters", "Enrichment", "EnrichmentParameters", "Target", "TargetParameters", "RoleArn",
    "Description", "DesiredState", "LogConfiguration", "KmsKeyIdentifier",
)  # fmt: skip
_TOLD = ("SourceParameters", "Enrichment", "EnrichmentParameters", "TargetParameters", "LogConfiguration")
_DEFAULT_BATCH = {"sqs": 10, "dynamodb": 100}
_MOST_BATCHES = 50
"""Of one source between two looks, so that a full queue leaves the others their turn."""
_logger = logging.getLogger(__name__)


def install(client: Client) -> None:
    """Take the place of MiniStack's poller, and of what it takes for a pipe."""
    from ministack.services import pipes as service
    from ministack.services.cloudformation import provisioners

    service._poll_once = lambda: _look(client)
    service._create_pipe = _creating(service._create_pipe)
    service._update_pipe = _updating(service._update_pipe)
    service._describe_response = _telling(service._describe_response)
    handlers = provisioners._RESOURCE_HANDLERS
    handlers["AWS::Pipes::Pipe"] = {
        **handlers["AWS::Pipes::Pipe"],
        "create": _made_by_a_stack,
        "update": _updating_a_stack(handlers["AWS::Pipes::Pipe"]["update"]),
    }
    resources.look_at("AWS::Pipes::Pipe", _runnable)


# What is taken.


def _creating(create: Callable[[str, Document], Any]) -> Callable[[str, Document], Any]:
    def create_checked(name: str, request: Document) -> Any:
        from ministack.services import pipes as service

        if why := pipes.refused(request, _SOURCES):
            return service._error(400, "ValidationException", why)
        response = create(name, request)
        if response[0] == 200:
            _keep(name, request)
        return response

    return create_checked


def _keep(name: str, request: Mapping[str, Any]) -> None:
    from ministack.services import pipes as service

    kept = service._pipes[name]
    kept[_KEPT] = {member: request[member] for member in _MEMBERS if member in request}
    parameters = (request.get("SourceParameters") or {}).get(_SOURCES["dynamodb"], {})
    start = str(parameters.get("StartingPosition") or "LATEST")
    if start != kept["StartingPosition"]:
        kept["StartingPosition"] = start
        service._positions[kept["Arn"]] = service._initial_position(kept)


def _updating(update: Callable[[str, Document], Any]) -> Callable[[str, Document], Any]:
    def update_checked(name: str, request: Document) -> Any:
        from ministack.services import pipes as service

        kept = service._pipes.get(name)
        if kept is None:
            return update(name, request)
        # SourceParameters of an update hold only what may change; the rest stays.
        changed = {member: request[member] for member in _MEMBERS if member in request and member != "Source"}
        whole = {**_request(kept), **changed}
        if why := pipes.refused(whole, _SOURCES):
            return service._error(400, "ValidationException", why)
        response = update(name, request)
        if response[0] == 200:
            service._pipes[name][_KEPT] = whole
        return response

    return update_checked


def _telling(describe: Callable[[Document], Document]) -> Callable[[Document], Document]:
    def describe_all(kept: Document) -> Document:
        request = _request(kept)
        return {**describe(kept), **{member: request[member] for member in _TOLD if member in request}}

    return describe_all


def _request(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a pipe was asked to be; of one from before that was kept, what MiniStack knows."""
    return dict(kept.get(_KEPT) or {"Source": kept.get("Source", ""), "Target": kept.get("Target", "")})


def _runnable(properties: Document) -> Document:
    """Returns the properties of a stack's pipe.

    Raises:
        ValueError: why it cannot run here.
    """
    if why := pipes.refused(properties, _SOURCES):
        raise ValueError(why)
    return properties


def _made_by_a_stack(logical_id: str, properties: Document, stack: str) -> tuple[str, Document]:
    """Creates a stack's pipe.

    Raises:
        ValueError: why it is refused.
    """
    from ministack.services import pipes as service
    from ministack.services.cloudformation import provisioners

    name = properties.get("Name") or provisioners._physical_name(stack, logical_id, max_len=64)
    # A template lists its tags; CreatePipe takes a map.
    status, _, body = service._create_pipe(name, {**properties, "Tags": provisioners._tag_map(properties.get("Tags"))})
    if status != 200:
        raise ValueError(body.decode() if isinstance(body, bytes) else str(body))
    return name, {"Arn": service._pipes[name]["Arn"], "Name": name}


def _updating_a_stack(update: Callable[..., Any]) -> Callable[..., Any]:
    def update_whole(name: str, old: Document, new: Document, stack: str, logical_id: str | None = None) -> Any:
        from ministack.services import pipes as service

        made = update(name, old, new, stack, logical_id)
        if made[0] == name and name in service._pipes:
            # Members that the template dropped are dropped here as well.
            _keep(name, new)
        return made

    return update_whole


# What runs.


def _look(client: Client) -> None:
    """Carries what has come, of every pipe that runs."""
    from ministack.core.responses import _request_account_id, _request_region
    from ministack.services import pipes as service

    for account, region, kept in service._iter_all_pipes():
        if kept.get("CurrentState") != "RUNNING":
            continue
        tokens = _request_account_id.set(account), _request_region.set(region)
        try:
            _carry(Pipe(kept["Name"], kept["Arn"], _request(kept)), client)
        except (DeliveryFailed, ClientError, BotoCoreError) as error:
            _logger.warning("pipe %s: %s", kept["Name"], error)
        except Exception:
            _logger.exception("pipe %s", kept["Name"])
        finally:
            _request_region.reset(tokens[1])
            _request_account_id.reset(tokens[0])


def _carry(pipe: Pipe, client: Client) -> None:
    source = service_of(pipe.source)
    parameters = pipe.parameters("SourceParameters").get(_SOURCES.get(source, ""), {})
    size = int(parameters.get("BatchSize") or _DEFAULT_BATCH.get(source, 0))
    for _ in range(_MOST_BATCHES):
        if source == "sqs":
            count = _carry_messages(pipe, size, client)
        elif source == "dynamodb":
            count = _carry_records(pipe, size, client)
        else:
            return
        if not count:
            return


def _wanted(pipe: Pipe) -> Callable[[Document], bool]:
    from ministack.services import lambda_svc

    criteria = {"FilterCriteria": pipe.parameters("SourceParameters").get("FilterCriteria")}
    return lambda event: bool(lambda_svc._apply_filter_criteria([event], criteria))


def _carry_messages(pipe: Pipe, size: int, client: Client) -> int:
    sqs = client("sqs")
    account, name = pipe.source.split(":")[4:6]
    url = sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
    events: list[Document] = []
    while len(events) < size:
        response = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(10, size - len(events)),
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = response.get("Messages", [])
        events += [_event(message, pipe.source) for message in messages]
        if not messages:
            break
    if not events:
        return 0

    def done(taken: Sequence[Document]) -> None:
        for event in taken:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=event["receiptHandle"])

    return pipes.carry(pipe, events, _wanted(pipe), done, client)


def _event(message: Mapping[str, Any], queue: str) -> Document:
    """Returns a message as Pipes and Lambda tell it."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue,
        "awsRegion": queue.split(":")[3],
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key[:1].lower() + key[1:]: base64.b64encode(inner).decode() if isinstance(inner, bytes) else inner
        for key, inner in value.items()
    }


def _carry_records(pipe: Pipe, size: int, client: Client) -> int:
    from ministack.services import dynamodb
    from ministack.services import pipes as service

    source = service._dynamodb_stream_source(pipe.source)
    if source is None:
        return 0
    spec, table = source
    scope = {"account_id": spec.account_id, "region": spec.region}
    place = max(int(service._positions.get(pipe.arn, 0)), dynamodb.stream_start_position(table, **scope))
    left = min(size, dynamodb.stream_end_position(table, **scope) - place)
    if left <= 0:
        return 0
    events = dynamodb.stream_records_since(table, place, left, **scope)

    def done(taken: Sequence[Document]) -> None:
        nonlocal place
        place += len(taken)
        service._positions[pipe.arn] = place

    return pipes.carry(pipe, events, _wanted(pipe), done, client)
