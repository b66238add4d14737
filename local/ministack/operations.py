"""Which requests change something, and in which service; and how a service says that it could not be written down."""

import json
import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

from local.surroundings import Request, Response

EVERYTHING: frozenset[str] = frozenset({"*"})
NOTHING: frozenset[str] = frozenset()

_READ = re.compile(
    r"(Get|BatchGet|List|Describe|Query|Scan|Search|Select|Head|Lookup|Filter|Test|Validate|Simulate|Estimate|Encrypt"
    r"|Decrypt|ReEncrypt|GenerateData|GenerateMac|GenerateRandom|Verify|TransactGet|StartQuery|StartLiveTail)(?=[A-Z]|$)"
)

# Their changes are told one by one (items, messages, deliveries): nothing of the rest has to be looked through.
_TOLD = {
    "dynamodb": frozenset(
        {
            "PutItem",
            "UpdateItem",
            "DeleteItem",
            "BatchWriteItem",
            "TransactWriteItems",
            "ExecuteStatement",
            "BatchExecuteStatement",
            "ExecuteTransaction",
        }
    ),
    "sqs": frozenset(
        {
            "SendMessage",
            "SendMessageBatch",
            "ReceiveMessage",
            "DeleteMessage",
            "DeleteMessageBatch",
            "ChangeMessageVisibility",
            "ChangeMessageVisibilityBatch",
            "PurgeQueue",
        }
    ),
    "sns": frozenset({"Publish", "PublishBatch"}),
    "eventbridge": frozenset({"PutEvents", "PutPartnerEvents"}),
}

# Written with the next sweep: they grow with use, and writing all they hold for every line would not.
_LATER = {
    "cloudwatch": frozenset({"PutMetricData"}),
    "cloudwatch_logs": frozenset({"PutLogEvents", "CreateLogStream"}),
    "firehose": frozenset({"PutRecord", "PutRecordBatch"}),
    "kinesis": frozenset({"PutRecord", "PutRecords"}),
    "sts": frozenset({"AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"}),
}

_MODULE_STATES = {
    "apigateway": frozenset({"apigateway", "apigateway_v1"}),
    "cloudcontrol": EVERYTHING,
    "lambda_svc": frozenset({"lambda", "lambda_durable"}),
    "ses": frozenset({"ses", "ses_v2"}),
    "tagging": EVERYTHING,
}

_OBJECT_LOCKS = frozenset({"retention", "legal-hold", "object-lock"})
_ACTION = re.compile(rb"(?:^|&)Action=([A-Za-z0-9]+)")
_RPC = re.compile(r"/service/[^/]+/operation/([A-Za-z0-9]+)")


def action(method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, list[str]]) -> str:
    """Returns the operation's name, or nothing for an API whose requests are told apart by method and path."""
    if target := headers.get("x-amz-target"):
        return target.rsplit(".", 1)[-1]
    if "Action" in query:
        return query["Action"][0]
    if rpc := _RPC.match(path):
        return rpc[1]
    # A form; a document (JSON, XML) may hold anything.
    form = _ACTION.search(body[:2000]) if method == "POST" and body[:1] not in (b"{", b"[", b"<") else None
    return form[1].decode() if form else ""


def changes(
    module: str, method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, list[str]]
) -> frozenset[str] | None:
    """Returns the services whose records a request may change (none: only what is told one by one); None: it reads."""
    if module == "s3":
        return _object_changes(method, path, headers, query)
    if module == "lambda_svc" and path.endswith(("/invocations", "/response-streaming-invocations")):
        return NOTHING
    name = action(method, path, headers, body, query)
    if name:
        if _READ.match(name) or name in _LATER.get(module, NOTHING):
            return None
        if name in _TOLD.get(module, NOTHING):
            return NOTHING
    elif method in ("GET", "HEAD", "OPTIONS"):
        return None
    if module == "cloudformation":
        return EVERYTHING
    return _MODULE_STATES.get(module, frozenset({module}))


def _object_changes(
    method: str, path: str, headers: Mapping[str, str], query: Mapping[str, list[str]]
) -> frozenset[str] | None:
    """Objects are files of their own; only buckets, their configuration and locks on objects are records."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return None
    key = path.lstrip("/").partition("/")[2]
    if key and not _OBJECT_LOCKS & query.keys() and not any(name.startswith("x-amz-object-lock") for name in headers):
        return NOTHING
    return NOTHING if not key and "delete" in query else frozenset({"s3"})


def refusal(module: str, request: Request, why: str) -> Response:
    """Returns the service's own server error, which every SDK takes for one that may be tried again."""
    if request.headers.get("x-amz-target") or _RPC.match(request.path):
        payload = json.dumps({"__type": "InternalServerError", "message": why}).encode()
        return 500, {"Content-Type": "application/x-amz-json-1.0", "x-amzn-errortype": "InternalServerError"}, payload
    if module == "s3":
        text = f"<Error><Code>InternalError</Code><Message>{escape(why)}</Message></Error>"
        return 500, {"Content-Type": "application/xml"}, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()
    if action(*request):
        error = f"<Error><Type>Receiver</Type><Code>InternalFailure</Code><Message>{escape(why)}</Message></Error>"
        return 500, {"Content-Type": "text/xml"}, f"<ErrorResponse>{error}</ErrorResponse>".encode()
    payload = json.dumps({"Type": "Service", "message": why, "Message": why}).encode()
    return 500, {"Content-Type": "application/json", "x-amzn-errortype": "ServiceException"}, payload


def removes_objects(module: str, method: str, query: Mapping[str, list[str]]) -> bool:
    """Tells whether a request may make room on a full disk."""
    return module == "s3" and (method == "DELETE" or "delete" in query)
