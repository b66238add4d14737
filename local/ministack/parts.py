"""The checksums of multipart uploads: of the object's bytes (FULL_OBJECT), or of its parts' checksums (COMPOSITE).

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html: only the CRCs of the parts
add up to that of the whole, and CRC64NVME is always of the whole.
"""

import base64
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from xml.etree.ElementTree import ParseError, fromstring

from local.ministack import checksums
from local.ministack.checksums import Answer
from local.ministack.digests import COMBINE, DEFAULT, DIGESTS, Headers, checksum

Upload = dict[str, Any]
Query = dict[str, list[str]]

_TYPES = {"CRC64NVME": ("FULL_OBJECT",), "CRC32": ("COMPOSITE", "FULL_OBJECT"), "CRC32C": ("COMPOSITE", "FULL_OBJECT")}
_completing: ContextVar[tuple[Upload, list[int]] | None] = ContextVar("completing", default=None)


def types(algorithm: str) -> tuple[str, ...]:
    """Returns the types that an upload's checksum may have; the first is the one it has unless another is named."""
    return _TYPES.get(algorithm, ("COMPOSITE",))


def install() -> None:
    """Give uploads a type, parts a checksum, and completed objects the one that they were begun with."""
    from ministack.services import s3

    s3._create_multipart_upload = _with_type(s3._create_multipart_upload)
    s3._upload_part = _checked(s3._upload_part)
    s3._upload_part_copy = _with_checksum(s3._upload_part_copy)
    s3._composite_checksum = _of_all_parts(s3._composite_checksum)
    s3._complete_multipart_upload = _of_the_type(s3._complete_multipart_upload)


def _with_type(begin: Callable[..., Answer]) -> Callable[..., Answer]:
    def begin_with_type(bucket: str, key: str, headers: Headers) -> Answer:
        from ministack.services import s3

        algorithm = headers.get("x-amz-checksum-algorithm", "").upper()
        asked = headers.get("x-amz-checksum-type", "").upper()
        if text := _wrong_type(algorithm, asked):
            return s3._error("InvalidRequest", text, 400)  # type: ignore[no-any-return]
        status, answered, body = begin(bucket, key, headers)
        if status == 200:
            upload = s3._multipart_uploads[fromstring(body).findtext("{*}UploadId")]
            upload["named_algorithm"] = bool(upload["checksum_algorithm"])
            upload["checksum_algorithm"] = upload["checksum_algorithm"] or DEFAULT
            upload["checksum_type"] = asked or types(upload["checksum_algorithm"])[0]
            if upload["named_algorithm"]:
                answered["x-amz-checksum-type"] = upload["checksum_type"]
        return status, answered, body

    return begin_with_type


def _wrong_type(algorithm: str, asked: str) -> str | None:
    if not asked:
        return None
    if asked not in ("COMPOSITE", "FULL_OBJECT"):
        return "Value for x-amz-checksum-type header is invalid."
    if not algorithm:
        return "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
    if algorithm in DIGESTS and asked not in types(algorithm):
        return f"The {asked} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
    return None


def _checked(put: Callable[..., Answer]) -> Callable[..., Answer]:
    def put_checked(bucket: str, key: str, body: bytes, query: Query, headers: Headers) -> Answer:
        from ministack.services import s3

        upload = s3._multipart_uploads.get(query["uploadId"][0]) or {}
        sent = next(iter(checksums.supplied(headers)), None)
        expected = upload.get("checksum_algorithm") or DEFAULT
        if upload.get("named_algorithm") and sent and sent != expected:
            text = f"Checksum Type mismatch occurred, expected checksum Type: {expected.lower()}"
            return s3._error("InvalidRequest", f"{text}, actual checksum Type: {sent.lower()}", 400)  # type: ignore[no-any-return]
        return put(bucket, key, body, query, headers)

    return put_checked


def _with_checksum(copy: Callable[..., Answer]) -> Callable[..., Answer]:
    """Gives a part that is copied a checksum like any other, which CopyPartResult tells."""

    def copy_with_checksum(bucket: str, key: str, query: Query, headers: Headers) -> Answer:
        from ministack.services import s3

        status, answered, body = copy(bucket, key, query, headers)
        if status == 200:
            upload = s3._multipart_uploads[query["uploadId"][0]]
            part, algorithm = upload["parts"][int(query["partNumber"][0])], upload["checksum_algorithm"] or DEFAULT
            value = checksum(algorithm, part["body"])
            part["checksums"] = {algorithm: value}
            line = f"<Checksum{algorithm}>{value}</Checksum{algorithm}></CopyPartResult>"
            body = body.replace(b"</CopyPartResult>", line.encode())
        return status, answered, body

    return copy_with_checksum


def _of_the_type(complete: Callable[..., Answer]) -> Callable[..., Answer]:
    def complete_as_begun(bucket: str, key: str, body: bytes, query: Query, headers: Headers | None = None) -> Answer:
        from ministack.services import s3

        upload = s3._multipart_uploads.get(query["uploadId"][0])
        if upload is None:
            return complete(bucket, key, body, query, headers)
        parts, begun = _parts(body), upload.get("checksum_type")
        if error := _not_as_begun(upload, parts, headers or {}):
            return error
        token = _completing.set((upload, sorted(parts)))
        try:
            status, answered, document = complete(bucket, key, body, query, headers)
        finally:
            _completing.reset(token)
        if status == 200 and begun == "FULL_OBJECT":
            document = document.replace(b"<ChecksumType>COMPOSITE<", b"<ChecksumType>FULL_OBJECT<")
            s3._completed_multipart_uploads[query["uploadId"][0]]["response"] = status, answered, document
        return status, answered, document

    return complete_as_begun


def _parts(body: bytes) -> dict[int, set[str]]:
    """Returns the parts that a completion names, and what it says of each."""
    try:
        parts = list(fromstring(body).iterfind("{*}Part"))
        return {
            int(part.findtext("{*}PartNumber") or 0): {child.tag.rpartition("}")[2] for child in part} for part in parts
        }
    except (ParseError, ValueError):
        return {}


def _not_as_begun(upload: Upload, parts: dict[int, set[str]], headers: Headers) -> Answer | None:
    from ministack.services import s3

    algorithm, begun = upload.get("checksum_algorithm") or "", upload.get("checksum_type")
    asked = headers.get("x-amz-checksum-type")
    if asked and begun and asked != begun:
        text = f"The upload was created using the {begun} checksum type, and the complete request names {asked}."
        return s3._error("BadDigest", text, 400)  # type: ignore[no-any-return]
    if begun != "COMPOSITE" or not upload.get("named_algorithm"):
        return None
    for number, told in sorted(parts.items()):
        if f"Checksum{algorithm}" not in told:
            text = f"The upload was created using a {algorithm.lower()} checksum. The complete request must include "
            text += f"the checksum for each part. It was missing for part {number} in the request."
            return s3._error("InvalidRequest", text, 400)  # type: ignore[no-any-return]
    return None


def _of_all_parts(compose: Callable[..., str | None]) -> Callable[..., str | None]:
    def compose_or_combine(algorithm: str, values: list[str | None]) -> str | None:
        upload, numbers = _completing.get() or ({}, [])
        if upload.get("checksum_type") != "FULL_OBJECT" or algorithm not in COMBINE:
            return compose(algorithm, values)
        if not values or len(numbers) != len(values):
            return None
        combine, whole = COMBINE[algorithm], b""
        for number, value in zip(numbers, values, strict=True):
            part = base64.b64decode(value or "")
            whole = combine(whole, part, upload["parts"][number]["size"]) if whole else part
        return base64.b64encode(whole).decode()

    return compose_or_combine
