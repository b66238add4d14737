"""S3's checksums: worked out by C code, told as S3 tells them; and the private names they lean on."""

import base64
import zlib
from typing import Any
from xml.etree.ElementTree import fromstring

import botocore.session
import pytest
from botocore.exceptions import ClientError
from ministack.services import s3

from local.ministack import digests
from local.ministack.digests import COMBINE, DIGESTS
from tests.unit.local.ministack_contracts.conftest import Served

BUCKET = "checksums"
BODY = b"123456789"
# The published check values: of each algorithm for these nine characters.
CHECK = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "MD5": "25f9e794323b453885f5181f1b624d0b",
    "XXHASH64": "8cb841db40e6ae83",
}


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    client = served.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refusal:
        call(**request)
    error = refusal.value.response["Error"]
    return error["Code"], error["Message"]


def value(algorithm: str, body: bytes = BODY) -> str:
    return base64.b64encode(DIGESTS[algorithm](body)).decode()


def test_every_algorithm_of_the_model_is_known() -> None:
    model = botocore.session.get_session().get_service_model("s3")
    assert set(model.shape_for("ChecksumAlgorithm").metadata["enum"]) == set(DIGESTS)


@pytest.mark.parametrize("algorithm", CHECK)
def test_the_digests_are_the_published_ones(algorithm: str) -> None:
    assert DIGESTS[algorithm](BODY).hex() == CHECK[algorithm]


@pytest.mark.parametrize("algorithm", ["CRC32C", "CRC64NVME"])
def test_a_body_of_several_pieces_has_the_digest_of_the_whole(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = DIGESTS[algorithm](BODY * 9)
    monkeypatch.setattr(digests, "_PIECE", 7)
    assert DIGESTS[algorithm](BODY * 9) == whole


@pytest.mark.parametrize("algorithm", COMBINE)
def test_the_digests_of_two_bodies_add_up(algorithm: str) -> None:
    of = DIGESTS[algorithm]
    assert COMBINE[algorithm](of(BODY), of(b"more"), 4) == of(BODY + b"more")


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_a_put_answers_the_checksum_and_every_reader_gets_it(client: Any, algorithm: str) -> None:
    name, key = f"Checksum{algorithm}", f"put/{algorithm}"
    put = client.put_object(Bucket=BUCKET, Key=key, Body=BODY, **{name: value(algorithm)})
    head = client.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    attributes = client.get_object_attributes(Bucket=BUCKET, Key=key, ObjectAttributes=["Checksum"])["Checksum"]
    for answer in (put, head, attributes):
        assert (answer[name], answer["ChecksumType"]) == (value(algorithm), "FULL_OBJECT")
    assert name not in client.head_object(Bucket=BUCKET, Key=key)


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_a_body_that_does_not_fit_its_checksum_is_refused(client: Any, algorithm: str) -> None:
    wrong = {f"Checksum{algorithm}": value(algorithm, b"another")}
    code, message = refused(client.put_object, Bucket=BUCKET, Key="wrong", Body=BODY, **wrong)
    assert code == "BadDigest"
    assert algorithm in message


def test_an_object_without_a_checksum_gets_crc64nvme(client: Any) -> None:
    bare = s3._resolve_object_checksums(BODY, {})
    assert bare == ({}, None)
    status, _, _ = s3._put_object(BUCKET, "bare", BODY, {})
    assert status == 200
    head = client.head_object(Bucket=BUCKET, Key="bare", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC64NVME"], head["ChecksumType"]) == (value("CRC64NVME"), "FULL_OBJECT")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-checksum-crc99": "AAAA"},
        {"x-amz-sdk-checksum-algorithm": "CRC99"},
        {"x-amz-checksum-crc32": "AAAA", "x-amz-checksum-sha1": "AAAA"},
        {"x-amz-checksum-crc32": "not base64"},
    ],
)
def test_what_s3_does_not_know_is_refused_and_stores_nothing(client: Any, headers: dict[str, str]) -> None:
    status, _, body = s3._put_object(BUCKET, "refused", BODY, headers)
    assert (status, fromstring(body).findtext("Code")) == (400, "InvalidRequest")
    assert refused(client.head_object, Bucket=BUCKET, Key="refused")[0] == "404"


def upload(client: Any, key: str, bodies: list[bytes], named: bool = True, **options: str) -> dict[str, Any]:
    algorithm = options.get("ChecksumAlgorithm", "CRC32")
    target = {"Bucket": BUCKET, "Key": key}
    ticket = {**target, "UploadId": client.create_multipart_upload(**target, **options)["UploadId"]}
    listed = []
    for number, body in enumerate(bodies, 1):
        name = f"Checksum{algorithm}"
        part = client.upload_part(**ticket, PartNumber=number, Body=body, **{name: value(algorithm, body)})
        told = {name: part[name]} if named else {}
        listed.append({"PartNumber": number, "ETag": part["ETag"], **told})
    answer: dict[str, Any] = client.complete_multipart_upload(**ticket, MultipartUpload={"Parts": listed})
    return answer


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_an_upload_has_the_type_that_its_algorithm_has(client: Any, algorithm: str) -> None:
    key, bodies = f"parts/{algorithm}", [b"one", b"three", b"seven"]
    answer = upload(client, key, bodies, ChecksumAlgorithm=algorithm)
    if algorithm == "CRC64NVME":
        expected = value(algorithm, b"".join(bodies)), "FULL_OBJECT"
    else:
        expected = value(algorithm, b"".join(DIGESTS[algorithm](body) for body in bodies)) + "-3", "COMPOSITE"
    head = client.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    attributes = client.get_object_attributes(Bucket=BUCKET, Key=key, ObjectAttributes=["Checksum"])["Checksum"]
    for told in (answer, head, attributes):
        # GetObjectAttributes leaves the number of parts to ObjectParts.
        assert (told[f"Checksum{algorithm}"], told["ChecksumType"]) == expected


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C"])
def test_an_upload_may_ask_for_the_checksum_of_the_whole(client: Any, algorithm: str) -> None:
    bodies = [b"one", b"three", b"seven"]
    answer = upload(client, "whole", bodies, ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    assert (answer[f"Checksum{algorithm}"], answer["ChecksumType"]) == (
        value(algorithm, b"onethreeseven"),
        "FULL_OBJECT",
    )


@pytest.mark.parametrize(("algorithm", "kind"), [("CRC64NVME", "COMPOSITE"), ("SHA256", "FULL_OBJECT")])
def test_a_type_that_an_algorithm_cannot_have_is_refused(client: Any, algorithm: str, kind: str) -> None:
    request = {"Bucket": BUCKET, "Key": "k", "ChecksumAlgorithm": algorithm, "ChecksumType": kind}
    code, message = refused(client.create_multipart_upload, **request)
    assert code == "InvalidRequest"
    assert message == f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."


def test_a_part_with_another_algorithm_is_refused(client: Any) -> None:
    target = {"Bucket": BUCKET, "Key": "mixed"}
    ticket = client.create_multipart_upload(**target, ChecksumAlgorithm="SHA256")["UploadId"]
    code, message = refused(
        client.upload_part, **target, UploadId=ticket, PartNumber=1, Body=BODY, ChecksumCRC32=value("CRC32")
    )
    assert code == "InvalidRequest"
    assert message == "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32"


def test_a_completion_names_the_checksum_of_each_part(client: Any) -> None:
    with pytest.raises(ClientError, match="It was missing for part 1 in the request") as refusal:
        upload(client, "unnamed", [BODY], named=False, ChecksumAlgorithm="SHA256")
    assert refusal.value.response["Error"]["Code"] == "InvalidRequest"


def test_a_copied_part_has_a_checksum(client: Any) -> None:
    client.put_object(Bucket=BUCKET, Key="source", Body=BODY)
    target = {"Bucket": BUCKET, "Key": "assembled"}
    ticket = {**target, "UploadId": client.create_multipart_upload(**target, ChecksumAlgorithm="CRC32C")["UploadId"]}
    source = {"Bucket": BUCKET, "Key": "source"}
    part = client.upload_part_copy(**ticket, PartNumber=1, CopySource=source, CopySourceRange="bytes=2-5")
    assert part["CopyPartResult"]["ChecksumCRC32C"] == value("CRC32C", b"3456")


def test_a_copy_of_parts_has_the_checksum_of_all_its_bytes(client: Any) -> None:
    upload(client, "in-parts", [b"one", b"three"], ChecksumAlgorithm="SHA256")
    source = {"Bucket": BUCKET, "Key": "in-parts"}
    copy = client.copy_object(Bucket=BUCKET, Key="copy", CopySource=source)["CopyObjectResult"]
    assert (copy["ChecksumSHA256"], copy["ChecksumType"]) == (value("SHA256", b"onethree"), "FULL_OBJECT")
    other = client.copy_object(Bucket=BUCKET, Key="copy", CopySource=source, ChecksumAlgorithm="CRC32")
    assert other["CopyObjectResult"]["ChecksumCRC32"] == value("CRC32", b"onethree")
    assert "ChecksumSHA256" not in other["CopyObjectResult"]


def test_what_is_worked_out_before_is_not_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    body = bytes(bytearray(BODY))
    worked = digests.work_out(body, {"x-amz-checksum-crc32": "x"})
    assert {"MD5", "CRC32"} <= worked.digests.keys()
    monkeypatch.setitem(DIGESTS, "CRC32", lambda _: b"again")
    with digests.knowing(worked):
        assert digests.digest("CRC32", body) == zlib.crc32(BODY).to_bytes(4, "big")
        assert digests.digest("CRC32", b"another") == b"again"
