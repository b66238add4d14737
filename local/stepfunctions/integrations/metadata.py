"""The HTTP answer that optimized integrations put into their result.

What stands there is AWS's: the local endpoint's own headers are of no use to a state machine that will run on AWS.
Source: AWS's recorded histories.
"""

import zlib
from collections.abc import Mapping
from email.utils import formatdate
from uuid import uuid4

from local.documents import Json

_JSON = "application/x-amz-json-1.1"
_CONTENT_TYPES: Mapping[str, str] = {
    "dynamodb": "application/x-amz-json-1.0",
    "lambda": "application/json",
    "sns": "text/xml",
    "sqs": "application/x-amz-json-1.0",
    "states": "application/x-amz-json-1.0",
}


def of(service: str, response: Mapping[str, Json], content: bytes) -> dict[str, Json]:
    """SdkHttpMetadata and SdkResponseMetadata; `answer` is botocore's, `content` the body as AWS sends it."""
    told: Mapping[str, Json] = response.get("ResponseMetadata", {})
    request = str(told.get("RequestId") or uuid4())
    headers = {
        "Content-Length": str(len(content)),
        "Content-Type": _CONTENT_TYPES.get(service, _JSON),
        "Date": formatdate(usegmt=True),
        "x-amzn-RequestId": request,
    }
    if service == "lambda":
        headers |= {"Connection": "keep-alive", **_of_lambda(response)}
    elif service == "dynamodb":
        headers |= {"Connection": "keep-alive", "Server": "Server", "x-amz-crc32": str(zlib.crc32(content))}
    else:
        headers["connection"] = "keep-alive"
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": headers,
            "HttpStatusCode": told.get("HTTPStatusCode", 200),
        },
        "SdkResponseMetadata": {"RequestId": request},
    }


def _of_lambda(response: Mapping[str, Json]) -> dict[str, str]:
    trace = uuid4().hex
    headers = {
        "x-amzn-Remapped-Content-Length": "0",
        "X-Amzn-Trace-Id": f"Root=1-{trace[:8]}-{trace[8:]};Sampled=0",
    }
    if "ExecutedVersion" in response:
        headers["X-Amz-Executed-Version"] = response["ExecutedVersion"]
    return headers
