"""Where the sweep stopped, so that the next one goes on there: a row of the waits table that is no wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.aws import items

if TYPE_CHECKING:
    from functions.aws.services import Services

_WAIT_ID = "sweep"


def read(services: Services) -> str | None:
    """Returns the id of the wait that was looked at last; None when the table was gone through to its end."""
    response = services.dynamodb.get_item(
        TableName=services.settings.waits_table, Key={"wait_id": {"S": _WAIT_ID}}, ConsistentRead=True
    )
    row = items.from_item(response.get("Item") or {})
    return row.get("last") or None


def keep(services: Services, last: str | None) -> None:
    """Remembers the wait that was looked at last, or that the end was reached."""
    values = {"wait_id": _WAIT_ID, **({"last": last} if last else {})}
    services.dynamodb.put_item(TableName=services.settings.waits_table, Item=items.to_item(values))
