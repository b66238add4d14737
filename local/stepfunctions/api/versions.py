"""Versions: a state machine as it was when it was published, under a number that is never given again."""

from local.documents import Document
from local.stepfunctions.api import arns, errors, paging
from local.stepfunctions.api.arns import MACHINE, Arn
from local.stepfunctions.api.context import Context
from local.store import now

_INITIAL = "INITIAL"
"""The revision of a state machine that was never updated."""
_MOST = 1_000
"""Of one state machine (AWS quota)."""
_TAKEN = ("name", "type", "definition", "roleArn", "loggingConfiguration", "tracingConfiguration",
          "encryptionConfiguration", "revisionId", "_logging")  # fmt: skip


def publish(context: Context, request: Document) -> Document:
    arn = arns.parse(request["stateMachineArn"], MACHINE)
    with context.machines.changing():
        machine = context.machine(arn) if arn.rest is None else None
        if machine is None:
            raise errors.no_machine(arn.text)
        if machine["status"] == "DELETING":
            raise errors.machine_deleting(arn.text)
        current, wanted = machine.get("revisionId", _INITIAL), request.get("revisionId")
        if wanted not in (None, current):
            raise errors.conflict(
                f"Failed to publish the State Machine version for revision {wanted}. "
                f"The current State Machine revision is {current}."
            )
        return publish_current(context, machine, request.get("description"))


def publish_current(context: Context, machine: Document, description: str | None) -> Document:
    """Inside `changing`. A revision that was published already keeps its version."""
    name, revision = machine["name"], machine.get("revisionId", _INITIAL)
    newest = max(context.machines.versions(name), key=lambda version: int(version["_number"]), default=None)
    if newest is not None and newest.get("revisionId", _INITIAL) == revision:
        return newest
    if len(context.machines.versions(name)) >= _MOST:
        raise errors.quota_exceeded("versions of the state machine", _MOST)
    number = machine["_next"]
    version = {
        **{member: machine[member] for member in _TAKEN if member in machine},
        "stateMachineVersionArn": f"{machine['stateMachineArn']}:{number}",
        "creationDate": now(),
        "_number": number,
    }
    if description is not None:
        version["description"] = description
    context.machines.put({**machine, "_next": number + 1})
    context.machines.put_version(version)
    return version


def listed(context: Context, request: Document) -> Document:
    arn = arns.parse(request["stateMachineArn"], MACHINE)
    versions = context.machines.versions(arn.name) if context.place.has(arn.text) else []
    return paging.page("stateMachineVersions", versions, request, lambda version: [version["_number"]], descending=True)


def delete(context: Context, request: Document) -> Document:
    arn = version_arn(request["stateMachineVersionArn"])
    with context.machines.changing():
        if context.machine(arn) is not None:
            using = [
                alias["name"]
                for alias in context.machines.aliases(arn.name)
                if any(route["stateMachineVersionArn"] == arn.text for route in alias["routingConfiguration"])
            ]
            if using:
                raise errors.conflict(
                    "Version to be deleted must not be referenced by an alias. "
                    f"Current list of aliases referencing this version: [{', '.join(using)}]"
                )
            context.machines.drop_version(arn.name, arn.rest or "")
    return {}


def version_arn(text: str) -> Arn:
    """Raises ApiError where it is the ARN of something else."""
    arn = arns.parse(text, MACHINE)
    if arn.rest is None or not (arn.rest.isascii() and arn.rest.isdigit()):
        raise errors.invalid_arn(f"Not the ARN of a state machine version: {text}")
    return arn
