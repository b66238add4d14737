"""S3 requests that MiniStack would take for others: refused before it sees them.

MiniStack tells operations apart by the sub-resources that it knows (`?tagging`), and answers what it does not know by
the plain operation: `DELETE /bucket?metrics` deletes the bucket. Which operation a request means stands in botocore's
model; which of them MiniStack has, here.
"""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from local import wire
from local.ministack.checksums import Answer

Query = Mapping[str, list[str]]

NOT_SERVED = frozenset(
    {
        "CreateBucketMetadataConfiguration",
        "CreateBucketMetadataTableConfiguration",
        "CreateSession",
        "DeleteBucketAnalyticsConfiguration",
        "DeleteBucketIntelligentTieringConfiguration",
        "DeleteBucketInventoryConfiguration",
        "DeleteBucketMetadataConfiguration",
        "DeleteBucketMetadataTableConfiguration",
        "DeleteBucketMetricsConfiguration",
        "GetBucketAbac",
        "GetBucketAnalyticsConfiguration",
        "GetBucketIntelligentTieringConfiguration",
        "GetBucketInventoryConfiguration",
        "GetBucketMetadataConfiguration",
        "GetBucketMetadataTableConfiguration",
        "GetBucketMetricsConfiguration",
        "GetBucketPolicyStatus",
        "GetObjectTorrent",
        "ListBucketAnalyticsConfigurations",
        "ListBucketIntelligentTieringConfigurations",
        "ListBucketInventoryConfigurations",
        "ListBucketMetricsConfigurations",
        "PutBucketAbac",
        "PutBucketAnalyticsConfiguration",
        "PutBucketIntelligentTieringConfiguration",
        "PutBucketInventoryConfiguration",
        "PutBucketMetricsConfiguration",
        "RenameObject",
        "SelectObjectContent",
        "UpdateBucketMetadataAnnotationTableConfiguration",
        "UpdateBucketMetadataInventoryTableConfiguration",
        "UpdateBucketMetadataJournalTableConfiguration",
        "UpdateObjectEncryption",
    }
)
"""The operations with a sub-resource of which MiniStack's dispatcher has nothing; a contract test compares the two."""

LONGEST_KEY = 1024
"""Bytes of UTF-8: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

_ITSELF = (
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
    "metadata, storage class, website redirect location or encryption attributes."
)
_CHANGES = ("x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption")
_SIGNATURE = re.compile(r"x-amz-.*|x-id|awsaccesskeyid|signature|expires", re.IGNORECASE)


def install() -> None:
    """Look at each request before MiniStack's dispatcher does."""
    from ministack.services import s3

    dispatch = s3._dispatch

    def dispatch_what_is_known(
        method: str, bucket: str, key: str, headers: dict[str, str], body: bytes, query: Query
    ) -> Any:
        if "requestPayment" in query and method == "GET":
            # MiniStack looks for this one by another name.
            query = {**query, "request-payment": query["requestPayment"]}
        error = refused(method, bucket, key, headers, query) if bucket else None
        return error or dispatch(method, bucket, key, headers, body, query)

    s3._dispatch = dispatch_what_is_known
    s3._post_object = _with_short_key(s3._post_object)


def refused(method: str, bucket: str, key: str, headers: Mapping[str, str], query: Query) -> Answer | None:
    """Returns S3's error for a request that MiniStack must not see."""
    from ministack.services import s3

    resource = f"/{bucket}/{key}" if key else f"/{bucket}"
    if len(key.encode()) > LONGEST_KEY:
        return _too_long(key)
    if query and (name := not_served(method, bool(key), query)):
        return s3._error("NotImplemented", f"{name} is not implemented by this cloud", 501, resource)  # type: ignore[no-any-return]
    if query and not served(method, bool(key), query):
        text = "The specified method is not allowed against this resource."
        return s3._error("MethodNotAllowed", text, 405, resource)  # type: ignore[no-any-return]
    if query and (name := unknown(method, query)):
        text = f"The query parameter {name} implies functionality that is not implemented by this cloud"
        return s3._error("NotImplemented", text, 501, resource)  # type: ignore[no-any-return]
    if method == "PUT" and "uploadId" not in query and _copies_itself(bucket, key, headers):
        return s3._error("InvalidRequest", _ITSELF, 400, resource)  # type: ignore[no-any-return]
    return None


@functools.cache
def _operations() -> dict[tuple[str, bool], dict[str, frozenset[str]]]:
    """Returns, by method and by whether a key is named, the operations, and the sub-resources that tell them apart."""
    operations: dict[tuple[str, bool], dict[str, frozenset[str]]] = {}
    model = wire.model("s3")
    for name in model.operation_names:
        http = model.operation_model(name).http
        path, _, query = http["requestUri"].partition("?")
        literals = frozenset(literal.partition("=")[0] for literal in query.split("&") if literal)
        operations.setdefault((http["method"], "{Key+}" in path), {})[name] = literals
    return operations


@functools.cache
def _known() -> tuple[frozenset[str], frozenset[str]]:
    """Returns every sub-resource, and every other query parameter, of S3's model."""
    model = wire.model("s3")
    subresources = {literal for of in _operations().values() for literals in of.values() for literal in literals}
    parameters: set[str] = set()
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        places = [member.serialization for member in shape.members.values()] if shape is not None else []
        parameters |= {str(place["name"]) for place in places if place.get("location") == "querystring"}
    return frozenset(subresources), frozenset(parameters)


def not_served(method: str, with_key: bool, query: Query) -> str | None:
    """Returns the operation that a request means, where MiniStack does not have it."""
    for name, literals in sorted(_operations().get((method, with_key), {}).items()):
        # An id tells one of several (GetBucketMetricsConfiguration) from all of them.
        if literals and literals <= query.keys() and name in NOT_SERVED and _lists(name) != ("id" in query):
            return name
    return None


def _lists(name: str) -> bool | None:
    """Tells whether an operation lists what another of its address names by an id; None without such a pair."""
    configuration = re.search(r"(Analytics|IntelligentTiering|Inventory|Metrics)Configurations?$", name)
    return name.startswith("List") if configuration and name.startswith(("List", "Get")) else None


def served(method: str, with_key: bool, query: Query) -> bool:
    """Tells whether S3 has an operation for each sub-resource that a request names."""
    if method not in ("GET", "PUT", "POST", "DELETE"):
        return True
    subresources, _ = _known()
    here = {literal for literals in _operations().get((method, with_key), {}).values() for literal in literals}
    return all(name in here for name in query if name in subresources)


def unknown(method: str, query: Query) -> str | None:
    """Returns a name without a value that S3's model does not have, in a request that would change something."""
    if method not in ("PUT", "POST", "DELETE"):
        return None
    known = frozenset().union(*_known())
    bare = [name for name, values in query.items() if not any(values) and name not in known]
    return next((name for name in bare if not _SIGNATURE.fullmatch(name)), None)


def _copies_itself(bucket: str, key: str, headers: Mapping[str, str]) -> bool:
    """Tells whether a copy leaves all as it is; a bucket with an encryption of its own lets any pass, as S3's does.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """
    from ministack.services import s3

    path, _, version = headers.get("x-amz-copy-source", "").lstrip("/").partition("?")
    if unquote(path) != f"{bucket}/{key}" or version:
        return False
    if headers.get("x-amz-metadata-directive", "").upper() == "REPLACE":
        return False
    return not any(name.startswith(_CHANGES) for name in headers) and bucket not in s3._bucket_encryption


def _with_short_key(post: Callable[..., Answer]) -> Callable[..., Answer]:
    """Checks the key of a form, which names it in its body."""

    def post_object(bucket: str, body: bytes, headers: dict[str, str]) -> Answer:
        from ministack.services import s3

        fields = s3._parse_multipart_form(headers.get("content-type", ""), body)
        names = [filename or "" for name, filename, _, _ in fields if name == "file"]
        for name, _, _, value in fields:
            key = value.decode("utf-8", "replace").replace("${filename}", (names or [""])[0]) if name == "key" else ""
            if len(key.encode()) > LONGEST_KEY:
                return _too_long(key)
        return post(bucket, body, headers)

    return post_object


def _too_long(key: str) -> Answer:
    from ministack.services import s3

    sizes = {"Size": str(len(key.encode())), "MaxSizeAllowed": str(LONGEST_KEY)}
    return s3._error("KeyTooLongError", "Your key is too long", 400, extra=sizes)  # type: ignore[no-any-return]
