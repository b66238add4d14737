"""The optimized integrations: those with rules of their own, and the others, which are one call each."""

from collections.abc import Callable, Mapping

from local.documents import Json
from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import encode
from local.stepfunctions.asl.resources import Resource
from local.stepfunctions.integrations import (
    apigateway,
    dialects,
    emr,
    events,
    http,
    lambdas,
    messaging,
    metadata,
    naming,
    sagemaker,
    states,
)
from local.stepfunctions.integrations.call import Arguments, Call, action
from local.stepfunctions.integrations.task import TaskError

_OWN: Mapping[tuple[str, str], Callable[[Call], str]] = {
    ("apigateway", "invoke"): apigateway.invoke,
    ("events", "putEvents"): events.put_events,
    ("http", "invoke"): http.invoke,
    ("lambda", "invoke"): lambdas.invoke,
    ("sns", "publish"): messaging.publish,
    ("sqs", "sendMessage"): messaging.send_message,
    ("states", "startExecution"): states.start_execution,
}


def has_rules_of_its_own(resource: Resource) -> bool:
    """Tells whether an action's fields are Step Functions' own, and not those of the service's operation."""
    return (resource.service, resource.action) in _OWN


def perform(call: Call) -> str:
    """Returns the result, as JSON. Raises TaskError."""
    own = _OWN.get((call.resource.service, call.resource.action))
    if own is not None:
        return own(call)
    if call.resource.service == "sagemaker":
        return encode(start(call, sagemaker.perform))
    return encode(start(call))


Send = Callable[[Call, Arguments], dict[str, Json]]
"""Carries out the call's action; answers the result in Step Functions' spelling, with botocore's metadata."""


def start(call: Call, send: Send | None = None) -> dict[str, Json]:
    """Returns the result of one call of a service, with its HTTP metadata. Raises TaskError."""
    service = call.resource.service
    told = (send or _send)(call, call.fields)
    response = {"ResponseMetadata": told.pop("ResponseMetadata", {})}
    return dict(sorted((told | metadata.of(service, response, encode(told).encode())).items()))


def _send(call: Call, arguments: Arguments) -> dict[str, Json]:
    service, name = call.resource.service, call.resource.action
    spelled = naming.botocore_service(service)
    dialect = dialects.OPTIMIZED.get(service)
    name, arguments = emr.translated(name, arguments) if service == "elasticmapreduce" else (name, arguments)
    known = None
    if spelled is not None and dialect is not None:
        known = action(call.client(spelled), name, dialect)
    if known is None:
        raise TaskError(errors.RUNTIME, f"The local cloud does not carry out '{call.resource.arn}'")
    response = known.perform(call, arguments)
    return known.result(response) | {"ResponseMetadata": response.get("ResponseMetadata", {})}
