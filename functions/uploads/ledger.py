"""The ledger of deliveries: a second or an older event for an object starts nothing, and says so.

S3 delivers at least once and in no order; duplicates carry the same sequencer, and sequencers compare within one key
only (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html). DynamoDB's TTL may
leave expired rows for days or remove them late, so nothing here rests on a row's being deleted: `HEAD` never expires.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from functions.aws import items, times
from functions.aws.conditions import conditional

if TYPE_CHECKING:
    from functions.aws.services import Services

WIDTH = 64
"""Characters of a normalised sequencer. S3's are 18 today; all that matters is that no two lengths are compared."""

HEAD = "HEAD"
_KEEP_SECONDS = 30 * 24 * 3600


class Decision(StrEnum):
    STARTED = "started"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    STALE = "stale"
    IGNORED = "ignored"
    HANDED_OVER = "handed_over"
    """To the state machine whose upload it is, which claims it: never written down."""


class Claim(StrEnum):
    """What an attempt to become the latest delivery of an object came to."""

    WON = "won"
    REPEATED = "repeated"
    """This execution had won before: a crash or a timeout made Lambda repeat it."""
    DUPLICATE = "duplicate"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Head:
    sequencer: str
    job_id: str
    execution: str


@dataclass(frozen=True, slots=True)
class Delivery:
    decision: Decision
    job_id: str | None
    execution: str
    received_at: str
    sequencer: str
    reason: str | None = None

    def as_event(self) -> dict[str, str | None]:
        """Returns the delivery as the API tells it."""
        return {
            "decision": self.decision.value,
            "reason": self.reason,
            "job_id": self.job_id,
            "execution": self.execution,
            "received_at": self.received_at,
        }


def normalise(sequencer: str) -> str:
    """Returns a sequencer that compares as text: upper case, padded on the right with zeros, as S3's documentation
    says.
    """
    return sequencer.strip().upper()[:WIDTH].ljust(WIDTH, "0")


def claim(services: Services, object_name: str, sequencer: str, job_id: str, execution: str) -> tuple[Claim, Head]:
    """Makes this delivery the latest of the object, if none as late was there. Also returns the HEAD that counts.

    One conditional write decides, so of any number of simultaneous deliveries exactly one wins. A crash right after
    it loses nothing: Lambda repeats the same execution, which finds its own name in HEAD and goes on (REPEATED).
    """
    mine = Head(normalise(sequencer), job_id, execution)
    with conditional() as condition:
        services.dynamodb.update_item(
            TableName=services.settings.ledger_table,
            Key=items.to_item({"object": object_name, "entry": HEAD}),
            UpdateExpression="SET sequencer = :sequencer, job_id = :job_id, #execution = :execution",
            ConditionExpression="attribute_not_exists(sequencer) OR sequencer < :sequencer",
            ExpressionAttributeNames={"#execution": "execution"},
            ExpressionAttributeValues=items.to_item(
                {":sequencer": mine.sequencer, ":job_id": job_id, ":execution": execution}
            ),
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    if condition.error is None:
        return Claim.WON, mine
    there = _head(condition.item) if condition.item else head(services, object_name)
    if there is None:
        raise condition.error
    return _compare(mine, there), there


def _compare(mine: Head, there: Head) -> Claim:
    if mine.sequencer < there.sequencer:
        return Claim.STALE
    return Claim.REPEATED if mine.execution == there.execution else Claim.DUPLICATE


def head(services: Services, object_name: str) -> Head | None:
    """Returns the latest claimed delivery of an object (consistent read)."""
    response = services.dynamodb.get_item(
        TableName=services.settings.ledger_table,
        Key=items.to_item({"object": object_name, "entry": HEAD}),
        ConsistentRead=True,
    )
    item = response.get("Item")
    return _head(item) if item else None


def _head(item: Mapping[str, Any]) -> Head:
    values = items.from_item(item)
    return Head(values["sequencer"], values["job_id"], values["execution"])


def rename(services: Services, object_name: str, sequencer: str, execution: str, job_id: str) -> None:
    """Puts another job id into HEAD, if HEAD is still this execution's claim."""
    with conditional():
        services.dynamodb.update_item(
            TableName=services.settings.ledger_table,
            Key=items.to_item({"object": object_name, "entry": HEAD}),
            UpdateExpression="SET job_id = :job_id",
            ConditionExpression="sequencer = :sequencer AND #execution = :execution",
            ExpressionAttributeNames={"#execution": "execution"},
            ExpressionAttributeValues=items.to_item(
                {":job_id": job_id, ":sequencer": normalise(sequencer), ":execution": execution}
            ),
        )


def record(services: Services, object_name: str, delivery: Delivery) -> None:
    """Writes this delivery down and counts it in HEAD.

    Its key holds the execution, so a repeat overwrites its own row and counts none. A crash between the two writes
    leaves the count one short; the rows are what is shown.
    """
    name = delivery.execution.rsplit(":", 1)[-1]
    values: dict[str, items.Value] = {
        "object": object_name,
        "entry": f"delivery#{normalise(delivery.sequencer)}#{name}",
        "decision": delivery.decision.value,
        "job_id": delivery.job_id,
        "execution": delivery.execution,
        "reason": delivery.reason,
        "received_at": delivery.received_at,
        "expires_at": times.epoch(times.parse(delivery.received_at), _KEEP_SECONDS),
    }
    table = services.settings.ledger_table
    old = services.dynamodb.put_item(TableName=table, Item=items.to_item(values), ReturnValues="ALL_OLD")
    if not old.get("Attributes") and delivery.decision is not Decision.IGNORED:
        services.dynamodb.update_item(
            TableName=table,
            Key=items.to_item({"object": object_name, "entry": HEAD}),
            UpdateExpression="ADD deliveries :one",
            ExpressionAttributeValues=items.to_item({":one": 1}),
        )


def deliveries(services: Services, object_name: str) -> list[Delivery]:
    """Returns all deliveries of an object that are still kept, by sequencer and then by time."""
    now = times.epoch(services.now())
    pages = services.dynamodb.get_paginator("query").paginate(
        TableName=services.settings.ledger_table,
        KeyConditionExpression="#object = :object AND begins_with(entry, :prefix)",
        ExpressionAttributeNames={"#object": "object"},
        ExpressionAttributeValues=items.to_item({":object": object_name, ":prefix": "delivery#"}),
        ConsistentRead=True,
    )
    rows = [items.from_item(item) for page in pages for item in page["Items"]]
    kept = [
        Delivery(
            decision=Decision(row["decision"]),
            job_id=row["job_id"],
            execution=row["execution"],
            received_at=row["received_at"],
            sequencer=row["entry"].split("#")[1],
            reason=row.get("reason"),
        )
        for row in rows
        if row["expires_at"] > now
    ]
    return sorted(kept, key=lambda delivery: (delivery.sequencer, delivery.received_at))


def newest(services: Services, object_name: str, limit: int) -> list[Delivery]:
    """Returns the last `limit` deliveries of an object, the newest first."""
    kept = deliveries(services, object_name)
    return sorted(kept, key=lambda delivery: (delivery.received_at, delivery.sequencer), reverse=True)[:limit]
