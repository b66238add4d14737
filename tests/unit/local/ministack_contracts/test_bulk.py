"""Requests of many bytes: off the event loop, one at a time within S3, and whole."""

import http.client
import os
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from ministack.services import s3

from local.ministack import bulk, digests, forms, reading
from tests.unit.local.ministack_contracts.conftest import Served

BUCKET = "bulk"
LARGE = os.urandom(bulk.LARGE + 12345)


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    client = served.client("s3")
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key="large", Body=LARGE)
    return client


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The thread of each digest, of each reading and of each writing."""
    names: list[str] = []

    def noting(function: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            names.append(threading.current_thread().name)
            return function(*args, **options)

        return call

    monkeypatch.setitem(digests.DIGESTS, "MD5", noting(digests.DIGESTS["MD5"]))
    for name in ("_persist_object", "_read_body", "_dispatch"):
        monkeypatch.setattr(s3, name, noting(getattr(s3, name)))
    return names


def get(client: Any, key: str, **options: Any) -> bytes:
    body: bytes = client.get_object(Bucket=BUCKET, Key=key, **options)["Body"].read()
    return body


SOURCE = {"Bucket": BUCKET, "Key": "large"}


def in_parts(client: Any) -> None:
    target = {"Bucket": BUCKET, "Key": "parts"}
    ticket = {**target, "UploadId": client.create_multipart_upload(**target, ChecksumAlgorithm="CRC32")["UploadId"]}
    first = client.upload_part(**ticket, PartNumber=1, Body=LARGE)
    second = client.upload_part_copy(**ticket, PartNumber=2, CopySource=SOURCE, CopySourceRange="bytes=0-269999")
    parts = [
        {"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}
        for number, part in ((1, first), (2, second["CopyPartResult"]))
    ]
    client.complete_multipart_upload(**ticket, MultipartUpload={"Parts": parts})


def form(client: Any) -> None:
    post = client.generate_presigned_post(BUCKET, "form")
    fields = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in post["fields"].items()
    )
    body = fields.encode() + b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + LARGE + b"\r\n--b--\r\n"
    place = urlsplit(post["url"])
    connection = http.client.HTTPConnection(str(place.hostname), place.port)
    connection.request("POST", place.path, body, {"Content-Type": "multipart/form-data; boundary=b"})
    assert connection.getresponse().status == 204
    connection.close()


@pytest.mark.parametrize(
    "work",
    [
        lambda client: client.put_object(Bucket=BUCKET, Key="put", Body=LARGE),
        lambda client: get(client, "large"),
        lambda client: client.copy_object(Bucket=BUCKET, Key="copy", CopySource=SOURCE),
        lambda client: client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "gone"}]}),
        form,
    ],
    ids=["PutObject", "GetObject", "CopyObject", "DeleteObjects", "PostObject"],
)
def test_many_bytes_are_no_work_of_the_event_loop(client: Any, threads: list[str], work: Any) -> None:
    work(client)
    assert threads
    assert "served" not in threads


def test_the_parts_of_an_upload_are_no_work_of_the_event_loop(client: Any, threads: list[str]) -> None:
    in_parts(client)
    # CreateMultipartUpload alone has no bytes.
    assert threads.count("served") == 1
    assert get(client, "parts") == LARGE + LARGE[:270000]


def test_few_bytes_need_no_other_thread(client: Any, threads: list[str]) -> None:
    client.put_object(Bucket=BUCKET, Key="small", Body=b"x")
    assert set(threads) == {"served"}


def test_every_byte_arrives_as_it_was_sent(client: Any) -> None:
    for key, work in (("form", form), ("parts", in_parts)):
        work(client)
        assert get(client, key).startswith(LARGE)


@pytest.mark.parametrize(("sent", "status"), [(LARGE, 200), (b"another", 400)], ids=["fits", "does not fit"])
def test_a_checksum_may_come_last(served: Served, client: Any, sent: bytes, status: int) -> None:
    """As AWS CLI v2 and pyarrow send it: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html"""
    frames = [LARGE[:65536], LARGE[65536:], b""]
    body = b"\r\n".join(b"%x\r\n%b" % (len(frame), frame) for frame in frames)
    checksum = str(digests.checksum("CRC64NVME", sent))
    body += f"x-amz-checksum-crc64nvme:{checksum}\r\n\r\n".encode()
    headers = {
        "Content-Encoding": "aws-chunked",
        "X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "X-Amz-Decoded-Content-Length": str(len(LARGE)),
        "X-Amz-Trailer": "x-amz-checksum-crc64nvme",
    }
    place = urlsplit(served.endpoint)
    connection = http.client.HTTPConnection(str(place.hostname), place.port)
    connection.request("PUT", f"/{BUCKET}/last-{status}", body, headers)
    answer = connection.getresponse()
    assert answer.status == status
    if status == 200:
        assert answer.headers["x-amz-checksum-crc64nvme"] == checksum
        assert get(client, "last-200") == LARGE
    else:
        assert b"<Code>BadDigest</Code>" in answer.read()
    connection.close()


@pytest.mark.parametrize("span", [(0, 9), (bulk.LARGE, bulk.LARGE + 4999), (1000, len(LARGE) - 1)])
def test_a_range_is_read_and_no_more(client: Any, span: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    cut = reading.Stored.__getitem__

    def counting(stored: reading.Stored, part: slice) -> bytes:
        piece = cut(stored, part)
        read.append(len(piece))
        return piece

    monkeypatch.setattr(reading.Stored, "__getitem__", counting)
    start, stop = span
    assert get(client, "large", Range=f"bytes={start}-{stop}") == LARGE[start : stop + 1]
    assert read == [stop + 1 - start]


def test_a_range_of_a_version_is_read_and_no_more(client: Any) -> None:
    client.create_bucket(Bucket="versions")
    client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    versions = [client.put_object(Bucket="versions", Key="k", Body=body)["VersionId"] for body in (LARGE, b"newer")]
    for version, span, expected in ((versions[0], "10-19", LARGE[10:20]), (versions[1], "1-", b"ewer")):
        options = {"Bucket": "versions", "Key": "k", "VersionId": version}
        answer = client.get_object(**options, Range=f"bytes={span}")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert answer["Body"].read() == expected
    assert client.get_object(**options)["Body"].read() == b"newer"
    with pytest.raises(ClientError, match="InvalidRange"):
        client.get_object(**options, Range="bytes=99-")


def test_requests_queue_behind_one_of_many_bytes(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No two change S3 at a time."""
    inside, most, dispatch = [0], [0], s3._dispatch

    def slowly(*args: Any) -> Any:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        try:
            return dispatch(*args)
        finally:
            inside[0] -= 1

    monkeypatch.setattr(s3, "_dispatch", slowly)
    bodies = [LARGE, b"small", LARGE, b"small"]
    writers = [
        threading.Thread(target=client.put_object, kwargs={"Bucket": BUCKET, "Key": f"q{number}", "Body": body})
        for number, body in enumerate(bodies)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert most == [1]
    assert [get(client, f"q{number}") for number in range(4)] == bodies


def test_what_reads_another_object_does_not_queue(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client.put_object(Bucket=BUCKET, Key="other", Body=b"other")
    entered, may_go, dispatch = threading.Event(), threading.Event(), s3._dispatch

    def held(method: str, bucket: str, key: str, *rest: Any) -> Any:
        if (method, key) == ("PUT", "held"):
            entered.set()
            assert may_go.wait(10)
        return dispatch(method, bucket, key, *rest)

    monkeypatch.setattr(s3, "_dispatch", held)
    writer = threading.Thread(target=client.put_object, kwargs={"Bucket": BUCKET, "Key": "held", "Body": LARGE})
    reader = threading.Thread(target=get, args=(client, "held"))
    writer.start()
    assert entered.wait(10)
    reader.start()
    assert get(client, "other") == b"other"
    assert "held" not in [entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert reader.is_alive()
    may_go.set()
    writer.join()
    reader.join()
    assert get(client, "held") == LARGE


def test_a_listing_that_meets_a_new_key_is_made_again(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts, dispatch = [0], s3._dispatch
    entered, may_go = threading.Event(), threading.Event()

    def changing(method: str, bucket: str, key: str, *rest: Any) -> Any:
        if (method, key) == ("PUT", "held"):
            entered.set()
            assert may_go.wait(10)
        if (method, key) == ("GET", ""):
            attempts[0] += 1
            if attempts[0] == 1:
                may_go.set()
                raise RuntimeError("dictionary changed size during iteration")
        return dispatch(method, bucket, key, *rest)

    monkeypatch.setattr(s3, "_dispatch", changing)
    writer = threading.Thread(target=client.put_object, kwargs={"Bucket": BUCKET, "Key": "held", "Body": LARGE})
    writer.start()
    assert entered.wait(10)
    listed = client.list_objects_v2(Bucket=BUCKET)["Contents"]
    writer.join()
    assert attempts == [2]
    assert "held" in [entry["Key"] for entry in listed]


def test_a_form_is_taken_apart_as_ministack_does(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
    body += b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    body += b"--b is no end\r\n\r\nhere\r\n--b--\r\n"
    kind = "multipart/form-data; boundary=b"
    expected = s3._parse_multipart_form(kind, body)
    monkeypatch.setattr(forms, "LARGE", 5)
    monkeypatch.setattr(forms, "_PIECE", 3)
    assert forms._fields(s3._parse_multipart_form, kind, bytes(bytearray(body))) == expected
