"""`aws-sdk:service:action`: any operation of any service that botocore has a model of.

Source: the Developer Guide, "Learning to use AWS service SDK integrations"; AWS's recorded histories.
"""

from collections.abc import Callable, Mapping
from typing import Any

from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import encode
from local.stepfunctions.integrations import dialects, naming, s3
from local.stepfunctions.integrations.call import Action, Call, action
from local.stepfunctions.integrations.task import TaskError

_EXTRA: Mapping[str, Callable[[Action, dict[str, Any]], dict[str, Any]]] = {"s3": s3.as_aws_answers}
"""Services that answer more, on AWS, than the local endpoint."""


def perform(call: Call) -> str:
    name = call.resource.service.removeprefix("aws-sdk:")
    service = naming.botocore_service(name)
    if service is None:
        raise _unknown(call)
    client = call.client(service)
    found = action(client, call.resource.action, dialects.of_sdk(client.meta.service_model))
    if found is None:
        raise _unknown(call)
    parameters = found.parameters(call, call.fields)
    answer = found.send(parameters)
    _read_streams(call, found, answer)
    if service in _EXTRA:
        answer = _EXTRA[service](found, {**answer, "_parameters": parameters})
    return encode(found.result(answer))


def _read_streams(call: Call, found: Action, answer: dict[str, Any]) -> None:
    for name, value in answer.items():
        if hasattr(value, "read"):
            answer[name] = s3.content(call, found.dialect, value)


def _unknown(call: Call) -> TaskError:
    return TaskError(errors.RUNTIME, f"The resource '{call.resource.arn}' is not known to the local cloud")
