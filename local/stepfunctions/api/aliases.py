"""Aliases: names that lead to one version, or to two with weights."""

from local.documents import Document
from local.stepfunctions.api import arns, errors, paging
from local.stepfunctions.api.arns import MACHINE, Arn
from local.stepfunctions.api.context import Context
from local.stepfunctions.api.machines import existing
from local.stepfunctions.api.registry import public
from local.stepfunctions.api.versions import version_arn
from local.store import now

_WHOLE = 100
_MOST = 100
"""Of one state machine (AWS quota)."""


def create(context: Context, request: Document) -> Document:
    routes: list[Document] = request["routingConfiguration"]
    with context.machines.changing():
        machine = _routed(context, routes)
        name = request["name"]
        alias: Document = {
            "stateMachineAliasArn": f"{machine['stateMachineArn']}:{name}",
            "name": name,
            "description": str(request.get("description", "")),
            "routingConfiguration": routes,
            "_machine": machine["name"],
        }
        known = context.machines.alias(machine["name"], name)
        if known is not None:
            if any(known[member] != value for member, value in alias.items()):
                raise errors.conflict(
                    "Failed to create alias because an alias with the same name and a different routing configuration "
                    "already exists."
                )
            return known
        if len(context.machines.aliases(machine["name"])) >= _MOST:
            raise errors.quota_exceeded("aliases of the state machine", _MOST)
        created = now()
        alias |= {"creationDate": created, "updateDate": created}
        context.machines.put_alias(alias)
    return alias


def update(context: Context, request: Document) -> Document:
    arn = _alias_arn(request)
    changes: Document = {name: request[name] for name in ("description", "routingConfiguration") if name in request}
    if not changes:
        raise errors.validation("Either the description or the routingConfiguration must be specified")
    with context.machines.changing():
        alias = _existing(context, arn)
        if "routingConfiguration" in changes and _routed(context, changes["routingConfiguration"])["name"] != arn.name:
            raise errors.validation("Routing configuration must contain versions of the alias's state machine.")
        updated: Document = {**alias, **changes, "updateDate": now()}
        context.machines.put_alias(updated)
    return updated


def describe(context: Context, request: Document) -> Document:
    return public(_existing(context, _alias_arn(request)))


def delete(context: Context, request: Document) -> Document:
    arn = _alias_arn(request)
    with context.machines.changing():
        _existing(context, arn)
        context.machines.drop_alias(arn.name, arn.rest or "")
    return {}


def listed(context: Context, request: Document) -> Document:
    """Lists those of a state machine, or of one version."""
    arn = arns.parse(request["stateMachineArn"], MACHINE)
    existing(context, arn)
    aliases = context.machines.aliases(arn.name)
    if arn.rest is not None:
        aliases = [alias for alias in aliases if arn.text in _targets(alias["routingConfiguration"])]
    return paging.page("stateMachineAliases", aliases, request, lambda alias: [alias["creationDate"], alias["name"]])


def _targets(routes: list[Document]) -> list[str]:
    return [route["stateMachineVersionArn"] for route in routes]


def _routed(context: Context, routes: list[Document]) -> Document:
    """Returns the state machine that all routes lead to. Raises ApiError."""
    targets = [version_arn(text) for text in _targets(routes)]
    if len({arn.text for arn in targets}) != len(targets):
        raise errors.validation("Routing configuration must contain distinct state machine version ARNs.")
    if len({arn.base for arn in targets}) > 1:
        raise errors.validation("Routing configuration must contain versions of one state machine.")
    weights = [route["weight"] for route in routes]
    if sum(weights) != _WHOLE:
        shown = ", ".join(map(str, weights))
        raise errors.validation(f"Sum of routing configuration weights must equal 100. Received: [{shown}]")
    for arn in targets:
        if context.machine(arn) is None or context.machines.version(arn.name, arn.rest or "") is None:
            raise errors.no_resource(arn.text)
    return existing(context, targets[0])


def _alias_arn(request: Document) -> Arn:
    arn = arns.parse(request["stateMachineAliasArn"], MACHINE)
    if arn.rest is None:
        raise errors.invalid_arn(f"Not the ARN of a state machine alias: {arn.text}")
    return arn


def _existing(context: Context, arn: Arn) -> Document:
    alias = context.machines.alias(arn.name, arn.rest or "") if context.place.has(arn.text) else None
    if alias is None:
        raise errors.no_resource(arn.text)
    return alias
