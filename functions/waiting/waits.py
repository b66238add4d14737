"""Task tokens parked until what they wait for has happened, one row a wait.

The row is written before the work is started, so its completion can never arrive to find no token.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws import items, times
from functions.aws.conditions import conditional
from functions.aws.log import logger
from functions.aws.services import error_code
from functions.waiting.rollouts import AT_ONCE, Rollout

if TYPE_CHECKING:
    from functions.aws.services import Services

MAX_CAUSE = 32768
"""Characters of SendTaskFailure's cause (botocore's model of `states`)."""

_OVER = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


class WaitKind(StrEnum):
    PIPELINE = "pipeline"
    INFERENCE = "inference"
    ENDPOINT = "endpoint"
    STOP = "stop"
    """Nobody waits: it stands for what is left to be stopped of a job, until that is done."""


PIPELINE_SECONDS = 86400
"""Of an execution that was claimed by an older headrace, which did not tell."""

# A little longer than the TimeoutSeconds of the state that waits: after that the token is worth nothing.
_LIFETIMES = {
    WaitKind.PIPELINE: PIPELINE_SECONDS + 600,
    WaitKind.INFERENCE: 3600 + 600,
    WaitKind.ENDPOINT: 36000 + 600,
    # Longer than any endpoint takes to come to rest.
    WaitKind.STOP: 2 * 86400,
}
_MARGIN_SECONDS = 600


class Role(StrEnum):
    """What an endpoint's wait is for, and so what it means when the endpoint serves its config."""

    TRAINING = "training"
    """The last step of a training: what serves is good."""
    DEPLOYMENT = "deployment"
    """It is tested before it counts as good; it gives way to a newer deployment."""
    CANDIDATE = "candidate"
    """An endpoint of its own, which nobody else changes."""
    ROLLBACK = "rollback"
    """Back to what is known to be good; it gives way too."""

    @property
    def gives_way(self) -> bool:
        return self in {Role.DEPLOYMENT, Role.ROLLBACK}


@dataclass(frozen=True, slots=True)
class Wait:
    kind: WaitKind
    job_id: str
    token: str
    created: str
    expires_at: int
    """Seconds since 1970."""
    endpoint: str | None = None
    endpoint_config: str | None = None
    before: str | None = None
    """Of a STOP: the config to bring back; "" where the endpoint was not there."""
    role: Role = Role.TRAINING
    rollout: Rollout = AT_ONCE
    """How an endpoint gets to the config."""
    attempts: int = 0
    """How often an update to `endpoint_config` was started on behalf of this wait."""
    output: str | None = None
    """s3:// URI where an asynchronous inference puts its result."""
    failure: str | None = None
    """s3:// URI where it puts the reason of its failure."""

    @property
    def wait_id(self) -> str:
        return f"{self.kind}#{self.job_id}"

    def __repr__(self) -> str:
        return f"Wait({self.wait_id})"


@dataclass(frozen=True, slots=True)
class Succeeded:
    """What the waiting state gets as its result."""

    output: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Failed:
    """Error name and the sentence a person reads."""

    error: str
    cause: str


Resolution = Succeeded | Failed


@dataclass(frozen=True, slots=True)
class Change:
    """What an endpoint is to serve."""

    endpoint: str
    endpoint_config: str
    role: Role = Role.TRAINING
    rollout: Rollout = AT_ONCE


def park(services: Services, kind: WaitKind, job_id: str, token: str, *, change: Change | None = None) -> Wait:
    """Stores the token; a wait of the same job and kind is replaced (its state was retried, its old token is void)."""
    wait = new(services, kind, job_id, token)
    if change is not None:
        wait = replace(
            wait,
            endpoint=change.endpoint,
            endpoint_config=change.endpoint_config,
            role=change.role,
            rollout=change.rollout,
        )
    return store(services, wait)


def park_for(services: Services, kind: WaitKind, job_id: str, token: str, seconds: int) -> Wait:
    """Stores the token of a state that waits for `seconds`."""
    end = times.epoch(services.now(), seconds + _MARGIN_SECONDS)
    return store(services, replace(new(services, kind, job_id, token), expires_at=end))


def new(services: Services, kind: WaitKind, job_id: str, token: str) -> Wait:
    """Makes a wait that begins now; nothing is stored."""
    now = services.now()
    return Wait(kind, job_id, token, f"{times.iso(now)}#{job_id}", times.epoch(now, _LIFETIMES[kind]))


def store(services: Services, wait: Wait) -> Wait:
    """Writes the row, over one of the same job and kind."""
    services.dynamodb.put_item(TableName=services.settings.waits_table, Item=_to_item(wait))
    return wait


def _to_item(wait: Wait) -> dict[str, Any]:
    values: dict[str, items.Value] = {
        "wait_id": wait.wait_id,
        "kind": wait.kind.value,
        "job_id": wait.job_id,
        "token": wait.token,
        "created": wait.created,
        "expires_at": wait.expires_at,
        "attempts": wait.attempts,
        "role": wait.role.value,
        "rollout": json.dumps(wait.rollout.as_dict()),
    }
    if wait.before is not None:
        values["before"] = wait.before
    optional = {"endpoint": wait.endpoint, "endpoint_config": wait.endpoint_config}
    return items.to_item(values | {name: value for name, value in optional.items() if value})


def _from_item(item: Mapping[str, Any]) -> Wait:
    values = items.from_item(item)
    return Wait(
        kind=WaitKind(values["kind"]),
        job_id=values["job_id"],
        token=values["token"],
        created=values["created"],
        expires_at=values["expires_at"],
        endpoint=values.get("endpoint"),
        endpoint_config=values.get("endpoint_config"),
        before=values.get("before"),
        role=Role(values.get("role", Role.TRAINING)),
        rollout=Rollout(**json.loads(values.get("rollout") or "{}")),
        attempts=values.get("attempts", 0),
        output=values.get("output"),
        failure=values.get("failure"),
    )


def get(services: Services, kind: WaitKind, job_id: str) -> Wait | None:
    response = services.dynamodb.get_item(
        TableName=services.settings.waits_table,
        Key={"wait_id": {"S": f"{kind}#{job_id}"}},
        ConsistentRead=True,
    )
    item = response.get("Item")
    return _from_item(item) if item else None


def of_endpoint(services: Services, endpoint: str) -> list[Wait]:
    """Waits for an endpoint, the oldest first. An index may lag: a wait just parked may be missing."""
    pages = services.dynamodb.get_paginator("query").paginate(
        TableName=services.settings.waits_table,
        IndexName="by_endpoint",
        KeyConditionExpression="endpoint = :endpoint",
        ExpressionAttributeValues=items.to_item({":endpoint": endpoint}),
    )
    return [_from_item(item) for page in pages for item in page["Items"]]


def everything(services: Services, after: str | None = None) -> Iterator[Wait]:
    """Yields all waits in the table's own order, which no time changes, read page by page.

    `after` is the id of a wait to begin behind, which may be gone: a key has its place in the order whether or not
    there is a row of it.
    """
    begin: dict[str, Any] = {"ExclusiveStartKey": {"wait_id": {"S": after}}} if after else {}
    pages = services.dynamodb.get_paginator("scan").paginate(
        TableName=services.settings.waits_table,
        # The sweep's own row has no token.
        FilterExpression="attribute_exists(#token)",
        ExpressionAttributeNames={"#token": "token"},
        PaginationConfig={"PageSize": 100},
        **begin,
    )
    for page in pages:
        yield from (_from_item(item) for item in page["Items"])


def resolve(services: Services, wait: Wait, resolution: Resolution) -> bool:
    """Sends the outcome to the waiting state, then forgets the token. False if nobody was waiting any more.

    The row goes only after the send has worked: a crash between the two sends again, which Step Functions answers with
    TaskTimedOut or TaskDoesNotExist, and that counts as done.
    """
    sent = _send(services, wait, resolution)
    forget(services, wait)
    return sent


def _send(services: Services, wait: Wait, resolution: Resolution) -> bool:
    try:
        match resolution:
            case Succeeded(output):
                services.stepfunctions.send_task_success(taskToken=wait.token, output=json.dumps(output))
            case Failed(error, cause):
                services.stepfunctions.send_task_failure(
                    taskToken=wait.token, error=error[:256], cause=cause[:MAX_CAUSE]
                )
    except ClientError as error:
        if error_code(error) not in _OVER:
            raise
        logger.info("nobody waits any more", extra={"wait_id": wait.wait_id, "answer": error_code(error)})
        return False
    return True


def forget(services: Services, wait: Wait) -> None:
    """Deletes the row if it still holds this token: a retried state may have parked a new one since."""
    with conditional():
        services.dynamodb.delete_item(
            TableName=services.settings.waits_table,
            Key={"wait_id": {"S": wait.wait_id}},
            ConditionExpression="#token = :token",
            ExpressionAttributeNames={"#token": "token"},
            ExpressionAttributeValues={":token": {"S": wait.token}},
        )


def note_locations(services: Services, wait: Wait, output: str | None, failure: str | None) -> None:
    """Remembers where an asynchronous inference will put its result, for the sweep; nothing if it is over already."""
    values = {name: value for name, value in (("output", output), ("failure", failure)) if value}
    if values:
        _update(services, wait, values)


def count_attempt(services: Services, wait: Wait, seen: int, now: int) -> bool:
    """Changes `attempts` from `seen` to `now`; False if another invocation did so first."""
    return _update(services, wait, {"attempts": now}, {"attempts": seen})


def _update(
    services: Services,
    wait: Wait,
    values: Mapping[str, str | int],
    expected: Mapping[str, str | int] | None = None,
) -> bool:
    expected = {"token": wait.token, **(expected or {})}
    names = {f"#{name}": name for name in (*values, *expected)}
    new = {f":{name}": value for name, value in values.items()}
    old = {f":old_{name}": value for name, value in expected.items()}
    with conditional() as condition:
        services.dynamodb.update_item(
            TableName=services.settings.waits_table,
            Key={"wait_id": {"S": wait.wait_id}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ConditionExpression=" AND ".join(f"#{name} = :old_{name}" for name in expected),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=items.to_item({**new, **old}),
        )
    return condition.held
