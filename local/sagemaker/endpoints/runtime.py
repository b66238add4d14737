"""What the operations of the runtime share: their members, the endpoint that they mean, and its place for a request."""

import io
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from local.documents import Document, Json
from local.sagemaker.endpoints.headers import ATTRIBUTES, NEW_SESSION, PREFIX, SESSION, TARGET_MODEL, Headers
from local.sagemaker.endpoints.hosted import Hosted
from local.sagemaker.endpoints.hosting import Endpoints
from local.sagemaker.endpoints.instance import Ask
from local.sagemaker.endpoints.state import KIND
from local.sagemaker.endpoints.traffic import Route, UnknownVariant
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire import shapes
from local.sagemaker.wire.errors import (
    EndpointValidationError,
    ModelNotReady,
    ServiceUnavailable,
    ValidationException,
    WorkFailed,
)

MAX_BODY = 25 << 20
"""Bytes; botocore's model still says 6 MB, which was the limit before."""
_FORWARDED = ("content-type", "accept", ATTRIBUTES, f"{PREFIX}inference-id", TARGET_MODEL, SESSION)
_REFUSED = {
    "InferenceComponentName": "an inference component",
    "EnableExplanations": "explanations",
    "PrefixAwareId": "prefix-aware routing",
}


@cache
def _members(operation: str) -> tuple[tuple[str, str, bool], ...]:
    """Returns the members that travel in headers: member, header, whether it is a number."""
    shape: Any = shapes.model("sagemaker-runtime").operation_model(operation).input_shape
    return tuple(
        (member, of.serialization["name"].lower(), of.type_name == "integer")
        for member, of in shape.members.items()
        if of.serialization.get("location") == "header"
    )


def check(operation: str, name: str, headers: Headers) -> Document:
    """Returns the request's members out of path and headers. Raises EndpointValidationError."""
    members: Document = {}
    for member, header, number in _members(operation):
        value = headers.get(header)
        if value is not None:
            members[member] = int(value) if number and value.isdigit() else value
    # The body is not copied into the check; its length is looked at where it is read.
    members |= {"EndpointName": name, "Body": ""}
    try:
        shapes.check(shapes.model("sagemaker-runtime").operation_model(operation).input_shape, members)
    except ValidationException as error:
        raise EndpointValidationError(error.message) from error
    for member, what in _REFUSED.items():
        if member in members:
            raise EndpointValidationError(f"{member}: {what} of an endpoint is not run by this local SageMaker.")
    del members["Body"]
    return members


def check_body(body: bytes) -> None:
    """Raises EndpointValidationError."""
    if len(body) > MAX_BODY:
        raise EndpointValidationError(
            "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less "
            f"than or equal to {MAX_BODY}"
        )


def live(endpoints: Endpoints, name: str, seconds: float) -> Hosted:
    """Raises EndpointValidationError where nothing serves the endpoint."""
    hosted = endpoints.live(name, seconds)
    if hosted is None:
        raise not_in_service(endpoints.machine, described(endpoints.machine, name))
    return hosted


def described(machine: Machine, name: str) -> Document:
    document = machine.store.get(KIND, name)
    if document is None:
        raise EndpointValidationError(f"Endpoint {name} of account {machine.settings.account} not found.")
    return document


def not_in_service(machine: Machine, document: Document) -> EndpointValidationError:
    return EndpointValidationError(
        f"Endpoint {document['EndpointName']} of account {machine.settings.account} is not in service: its status is "
        f"{document['EndpointStatus']}."
    )


def synchronous(machine: Machine, hosted: Hosted) -> None:
    """Raises EndpointValidationError for an asynchronous endpoint."""
    fleets = hosted.traffic.fleets
    if fleets and fleets[-1].asynchronous is not None:
        raise EndpointValidationError(
            f"Endpoint {hosted.name} of account {machine.settings.account} is asynchronous: use InvokeEndpointAsync."
        )


@contextmanager
def routed(hosted: Hosted, members: Mapping[str, Json]) -> Iterator[Route]:
    """Yields a place for one request, given back afterwards. Raises the runtime's errors where there is none."""
    route = route_for(hosted, members)
    try:
        check_target(hosted.name, route, members)
        yield route
    finally:
        route.fleet.release(route.variant, route.instance)


def route_for(hosted: Hosted, members: Mapping[str, Json]) -> Route:
    """Returns a route, to be released. Raises the runtime's errors where there is none."""
    session = members.get("SessionId")
    try:
        route = hosted.traffic.route(members.get("TargetVariant"), None if session == NEW_SESSION else session)
    except UnknownVariant as error:
        raise EndpointValidationError(f"Variant {error} not found for Request.") from error
    except WorkFailed as error:
        raise ModelNotReady(f"The variant's container is not ready: {error}") from error
    if route is None:
        raise ServiceUnavailable(f"Endpoint {hosted.name} has no instance to serve the request.")
    return route


def check_target(name: str, route: Route, members: Mapping[str, Json]) -> None:
    """Raises EndpointValidationError where target model or container and the endpoint do not fit."""
    instance = route.instance
    if instance.multi_model != ("TargetModel" in members):
        raise EndpointValidationError(
            f"Request {uuid.uuid4()} is missing a target model header."
            if instance.multi_model
            else f"Endpoint {name} is not a multi-model endpoint and does not support target model header."
        )
    wanted = members.get("TargetContainerHostname")
    hostnames = instance.hostnames
    if wanted is None and not hostnames:
        return
    if not hostnames:
        raise EndpointValidationError(
            f"Endpoint {name} is not a multi-container endpoint with direct invocation and does not support target "
            "container hostname header."
        )
    if wanted not in hostnames:
        raise EndpointValidationError(
            f"Endpoint {name} has the containers {', '.join(hostnames)}; the target container hostname header says "
            f"{wanted or 'none'}."
        )


def ask(headers: Headers, members: Mapping[str, Json], body: bytes, seconds: float) -> Ask:
    """Returns what the container is asked, with those of the caller's headers that AWS passes on."""
    forwarded = {field: headers[field] for field in _FORWARDED if field in headers}
    if "Accept" in members:
        forwarded["accept"] = members["Accept"]
    return Ask(forwarded, io.BytesIO(body), seconds, members.get("TargetModel"), members.get("TargetContainerHostname"))
