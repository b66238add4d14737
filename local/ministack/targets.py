"""What EventBridge and Scheduler may start here: looked at when a target is put, and again when its time comes.

MiniStack takes any target and drops the events of those it cannot start. Here they are refused by name, and two kinds
are added: SageMaker pipelines, and Scheduler's universal targets, which call an operation of the local cloud.
"""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import UnknownServiceError

from local import wire
from local.documents import Document, Json
from local.ministack import resources, schedules

_STARTED = ("lambda", "sqs", "sns", "states")
_PIPELINE = re.compile(r"arn:[\w-]+:sagemaker:[\w-]+:\d+:pipeline/(?P<name>[\w-]+)")
_UNIVERSAL = re.compile(r"arn:[\w-]+:scheduler:::aws-sdk:(?P<service>[\w-]+):(?P<action>\w+)")
_READS = re.compile(r"(get|describe|list|batchGet|head|search|query|scan|select|lookup)(?=[A-Z]|$)")
_SERVICES = {
    "sfn": "stepfunctions",
    "eventbridge": "events",
    "cloudwatchlogs": "logs",
    "eventbridgescheduler": "scheduler",
}
"""Scheduler calls a service as the AWS SDK for Java does; botocore has other names for these."""

Call = Callable[[], object]
Client = Callable[[str], Any]


def refused(target: Mapping[str, Any], *, universal: bool) -> str | None:
    """Tells why a target cannot be started here; universal ones are Scheduler's alone."""
    arn = str(target.get("Arn", ""))
    parts = arn.split(":", 5)
    service = parts[2] if len(parts) == 6 else ""
    if universal and (action := _UNIVERSAL.fullmatch(arn)):
        return _not_callable(action["service"], action["action"])
    if service in _STARTED:
        return None
    if service == "events" and parts[5].startswith(("event-bus/", "api-destination/")):
        return None
    if service == "sagemaker":
        return None if _PIPELINE.fullmatch(arn) else f"{arn} is not the ARN of a SageMaker pipeline."
    return f"This cloud cannot start a target of {service or 'no service'}: {arn}"


def _not_callable(service: str, action: str) -> str | None:
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html"""
    name = _SERVICES.get(service, service)
    if _READS.match(action):
        return f"Scheduler does not call operations that only read: {service}:{action}"
    if not _is_served(name):
        return f"This cloud does not serve {service}, so that it cannot call {service}:{action}"
    if _operation(name, action) is None:
        return f"{service} has no operation {action}"
    return None


def _is_served(name: str) -> bool:
    from ministack import app as ministack_app

    try:
        metadata = wire.model(name).metadata
    except UnknownServiceError:
        return False
    names = {name, metadata.get("signingName"), metadata["endpointPrefix"]}
    return not names.isdisjoint(ministack_app.SERVICE_HANDLERS)


def _operation(service: str, action: str) -> str | None:
    model = wire.model(service)
    return next((name for name in model.operation_names if name.lower() == action.lower()), None)


# Their time has come.


def call_of(target: Mapping[str, Any], event: Json, client: Client) -> Call | None:
    """Returns the call that starts a target which MiniStack does not know; None for one that it does."""
    arn = str(target.get("Arn", ""))
    if pipeline := _PIPELINE.fullmatch(arn):
        # Made once: a second try starts no second execution.
        request = {
            "PipelineName": pipeline["name"],
            "ClientRequestToken": str(uuid.uuid4()),
            **_parameters(target, event),
        }
        return lambda: client("sagemaker").start_pipeline_execution(**request)
    if action := _UNIVERSAL.fullmatch(arn):
        service = _SERVICES.get(action["service"], action["service"])
        return lambda: _call(client(service), service, action["action"], str(target.get("Input") or "{}"))
    return None


def _parameters(target: Mapping[str, Any], event: Json) -> dict[str, list[dict[str, str]]]:
    """Returns a pipeline's parameters; a value that is a JSON path is read from the event.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
    """
    listed = (target.get("SageMakerPipelineParameters") or {}).get("PipelineParameterList") or []
    parameters = [{"Name": each["Name"], "Value": _value(each["Value"], event)} for each in listed]
    return {"PipelineParameters": parameters} if parameters else {}


def _value(value: str, event: Json) -> str:
    if not value.startswith("$."):
        return value
    for name in value[2:].split("."):
        event = event.get(name) if isinstance(event, dict) else None
    return event if isinstance(event, str) else json.dumps(event)


def _call(client: Any, service: str, action: str, payload: str) -> None:
    name = str(_operation(service, action))
    shape = wire.model(service).operation_model(name).input_shape
    request = _named(json.loads(payload), shape)
    getattr(client, xform_name(name))(**request)


def _named(value: Json, shape: Any) -> Json:
    """Names the members of a request as botocore does: Scheduler writes all of them with a capital."""
    if isinstance(value, dict) and getattr(shape, "type_name", "") == "structure":
        names = {name.lower(): name for name in shape.members}
        known = {names.get(key.lower(), key): inner for key, inner in value.items()}
        return {name: _named(inner, shape.members.get(name)) for name, inner in known.items()}
    if isinstance(value, list) and getattr(shape, "type_name", "") == "list":
        return [_named(each, shape.member) for each in value]
    if isinstance(value, dict) and getattr(shape, "type_name", "") == "map":
        return {key: _named(inner, shape.value) for key, inner in value.items()}
    return value


def with_context(target: Document, schedule: Mapping[str, Any], event: Mapping[str, Any]) -> Document:
    """Fills Scheduler's context attributes into the input of a schedule's target.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """
    text = target.get("Input")
    if not isinstance(text, str) or "<aws.scheduler." not in text:
        return target
    attributes = {
        "schedule-arn": str(schedule.get("Arn", "")),
        "scheduled-time": datetime.fromtimestamp(schedule[schedules.DUE], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "execution-id": str(event["EventId"]),
        "attempt-number": "1",
    }
    for name, value in attributes.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return {**target, "Input": text}


# What MiniStack is told to look at.


def install() -> None:
    """Refuse at PutTargets, CreateSchedule and UpdateSchedule, and in a stack, what could not be started."""
    from ministack.services import eventbridge, scheduler

    eventbridge._put_targets = _checked_targets(eventbridge._put_targets)
    for name in ("_create_schedule", "_update_schedule"):
        setattr(scheduler, name, _checked_schedule(getattr(scheduler, name)))
    resources.look_at("AWS::Events::Rule", lambda properties: _startable(properties, universal=False))
    resources.look_at("AWS::Scheduler::Schedule", lambda properties: _startable(properties, universal=True))


def _checked_targets(put: Callable[[Document], Any]) -> Callable[[Document], Any]:
    def put_checked(request: Document) -> Any:
        from ministack.core.responses import error_response_json

        for target in request.get("Targets", []):
            if why := refused(target, universal=False):
                return error_response_json("ValidationException", why, 400)
        return put(request)

    return put_checked


def _checked_schedule(save: Callable[[str, Document], Any]) -> Callable[[str, Document], Any]:
    def save_checked(name: str, request: Document) -> Any:
        from ministack.services import scheduler

        target = request.get("Target") or {}
        if target.get("Arn") and (why := refused(target, universal=True)):
            return scheduler._error(400, "ValidationException", why)
        return save(name, request)

    return save_checked


def _startable(properties: Document, *, universal: bool) -> Document:
    """Returns the properties of a stack's rule or schedule.

    Raises:
        ValueError: why a target of it could not be started.
    """
    for target in properties.get("Targets") or [properties.get("Target") or {}]:
        if target.get("Arn") and (why := refused(target, universal=universal)):
            raise ValueError(why)
    return properties
