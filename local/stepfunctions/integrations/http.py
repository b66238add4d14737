"""`http:invoke`: a call of a third party's API through an EventBridge connection.

Source: the Developer Guide, "Call HTTPS APIs in Step Functions workflows". The connection must exist at the local
endpoint. What it adds to the request is taken from it; credentials that it keeps secret are not to be had there.
"""

from collections.abc import Mapping
from typing import Any

from local.documents import Json
from local.stepfunctions.asl.documents import encode
from local.stepfunctions.integrations import dialects, web
from local.stepfunctions.integrations.call import Action, Call
from local.stepfunctions.integrations.task import TaskError, Unreachable

_CONNECTION = "Events.ConnectionResource.InvalidConnectionState"


def invoke(call: Call) -> str:
    fields = call.fields
    problems = _problems(fields)
    if problems:
        raise call.refused(problems)
    added = _connection(call, str(_connection_arn(fields))).get("InvocationHttpParameters", {})
    request = web.Request(
        method=fields["Method"],
        url=fields["ApiEndpoint"],
        headers=[*web.pairs(fields.get("Headers")), *_added(added, "HeaderParameters")],
        query=[*web.pairs(fields.get("QueryParameters")), *_added(added, "QueryStringParameters")],
        body=_body(fields.get("RequestBody")),
    )
    try:
        response = web.send(request, "States.Http")
    except Unreachable as error:
        # Not our own endpoint: what cannot be reached has failed, whatever the local cloud does.
        raise TaskError("States.Http.Socket", error.cause) from error
    if not 200 <= response.status < 300:
        raise TaskError(f"States.Http.StatusCode.{response.status}", encode(response.body))
    return encode(response.told())


def _problems(fields: Mapping[str, Json]) -> list[str]:
    problems = [
        f"The value for the field '{name}' must be a STRING"
        for name in ("ApiEndpoint", "Method")
        if not isinstance(fields.get(name), str)
    ]
    if _connection_arn(fields) is None:
        problems.append("The field 'Authentication.ConnectionArn' is required but was missing")
    return problems


def _connection_arn(fields: Mapping[str, Json]) -> str | None:
    """Returns the connection; `InvocationConfig` is what the member was called later (call-https-apis, "Fields")."""
    for member in ("Authentication", "InvocationConfig"):
        section = fields.get(member)
        if isinstance(section, dict) and isinstance(section.get("ConnectionArn"), str):
            return str(section["ConnectionArn"])
    return None


def _connection(call: Call, arn: str) -> Mapping[str, Json]:
    """Returns what the connection adds to a request."""
    client = call.client("events")
    describe = Action(client, client.meta.service_model.operation_model("DescribeConnection"), _DIALECT)
    name = arn.partition(":connection/")[2].partition("/")[0]
    try:
        connection = describe.send({"Name": name or arn})
    except Unreachable:
        raise
    except TaskError as error:
        raise TaskError(_CONNECTION, f"The connection {arn} cannot be used: {error.cause}") from error
    if connection.get("AuthorizationType") not in (None, "API_KEY", "BASIC"):
        raise TaskError(_CONNECTION, f"The local cloud cannot authorize with {connection['AuthorizationType']}")
    parameters: Mapping[str, Json] = connection.get("AuthParameters", {})
    return parameters


def _added(parameters: Mapping[str, Json], name: str) -> web.Pairs:
    return [(pair["Key"], pair["Value"]) for pair in parameters.get(name, []) if "Value" in pair]


def _body(value: Any) -> bytes | None:
    if value is None:
        return None
    return (value if isinstance(value, str) else encode(value)).encode()


_DIALECT = dialects.OPTIMIZED["events"]
