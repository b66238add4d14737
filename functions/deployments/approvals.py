"""What was last decided about a model package, and which job acts on it: a row of the ledger under the package's ARN.

The registry tells of every change of a package, several times, in any order, and not of what it was before. This row is
what makes approval an event: the first to write a new decision acts on it, every other is told that it was done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.aws import items
from functions.aws.conditions import conditional

if TYPE_CHECKING:
    from functions.aws.services import Services

_ENTRY = "APPROVAL"
BY_PIPELINE = "pipeline"
"""In the place of an execution: the package's own pipeline deploys it."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A decision, and who acts on it."""

    status: str
    job_id: str
    execution: str
    """Its ARN; empty while the API has announced the decision and nobody has begun."""


def read(services: Services, package: str) -> Approval | None:
    """Returns what was last decided (consistent read); None for a package that nobody decided about."""
    response = services.dynamodb.get_item(
        TableName=services.settings.ledger_table, Key=_key(package), ConsistentRead=True
    )
    item = response.get("Item")
    if item is None:
        return None
    values = items.from_item(item)
    return Approval(values["status"], values["job_id"], values["execution"])


def announce(services: Services, package: str, status: str, job_id: str) -> None:
    """Writes a decision before it is made known to the registry, so that its event finds the job that is followed."""
    _write(services, package, Approval(status, job_id, ""), {})


def take(services: Services, package: str, approval: Approval, before: Approval | None) -> bool:
    """Writes a decision in the place of `before`; False if another execution was faster."""
    if before is None:
        return _write(services, package, approval, {"ConditionExpression": "attribute_not_exists(#status)"})
    expected: dict[str, Any] = {
        "ConditionExpression": "#status = :old AND job_id = :old_job AND #execution = :old_execution"
    }
    old: dict[str, items.Value] = {
        ":old": before.status,
        ":old_job": before.job_id,
        ":old_execution": before.execution,
    }
    return _write(services, package, approval, expected, old)


def _key(package: str) -> dict[str, Any]:
    return items.to_item({"object": package, "entry": _ENTRY})


def _write(
    services: Services,
    package: str,
    approval: Approval,
    condition: Mapping[str, Any],
    expected: Mapping[str, items.Value] | None = None,
) -> bool:
    values: dict[str, items.Value] = {
        ":status": approval.status,
        ":job_id": approval.job_id,
        ":execution": approval.execution,
        **(expected or {}),
    }
    with conditional() as outcome:
        services.dynamodb.update_item(
            TableName=services.settings.ledger_table,
            Key=_key(package),
            UpdateExpression="SET #status = :status, job_id = :job_id, #execution = :execution",
            ExpressionAttributeNames={"#status": "status", "#execution": "execution"},
            ExpressionAttributeValues=items.to_item(values),
            **condition,
        )
    return outcome.held
