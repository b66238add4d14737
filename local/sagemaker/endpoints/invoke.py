"""InvokeEndpoint: one request to a container, answered as the runtime answers it."""

import io
import time
from collections.abc import Mapping
from typing import Any

from local.sagemaker.endpoints import failures, runtime
from local.sagemaker.endpoints.headers import ATTRIBUTES, CLOSED_SESSION, OPENED_SESSION, SESSION, Headers
from local.sagemaker.endpoints.hosted import Hosted
from local.sagemaker.endpoints.hosting import Endpoints
from local.sagemaker.endpoints.instance import Instance, Unanswered
from local.sagemaker.endpoints.multimodel import ModelNotThere
from local.sagemaker.endpoints.traffic import Route
from local.sagemaker.machine.machine import Machine
from local.sagemaker.machine.metrics import Metrics, Timed
from local.sagemaker.wire.errors import EndpointValidationError, ModelNotReady, WorkFailed


def invoke(endpoints: Endpoints, name: str, headers: Headers, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Raises EndpointValidationError, ModelError, ModelNotReady, Throttled, ServiceUnavailable."""
    machine, begun = endpoints.machine, time.perf_counter()
    members = runtime.check("InvokeEndpoint", name, headers)
    runtime.check_body(body)
    seconds = machine.settings.hosting.invocation_seconds
    hosted = runtime.live(endpoints, name, seconds)
    runtime.synchronous(machine, hosted)
    metrics = Metrics(machine.meter, name)
    with runtime.routed(hosted, members) as route:
        fleet, variant = route.fleet, route.variant
        asked = runtime.ask(headers, members, body, seconds)
        if fleet.shadows:
            hosted.shadows.copy(fleet, asked.headers, body, seconds, metrics)
        with metrics.timed(variant.name, variant.count) as timed:
            answered, content = _ask(machine, hosted, route, asked, timed)
        if "DataCaptureConfig" in fleet.config:
            config = fleet.config["DataCaptureConfig"]
            endpoints.capture.add(config, name, variant.name, (headers, body), (answered, content))
        sessions(hosted, headers, answered, route.instance)
    metrics.overhead(variant.name, (time.perf_counter() - begun) * 1e6 - timed.microseconds)
    return 200, fields(answered, variant.name), content


def _ask(machine: Machine, hosted: Hosted, route: Route, asked: Any, timed: Timed) -> tuple[Mapping[str, str], bytes]:
    """Returns headers and body of an answer that is no error. Raises the runtime's errors."""
    try:
        reply = route.instance.ask(asked)
        try:
            timed.status = reply.status
            if not reply.ok:
                raise failures.model_error(machine, hosted.name, reply.status, reply.hostname, failures.said(reply))
            sink = io.BytesIO()
            reply.read_into(sink)
        finally:
            reply.close()
    except Unanswered as error:
        timed.status = 0
        status, message = failures.reason(error)
        raise failures.model_error(machine, hosted.name, status, error.hostname, message) from error
    except WorkFailed as error:
        timed.status = 400
        raise unloaded(error) from error
    return reply.headers, sink.getvalue()


def unloaded(error: WorkFailed) -> EndpointValidationError | ModelNotReady:
    """Returns the error that says why the target model of a multi-model endpoint cannot be had."""
    text = str(error)
    return EndpointValidationError(text) if isinstance(error, ModelNotThere) else ModelNotReady(text)


def fields(answered: Headers, variant: str) -> dict[str, str]:
    """Returns the headers of an answer to the caller."""
    headers = {
        "Content-Type": answered.get("content-type", "application/octet-stream"),
        "x-Amzn-Invoked-Production-Variant": variant,
    }
    for header, name in (
        (ATTRIBUTES, "X-Amzn-SageMaker-Custom-Attributes"),
        (OPENED_SESSION, "X-Amzn-SageMaker-New-Session-Id"),
        (CLOSED_SESSION, "X-Amzn-SageMaker-Closed-Session-Id"),
    ):
        if header in answered:
            headers[name] = answered[header]
    return headers


def sessions(hosted: Hosted, headers: Headers, answered: Headers, instance: Instance) -> None:
    """Has a container that opened a session get its further requests, until it closes it."""
    if SESSION not in headers:
        return
    if OPENED_SESSION in answered:
        hosted.traffic.open_session(answered[OPENED_SESSION].partition(";")[0], instance)
    if CLOSED_SESSION in answered:
        hosted.traffic.close_session(answered[CLOSED_SESSION])
