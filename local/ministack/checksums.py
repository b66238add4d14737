"""S3's checksums: every algorithm that S3 lists, told in answers as S3 tells them.

MiniStack knows five of ten, and works two of those out byte by byte in Python, which takes a second or two a MiB; all
that it asks for a checksum comes here instead. `digests.py` does the arithmetic; `parts.py` goes on with the checksums
of multipart uploads.
"""

import base64
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs, unquote

from local.ministack.digests import DEFAULT, DIGESTS, Headers, checksum, digest, type_of

Answer = tuple[int, Headers, bytes]


def told(checksums: dict[str, str]) -> Headers:
    """Returns the headers in which an answer tells an object's checksums."""
    headers = {f"x-amz-checksum-{algorithm.lower()}": value for algorithm, value in checksums.items()}
    if checksums:
        headers["x-amz-checksum-type"] = type_of(next(iter(checksums.values())))
    return headers


def install() -> None:
    """Take the place of MiniStack's arithmetic, and add to its answers what they leave out."""
    from ministack.services import s3

    s3._compute_s3_checksum = checksum
    s3.md5_hash = lambda body: digest("MD5", body).hex()
    s3._validate_content_md5 = _validate_content_md5
    s3._S3_CHECKSUM_HEADERS = tuple(name.lower() for name in DIGESTS)
    s3._PRESIGN_UNHOISTED_CHECKSUM_PARAMS = frozenset(f"x-amz-checksum-{name.lower()}" for name in DIGESTS)
    s3._resolve_object_checksums = _refusing(s3._resolve_object_checksums)
    s3._build_object_record = _with_default(s3._build_object_record)
    s3._record_object_version = _with_the_copys_only(s3._record_object_version)
    s3._put_object = _telling(s3._put_object)
    s3._copy_object = _telling_a_copy(s3._copy_object)
    s3._object_response_headers = _with_type(s3._object_response_headers)
    s3._get_object_attributes = _with_type_of_attributes(s3._get_object_attributes)


def _validate_content_md5(headers: Headers, body: bytes) -> Answer | None:
    from ministack.services import s3

    header = headers.get("content-md5", "")
    if not header:
        return None
    try:
        expected = base64.b64decode(header, validate=True)
    except ValueError:
        expected = b""
    if len(expected) != 16:
        return s3._error("InvalidDigest", "The Content-MD5 you specified is not valid.", 400)  # type: ignore[no-any-return]
    if expected != digest("MD5", body):
        text = "The Content-MD5 you specified did not match what we received."
        return s3._error("BadDigest", text, 400)  # type: ignore[no-any-return]
    return None


def _with_default(build: Callable[..., Any]) -> Callable[..., Any]:
    """Gives an object that comes without a checksum S3's default one.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """

    def build_record(body: bytes, headers: Headers, etag: str | None = None, checksums: Any = None) -> Any:
        return build(body, headers, etag=etag, checksums=checksums or {DEFAULT: checksum(DEFAULT, body)})

    return build_record


def _refusing(resolve: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse what S3 refuses about the headers before the body is looked at."""

    def resolve_or_refuse(body: bytes, headers: Headers) -> Any:
        from ministack.services import s3

        if text := _wrong(headers):
            return {}, s3._error("InvalidRequest", text, 400)
        return resolve(body, headers)

    return resolve_or_refuse


def _wrong(headers: Headers) -> str | None:
    named = {name.removeprefix("x-amz-checksum-") for name in headers if name.startswith("x-amz-checksum-")}
    if unknown := sorted(named - _WORDS):
        return f"The checksum algorithm is not supported: {unknown[0]}. Supported: {', '.join(DIGESTS)}."
    asked = headers.get("x-amz-sdk-checksum-algorithm")
    if asked and asked.upper() not in DIGESTS:
        return f"Value for x-amz-sdk-checksum-algorithm header is invalid: {asked}. Supported: {', '.join(DIGESTS)}."
    if len(supplied(headers)) > 1:
        return "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
    for algorithm, value in supplied(headers).items():
        if not _is_digest(algorithm, value):
            return f"Value for x-amz-checksum-{algorithm.lower()} header is invalid."
    return None


_WORDS = {"mode", "algorithm", "type", *(name.lower() for name in DIGESTS)}


def supplied(headers: Headers) -> dict[str, str]:
    """Returns the checksums that a request brings along, by algorithm."""
    values = {algorithm: headers.get(f"x-amz-checksum-{algorithm.lower()}") for algorithm in DIGESTS}
    return {algorithm: value for algorithm, value in values.items() if value}


def _is_digest(algorithm: str, value: str) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == len(_EMPTY[algorithm])
    except ValueError:
        return False


_EMPTY = {algorithm: work(b"") for algorithm, work in DIGESTS.items()}


def _telling(put: Callable[..., Answer]) -> Callable[..., Answer]:
    def put_and_tell(bucket: str, key: str, *args: Any) -> Answer:
        status, headers, body = put(bucket, key, *args)
        if status == 200:
            headers.update(told(_checksums_of(bucket, key)))
        return status, headers, body

    return put_and_tell


_copied_as: ContextVar[str | None] = ContextVar("copied_as", default=None)


def _telling_a_copy(copy: Callable[..., Answer]) -> Callable[..., Answer]:
    """Tells the checksum of a copy: of all its bytes, as one part, by the algorithm asked for or the source's.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """

    def copy_and_tell(bucket: str, key: str, headers: Headers) -> Answer:
        algorithm = headers.get("x-amz-checksum-algorithm") or _of_parts(headers)
        token = _copied_as.set(algorithm)
        try:
            asked = {**headers, "x-amz-sdk-checksum-algorithm": algorithm} if algorithm else headers
            status, answered, body = copy(bucket, key, asked)
        finally:
            _copied_as.reset(token)
        checksums = _checksums_of(bucket, key) if status == 200 else {}
        return status, answered, body.replace(b"</CopyObjectResult>", elements(checksums) + b"</CopyObjectResult>")

    return copy_and_tell


def _of_parts(headers: Headers) -> str | None:
    """Returns the algorithm of a copy's source whose checksum is one of its parts' checksums."""
    source = copied(headers)
    checksums = (source or {}).get("checksums") or {}
    return next((algorithm for algorithm, value in checksums.items() if type_of(value) == "COMPOSITE"), None)


def copied(headers: Headers) -> dict[str, Any] | None:
    """Returns the record of the object, or of its version, that a request copies."""
    from ministack.services import s3

    path, _, query = headers.get("x-amz-copy-source", "").lstrip("/").partition("?")
    bucket, _, key = unquote(path).partition("/")
    version = parse_qs(query).get("versionId", [""])[0]
    if version:
        versions = s3._object_versions.get((bucket, key)) or []
        return next((entry for entry in versions if entry["version_id"] == version), None)
    record: dict[str, Any] | None = s3._buckets.get(bucket, {}).get("objects", {}).get(key)
    return record


def _with_the_copys_only(record: Callable[..., Any]) -> Callable[..., Any]:
    """MiniStack leaves the source's checksum beside the one that was asked for."""

    def record_version(bucket: str, key: str, prior: Any, new: dict[str, Any], *args: Any) -> Any:
        algorithm = (_copied_as.get() or "").upper()
        if algorithm in (new.get("checksums") or {}):
            new["checksums"] = {algorithm: new["checksums"][algorithm]}
        return record(bucket, key, prior, new, *args)

    return record_version


def elements(checksums: dict[str, str]) -> bytes:
    """Returns the elements in which an XML answer tells checksums."""
    lines = [f"<Checksum{algorithm}>{value}</Checksum{algorithm}>" for algorithm, value in checksums.items()]
    if checksums:
        lines.append(f"<ChecksumType>{type_of(next(iter(checksums.values())))}</ChecksumType>")
    return "".join(lines).encode()


def _checksums_of(bucket: str, key: str) -> dict[str, str]:
    from ministack.services import s3

    return s3._buckets[bucket]["objects"][key].get("checksums") or {}


def _with_type(build: Callable[..., Headers]) -> Callable[..., Headers]:
    """Puts the type into the value; MiniStack keeps it beside, and forgets it with a restart."""

    def build_with_type(record: dict[str, Any], *args: Any, include_checksums: bool = False, **options: Any) -> Headers:
        headers = build(record, *args, include_checksums=include_checksums, **options)
        return {**headers, **told(record.get("checksums") or {})} if include_checksums else headers

    return build_with_type


def _with_type_of_attributes(describe: Callable[..., Answer]) -> Callable[..., Answer]:
    """MiniStack takes every object of several parts for one with a checksum of checksums."""

    def describe_with_type(*args: Any) -> Answer:
        status, headers, body = describe(*args)
        _, opening, rest = body.partition(b"<Checksum>")
        inside, closing, _ = rest.partition(b"</Checksum>")
        if opening and closing and b"-" not in inside:
            body = body.replace(b"<ChecksumType>COMPOSITE<", b"<ChecksumType>FULL_OBJECT<")
        return status, headers, body

    return describe_with_type
