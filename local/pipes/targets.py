"""What a pipe delivers to, and what enriches on the way: one call each, by any client of the local cloud.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-event-target.html. Targets that take a batch get all
events of one as a list; the others get one event a call.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from local.documents import Document, Json

Client = Callable[[str], Any]
Parameters = Mapping[str, Any]

BATCHED = ("states", "lambda")
"""Services whose targets get a list of events."""


class DeliveryFailed(Exception):
    """The target or enrichment took nothing; the message says why."""


def refused(arn: str) -> str | None:
    """Tells why this cloud cannot deliver to a target; None where it can."""
    service, kind = service_of(arn), _resource(arn).split("/")[0].split(":")[0]
    if service == "sns" and arn.endswith(".fifo"):
        return "SNS FIFO topics are not supported as a pipe target."
    if service in ("events", "sagemaker") and kind not in ("event-bus", "pipeline"):
        return f"This cloud cannot deliver to {arn}"
    return None if service in _DELIVER else f"This cloud cannot deliver to a target of {service or 'no service'}: {arn}"


def refused_enrichment(arn: str) -> str | None:
    """Tells why this cloud cannot enrich by something; None where it can."""
    return None if service_of(arn) in _ENRICH else f"This cloud cannot enrich by {arn}"


def deliver(arn: str, parameters: Parameters, payload: Json, client: Client) -> None:
    """Delivers one payload.

    Raises:
        DeliveryFailed: an execution or function that was waited for failed.
        ClientError: the target refuses.
    """
    _DELIVER[service_of(arn)](arn, parameters, payload, client)


def enrich(arn: str, payload: Json, client: Client) -> list[Json]:
    """Returns what an enrichment makes of a list of events; nothing where it answers nothing.

    Raises:
        DeliveryFailed: it failed.
        ClientError: it refuses.
    """
    enriched = _ENRICH[service_of(arn)](arn, payload, client)
    if enriched in (None, "", {}, []):
        return []
    return enriched if isinstance(enriched, list) else [enriched]


def service_of(arn: str) -> str:
    parts = arn.split(":", 5)
    return parts[2] if len(parts) == 6 and parts[0] == "arn" else ""


def _resource(arn: str) -> str:
    return arn.split(":", 5)[5]


def _start(arn: str, parameters: Parameters, payload: Json, client: Client) -> None:
    how = parameters.get("StepFunctionStateMachineParameters", {}).get("InvocationType", "FIRE_AND_FORGET")
    if how == "FIRE_AND_FORGET":
        client("stepfunctions").start_execution(stateMachineArn=arn, input=json.dumps(payload))
    else:
        _run(arn, payload, client)


def _run(arn: str, payload: Json, client: Client) -> Json:
    ended = client("stepfunctions").start_sync_execution(stateMachineArn=arn, input=json.dumps(payload))
    if ended["status"] != "SUCCEEDED":
        raise DeliveryFailed(f"{arn} {ended['status']}: {ended.get('error', '')} {ended.get('cause', '')}".strip())
    return json.loads(ended.get("output") or "null")


def _invoke(arn: str, parameters: Parameters, payload: Json, client: Client) -> None:
    how = parameters.get("LambdaFunctionParameters", {}).get("InvocationType", "REQUEST_RESPONSE")
    if how == "FIRE_AND_FORGET":
        client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=json.dumps(payload))
    else:
        _call(arn, payload, client)


def _call(arn: str, payload: Json, client: Client) -> Json:
    response = client("lambda").invoke(FunctionName=arn, Payload=json.dumps(payload))
    text = response["Payload"].read()
    if "FunctionError" in response:
        raise DeliveryFailed(f"{arn} failed: {text[:1000].decode('utf-8', 'replace')}")
    return json.loads(text or b"null")


def _send(arn: str, parameters: Parameters, payload: Json, client: Client) -> None:
    sqs = client("sqs")
    account, name = arn.split(":")[4:6]
    url = sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
    queue = parameters.get("SqsQueueParameters", {})
    fifo = {name: queue[name] for name in ("MessageGroupId", "MessageDeduplicationId") if name in queue}
    sqs.send_message(QueueUrl=url, MessageBody=_text(payload), **fifo)


def _publish(arn: str, _: Parameters, payload: Json, client: Client) -> None:
    client("sns").publish(TopicArn=arn, Message=_text(payload))


def _put(arn: str, parameters: Parameters, payload: Json, client: Client) -> None:
    bus = parameters.get("EventBridgeEventBusParameters", {})
    entry: Document = {
        "EventBusName": arn,
        "Source": bus.get("Source") or f"Pipe {parameters.get('pipe', '')}".strip(),
        "DetailType": bus.get("DetailType") or f"Event from {_source_of(payload)}",
        "Detail": json.dumps(payload if isinstance(payload, dict) else {"event": payload}),
        "Resources": list(bus.get("Resources", ())),
    }
    response = client("events").put_events(Entries=[entry])
    if response["FailedEntryCount"]:
        raise DeliveryFailed(str(response["Entries"][0].get("ErrorMessage")))


def _source_of(payload: Json) -> str:
    return str(payload.get("eventSource", "pipe")) if isinstance(payload, dict) else "pipe"


def _start_pipeline(arn: str, parameters: Parameters, _: Json, client: Client) -> None:
    listed = parameters.get("SageMakerPipelineParameters", {}).get("PipelineParameterList", [])
    request = {"PipelineParameters": list(listed)} if listed else {}
    client("sagemaker").start_pipeline_execution(PipelineName=_resource(arn).split("/", 1)[1], **request)


def _text(payload: Json) -> str:
    return payload if isinstance(payload, str) else json.dumps(payload)


_DELIVER: Mapping[str, Callable[[str, Parameters, Json, Client], None]] = {
    "states": _start,
    "lambda": _invoke,
    "sqs": _send,
    "sns": _publish,
    "events": _put,
    "sagemaker": _start_pipeline,
}
_ENRICH: Mapping[str, Callable[[str, Json, Client], Json]] = {"states": _run, "lambda": _call}
