"""S3 requests that MiniStack would take for others; and the private names the refusals lean on."""

from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from ministack.services import s3

from local.ministack import subresources
from tests.unit.local.ministack_contracts.conftest import Served

BUCKET, KEY = "subresources", "kept"
MODEL = botocore.session.get_session().get_service_model("s3")


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    client = served.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def kept(client: Any) -> Any:
    """An object that must be as it was when the test is over."""
    client.put_object(Bucket=BUCKET, Key=KEY, Body=b"kept")
    yield client
    assert client.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"kept"


def code(call: Any, *args: Any, **request: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as refusal:
        call(*args, **request)
    response = refusal.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def request_of(operation: str) -> tuple[str, bool, dict[str, list[str]]]:
    http = MODEL.operation_model(operation).http
    path, _, query = http["requestUri"].partition("?")
    literals = {part.partition("=")[0]: [part.partition("=")[2]] for part in query.split("&") if part}
    shape = MODEL.operation_model(operation).input_shape
    needed = shape.required_members if shape is not None else []
    ids = {"id": ["x"]} if "Id" in needed else {}
    return http["method"], "{Key+}" in path, {**literals, **ids}


@pytest.mark.parametrize("operation", sorted(subresources.NOT_SERVED))
@pytest.mark.usefixtures("kept")
def test_what_is_not_served_is_refused_by_its_name(operation: str) -> None:
    method, with_key, query = request_of(operation)
    status, _, body = s3._dispatch(method, BUCKET, KEY if with_key else "", {}, b"", query)
    assert status == 501
    assert b"<Code>NotImplemented</Code>" in body
    assert operation.encode() in body


def test_a_bucket_outlives_the_deletion_of_its_metrics(kept: Any) -> None:
    status, name, message = code(kept.delete_bucket_metrics_configuration, Bucket=BUCKET, Id="m")
    assert (status, name) == (501, "NotImplemented")
    assert message.startswith("DeleteBucketMetricsConfiguration ")
    kept.head_bucket(Bucket=BUCKET)


@pytest.mark.parametrize(
    ("method", "key", "query"), [("DELETE", KEY, "acl"), ("PUT", "", "versions"), ("GET", KEY, "lifecycle")]
)
@pytest.mark.usefixtures("kept")
def test_what_s3_itself_does_not_have_is_not_allowed(method: str, key: str, query: str) -> None:
    status, _, body = s3._dispatch(method, BUCKET, key, {}, b"", {query: [""]})
    assert (status, b"MethodNotAllowed" in body) == (405, True)


@pytest.mark.usefixtures("kept")
def test_a_name_that_nobody_knows_changes_nothing() -> None:
    status, _, body = s3._dispatch("DELETE", BUCKET, KEY, {}, b"", {"shred": [""]})
    assert (status, b"shred" in body) == (501, True)
    # With a value it is somebody's own note, which S3 ignores.
    status, _, _ = s3._dispatch("GET", BUCKET, KEY, {}, b"", {"note": ["mine"]})
    assert status == 200


def test_what_is_served_is_served_as_before(kept: Any) -> None:
    kept.put_object_tagging(Bucket=BUCKET, Key=KEY, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert kept.get_object_tagging(Bucket=BUCKET, Key=KEY)["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert kept.list_objects_v2(Bucket=BUCKET, Prefix=KEY)["KeyCount"] == 1
    assert kept.get_bucket_request_payment(Bucket=BUCKET)["Payer"] == "BucketOwner"
    assert kept.list_object_versions(Bucket=BUCKET)["Name"] == BUCKET


@pytest.mark.parametrize("key", ["k" * 1025, "é" * 513])
def test_a_key_may_have_1024_bytes(client: Any, key: str) -> None:
    assert code(client.put_object, Bucket=BUCKET, Key=key, Body=b"")[:2] == (400, "KeyTooLongError")
    client.put_object(Bucket=BUCKET, Key=key.encode()[:1024].decode(), Body=b"")


@pytest.mark.usefixtures("client")
def test_a_form_may_not_name_a_longer_key_either() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nf/${filename}\r\n--b\r\n'
    body += b'Content-Disposition: form-data; name="file"; filename="%b"\r\n\r\nx\r\n--b--\r\n' % (b"n" * 1023)
    status, _, answer = s3._post_object(BUCKET, body, {"content-type": "multipart/form-data; boundary=b"})
    assert (status, b"KeyTooLongError" in answer) == (400, True)


def test_a_copy_onto_itself_needs_a_change(kept: Any) -> None:
    itself = {"Bucket": BUCKET, "Key": KEY, "CopySource": {"Bucket": BUCKET, "Key": KEY}}
    status, name, message = code(kept.copy_object, **itself)
    assert (status, name) == (400, "InvalidRequest")
    assert message.startswith("This copy request is illegal because it is trying to copy an object to itself without")
    kept.copy_object(**itself, MetadataDirective="REPLACE", Metadata={"a": "b"})
    kept.copy_object(**itself, StorageClass="STANDARD_IA")
    kept.copy_object(**itself, ServerSideEncryption="AES256")
