"""`aws-sdk:service:action`: any operation of any service that botocore has a model of.

Source: the Developer Guide, "Learning to use AWS service SDK integrations"; AWS's recorded histories.
"""

from collections.abc import Callable, Mapping

from local.documents import Json
from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import encode
from local.stepfunctions.integrations import dialects, naming, s3
from local.stepfunctions.integrations.call import Action, Call, action
from local.stepfunctions.integrations.task import TaskError

_EXTRA: Mapping[str, Callable[[Action, dict[str, Json]], dict[str, Json]]] = {"s3": s3.as_aws_answers}
"""Services that answer more, on AWS, than the local endpoint."""


def perform(call: Call) -> str:
    name = call.resource.service.removeprefix("aws-sdk:")
    service = naming.sdk_service(name)
    if service is None:
        raise _unknown(call)
    client = call.client(service)
    known = action(client, call.resource.action, dialects.of_sdk(client.meta.service_model))
    if known is None:
        raise _unknown(call)
    parameters = known.parameters(call, call.fields)
    if service == "s3":
        parameters = s3.as_botocore_sends(parameters)
    response = known.send(parameters)
    _read_streams(call, known, response)
    if service in _EXTRA:
        response = _EXTRA[service](known, {**response, "_parameters": parameters})
    return encode(known.result(response))


def _read_streams(call: Call, known: Action, response: dict[str, Json]) -> None:
    for name, value in response.items():
        if hasattr(value, "read"):
            response[name] = s3.content(call, known.dialect, value)


def _unknown(call: Call) -> TaskError:
    return TaskError(errors.RUNTIME, f"The resource '{call.resource.arn}' is not known to the local cloud")
