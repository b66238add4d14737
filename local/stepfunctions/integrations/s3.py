"""S3 as Step Functions shows it: the content of objects, and what S3 says of every object."""

import base64
import zlib
from typing import Any
from urllib.parse import unquote

from local.documents import Json
from local.stepfunctions.asl import errors
from local.stepfunctions.asl.documents import MAX_BYTES
from local.stepfunctions.integrations import shapes
from local.stepfunctions.integrations.call import Action, Call
from local.stepfunctions.integrations.dialects import Dialect
from local.stepfunctions.integrations.task import TaskError, Unreachable

_CHECKSUM = "Checksum"
_ENCRYPTED = {"ServerSideEncryption": "AES256"}
"""Of every object since January 2023; the local endpoint does not say so."""


def content(call: Call, dialect: Dialect, stream: Any) -> bytes:
    """Reads an object, where a state may carry so much. Raises TaskError."""
    try:
        held = shapes.body(stream, MAX_BYTES)
    except Unreachable as error:
        raise Unreachable(f"{dialect.prefix}.SdkClientException", error.cause) from error
    if held is None:
        service = call.resource.service
        raise TaskError(
            errors.DATA_LIMIT_EXCEEDED,
            f"The state/task '{service}' returned a result with a size exceeding the maximum number of bytes "
            "service limit.",
        )
    return held


def as_botocore_sends(parameters: dict[str, Json]) -> dict[str, Json]:
    """Takes the percent-encoding off a CopySource, which goes into a header as it is, and which botocore encodes."""
    source = parameters.get("CopySource")
    if not isinstance(source, str):
        return parameters
    key, mark, version = source.partition("?versionId=")
    return {**parameters, "CopySource": unquote(key) + mark + version}


def as_aws_answers(action: Action, response: dict[str, Json]) -> dict[str, Json]:
    """GetObject tells checksums only when they are asked for, as botocore does of its own accord; PutObject always."""
    parameters = response.pop("_parameters")
    match action.operation.name:
        case "GetObject" | "HeadObject":
            asked = "ChecksumMode" in parameters
            kept = {name: value for name, value in response.items() if asked or not name.startswith(_CHECKSUM)}
            return {**_ENCRYPTED, **kept}
        case "PutObject":
            crc = zlib.crc32(parameters.get("Body", b""))
            told = {"ChecksumCRC32": base64.b64encode(crc.to_bytes(4, "big")).decode("ascii")}
            if any(name.startswith(_CHECKSUM) for name in {*response, *parameters}):
                told = {}
            return {**told, "ChecksumType": "FULL_OBJECT", **_ENCRYPTED, **response}
        case _:
            return response
