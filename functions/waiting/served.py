"""What an endpoint has served well, and whose turn it is to say what it serves next.

Both are rows of the ledger, under the endpoint's name: `good#...`, one for each config that was in service and passed
what it had to, and `TARGET`, the newest deployment that somebody asked for. A deployment that is not the newest any
more changes nothing: of two approvals at once the later one wins, whichever comes first to the endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.aws import items, times
from functions.aws.conditions import conditional

if TYPE_CHECKING:
    from functions.aws.services import Services

_TARGET = "TARGET"
_GOOD = "good#"
_KEPT = 20
"""Configs of an endpoint that are looked through for one to go back to."""


@dataclass(frozen=True, slots=True)
class Target:
    """The newest deployment to an endpoint."""

    job_id: str
    since: str
    """When it was asked for (`times.iso`); the later one wins."""
    model_package: str | None


def _object(endpoint: str) -> str:
    # Uploads stand under `<bucket>/<key>`: no bucket's name has a colon.
    return f"endpoint:{endpoint}"


def aim(services: Services, endpoint: str, target: Target) -> Target:
    """Makes this the endpoint's newest deployment unless a later one is; returns the one that is the newest now."""
    values: dict[str, items.Value] = {
        ":rank": f"{target.since}#{target.job_id}",
        ":job_id": target.job_id,
        ":since": target.since,
        ":model_package": target.model_package,
    }
    with conditional() as condition:
        services.dynamodb.update_item(
            TableName=services.settings.ledger_table,
            Key=items.to_item({"object": _object(endpoint), "entry": _TARGET}),
            UpdateExpression="SET #rank = :rank, job_id = :job_id, since = :since, model_package = :model_package",
            # Its own rank again is a repeat after a crash.
            ConditionExpression="attribute_not_exists(#rank) OR #rank <= :rank",
            ExpressionAttributeNames={"#rank": "rank"},
            ExpressionAttributeValues=items.to_item(values),
        )
    return target if condition.held else newest(services, endpoint) or target


def newest(services: Services, endpoint: str) -> Target | None:
    """Returns the newest deployment that was asked for (consistent read)."""
    response = services.dynamodb.get_item(
        TableName=services.settings.ledger_table,
        Key=items.to_item({"object": _object(endpoint), "entry": _TARGET}),
        ConsistentRead=True,
    )
    item = response.get("Item")
    if item is None:
        return None
    values = items.from_item(item)
    return Target(values["job_id"], values["since"], values.get("model_package"))


def is_newest(services: Services, endpoint: str, job_id: str) -> bool:
    """Tells whether nobody asked for another deployment after this one."""
    target = newest(services, endpoint)
    return target is None or target.job_id == job_id


def note_good(services: Services, endpoint: str, config: str) -> None:
    """Writes down that a config serves well; a repeat writes the same once more."""
    now = times.iso(services.now())
    services.dynamodb.put_item(
        TableName=services.settings.ledger_table,
        Item=items.to_item({"object": _object(endpoint), "entry": f"{_GOOD}{now}#{config}", "config": config}),
    )


def good(services: Services, endpoint: str) -> list[str]:
    """Returns the configs that served well, the last one first, each once."""
    response = services.dynamodb.query(
        TableName=services.settings.ledger_table,
        KeyConditionExpression="#object = :object AND begins_with(entry, :prefix)",
        ExpressionAttributeNames={"#object": "object"},
        ExpressionAttributeValues=items.to_item({":object": _object(endpoint), ":prefix": _GOOD}),
        ScanIndexForward=False,
        ConsistentRead=True,
        Limit=_KEPT,
    )
    return list(dict.fromkeys(items.from_item(item)["config"] for item in response["Items"]))
