"""`sqs:sendMessage` and `sns:publish`: bodies may be objects, which are sent as their JSON."""

from collections.abc import Mapping

from local.documents import Json
from local.stepfunctions.asl.documents import encode
from local.stepfunctions.integrations import dialects, metadata
from local.stepfunctions.integrations.call import Arguments, Call, action
from local.stepfunctions.integrations.task import TaskError

_ENVELOPE = """<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <PublishResult>
{members}
  </PublishResult>
  <ResponseMetadata>
    <RequestId>{request}</RequestId>
  </ResponseMetadata>
</PublishResponse>
"""


def send_message(call: Call) -> str:
    told, response = _sent(call, "sqs", _texts(call.fields, "MessageBody"))
    return _with_metadata("sqs", told, response, encode(told))


def publish(call: Call) -> str:
    try:
        told, response = _sent(call, "sns", _texts(call.fields, "Message"))
    except TaskError as error:
        if error.cause is not None and error.error == "SNS.NotFoundException":
            # AWS does not name the topic here; the local endpoint does.
            said, service, rest = error.cause.partition(" (Service: ")
            error.cause = said.partition(": arn:")[0] + service + rest
        raise
    members = "\n".join(f"    <{name}>{value}</{name}>" for name, value in told.items())
    request = response.get("ResponseMetadata", {}).get("RequestId", "")
    return _with_metadata("sns", told, response, _ENVELOPE.format(members=members, request=request))


def _texts(arguments: Arguments, name: str) -> dict[str, Json]:
    value = arguments.get(name)
    return {**arguments, name: encode(value)} if isinstance(value, dict | list) else dict(arguments)


def _sent(call: Call, service: str, arguments: Arguments) -> tuple[dict[str, Json], Mapping[str, Json]]:
    send = action(call.client(service), call.resource.action, dialects.OPTIMIZED[service])
    assert send is not None
    response = send.perform(call, arguments)
    return send.result(response), response


def _with_metadata(service: str, told: dict[str, Json], response: Mapping[str, Json], content: str) -> str:
    return encode(dict(sorted((told | metadata.of(service, response, content.encode())).items())))
