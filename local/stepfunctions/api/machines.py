"""State machines: create, update, describe, list, delete."""

import json
import uuid

from local.documents import Document
from local.stepfunctions.api import arns, definitions, errors, names, paging, tags, versions
from local.stepfunctions.api.arns import MACHINE, Arn
from local.stepfunctions.api.context import Context
from local.stepfunctions.api.errors import ApiError
from local.stepfunctions.api.logdestinations import OFF, check_logging
from local.stepfunctions.api.registry import public
from local.stepfunctions.api.variables import references
from local.store import now

_NO_TRACING: Document = {"enabled": False}
_OWNED_KEY: Document = {"type": "AWS_OWNED_KEY"}
_CONFIGURED = ("definition", "roleArn", "loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")
_MOST = 10_000
"""State machines (AWS quota)."""


def create(context: Context, request: Document) -> Document:
    name, publish = names.check(request["name"]), request.get("publish", False)
    _check_description(request)
    wanted = {
        "type": request.get("type", "STANDARD"),
        "definition": request["definition"],
        "roleArn": _role(request["roleArn"]),
        "loggingConfiguration": check_logging(context, request.get("loggingConfiguration")),
        "tracingConfiguration": request.get("tracingConfiguration", _NO_TRACING),
        "encryptionConfiguration": _encryption(request.get("encryptionConfiguration", _OWNED_KEY)),
    }
    definitions.check(wanted["definition"], express=wanted["type"] == "EXPRESS")
    arn = context.place.arn(MACHINE, name)
    with context.machines.changing():
        machine = context.machines.get(name)
        if machine is None:
            if context.machines.count() >= _MOST:
                raise ApiError("StateMachineLimitExceeded", f"There are {_MOST} state machines already")
            created = now()
            machine = {
                "stateMachineArn": arn,
                "name": name,
                "status": "ACTIVE",
                **wanted,
                "creationDate": created,
                "_updated": created,
                "_next": 1,
                "_logging": _logging_text(wanted["loggingConfiguration"]),
            }
            context.machines.put(machine)
            tags.keep(context, arn, request.get("tags", ()))
        else:
            _check_same(machine, wanted)
        document = {"stateMachineArn": arn, "creationDate": machine["creationDate"]}
        if publish:
            version = versions.publish_current(context, machine, request.get("versionDescription"))
            document["stateMachineVersionArn"] = version["stateMachineVersionArn"]
    return document


def _check_same(machine: Document, wanted: Document) -> None:
    """Answers a request that was sent once more as before; its role and tags are not looked at, as on AWS."""
    arn = machine["stateMachineArn"]
    if machine["status"] == "DELETING":
        raise errors.machine_deleting(arn)
    if any(machine[name] != value for name, value in wanted.items() if name != "roleArn"):
        raise ApiError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")


def update(context: Context, request: Document) -> Document:
    arn = _unqualified(request["stateMachineArn"])
    _check_description(request)
    machine = existing(context, arn)
    changes: Document = {name: request[name] for name in _CONFIGURED if name in request}
    if not changes:
        raise ApiError(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be "
            "specified",
        )
    if "definition" in changes:
        definitions.check(changes["definition"], express=machine["type"] == "EXPRESS")
    if "roleArn" in changes:
        _role(changes["roleArn"])
    if "loggingConfiguration" in changes:
        changes["loggingConfiguration"] = check_logging(context, changes["loggingConfiguration"])
    if "encryptionConfiguration" in changes:
        _encryption(changes["encryptionConfiguration"])
    with context.machines.changing():
        machine = existing(context, arn)
        updated = {**machine, **changes, "_updated": now()}
        updated["_logging"] = _logging_text(updated["loggingConfiguration"])
        if any(machine[name] != value for name, value in changes.items()):
            updated["revisionId"] = str(uuid.uuid4())
        context.machines.put(updated)
        document = {"updateDate": updated["_updated"], "revisionId": updated.get("revisionId")}
        if request.get("publish"):
            version = versions.publish_current(context, updated, request.get("versionDescription"))
            document["stateMachineVersionArn"] = version["stateMachineVersionArn"]
    return document


def describe(context: Context, request: Document) -> Document:
    arn = arns.parse(request["stateMachineArn"], MACHINE)
    name, _, label = arn.name.partition("/")
    machine = context.machines.get(name) if context.place.has(arn.text) else None
    if machine is None:
        raise errors.no_machine(arn.text)
    described = machine
    if arn.rest is not None:
        described = {**_qualified(context, arn), "status": machine["status"]}
    document = {**public(described), "stateMachineArn": arn.text}
    if label:
        document |= {"label": label, "name": arn.name}
    if request.get("includedData") == "METADATA_ONLY":
        # A required member; how AWS answers it then is not recorded.
        document["definition"] = ""
    else:
        document["variableReferences"] = references(described["definition"]) or None
    return document


def _qualified(context: Context, arn: Arn) -> Document:
    """Returns the version, or the one that the alias leads to most often."""
    number: str | None = arn.rest
    alias = context.machines.alias(arn.name, arn.rest or "")
    if alias is not None:
        route = max(alias["routingConfiguration"], key=lambda route: int(route["weight"]))
        number = arns.parse(route["stateMachineVersionArn"], MACHINE).rest
    version = context.machines.version(arn.name, number or "")
    if version is None:
        raise errors.no_machine(arn.text)
    return version


def listed(context: Context, request: Document) -> Document:
    return paging.page(
        "stateMachines",
        context.machines.all(),
        request,
        lambda machine: [machine["creationDate"], machine["name"]],
    )


def delete(context: Context, request: Document) -> Document:
    """Executions that run keep it: until the last is over it is DELETING, and starts no more."""
    arn = _unqualified(request["stateMachineArn"])
    if context.machine(arn) is not None:
        with context.machines.changing():
            machine = context.machine(arn)
            if machine is not None:
                context.machines.drop_qualified(arn.name)
                context.machines.put({**machine, "status": "DELETING"})
        drop_deleted(context, arn.name)
    return {}


def drop_deleted(context: Context, name: str) -> None:
    """Forgets a machine where it is DELETING and none of its executions runs any more."""
    machine = context.machines.get(name)
    if machine is None or machine["status"] != "DELETING" or context.reader.count_running(machine["stateMachineArn"]):
        return
    with context.machines.changing():
        machine = context.machines.get(name)
        if machine is not None and machine["status"] == "DELETING":
            context.machines.drop(name)
            arn = machine["stateMachineArn"]
            tags.forget(context, arn)
            context.executor.post(lambda turn: turn.forget_machine(arn))


def existing(context: Context, arn: Arn) -> Document:
    """Raises ApiError, also where the state machine is being deleted."""
    machine = context.machine(arn)
    if machine is None:
        raise errors.no_machine(arn.text)
    if machine["status"] == "DELETING":
        raise errors.machine_deleting(arn.text)
    return machine


def _unqualified(text: str) -> Arn:
    arn = arns.parse(text, MACHINE)
    if arn.rest is not None or "/" in arn.name:
        raise errors.validation(f"The state machine ARN must not be qualified: '{text}'")
    return arn


def _check_description(request: Document) -> None:
    if "versionDescription" in request and not request.get("publish"):
        raise errors.validation("Version description can only be set when publish is true")


def _role(arn: str) -> str:
    if not arn.startswith("arn:"):
        raise errors.invalid_arn(f"Invalid ARN prefix: {arn}")
    if arn.split(":")[2:3] != ["iam"]:
        raise errors.invalid_arn(f"Invalid role ARN: {arn}")
    return arn


def _encryption(configuration: Document) -> Document:
    if (configuration["type"] == "CUSTOMER_MANAGED_KMS_KEY") != ("kmsKeyId" in configuration):
        raise ApiError(
            "InvalidEncryptionConfiguration", "Invalid Encryption Configuration: the type and the key differ"
        )
    return configuration


def _logging_text(configuration: Document) -> str | None:
    return None if configuration["level"] == OFF else json.dumps(configuration)
