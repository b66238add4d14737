"""Sending a photo to the async endpoint, and hearing its answer."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from functions import start_inference, track_inference
from functions.aws import times
from functions.images import images
from functions.jobs import ids, jobs
from functions.jobs.errors import EndpointNotFound, EndpointNotReady, ImageRejected
from functions.jobs.job import Kind, Status
from functions.waiting import inference, waits
from functions.waiting.waits import WaitKind
from tests.unit.functions.cloud import ARTIFACTS, Cloud, Context, client_error, new_job

JOB_ID = ids.derived("b", "k", "v")
KEY = f"runs/{JOB_ID}/input/mi foto 1+1 ñ.jpg"
PHOTOS = Path(__file__).resolve().parents[1] / "images" / "photos"
ENDPOINT = "headrace-test-face-aging"
JPEG = b"\xff\xd8\xff\xe0" + bytes(20)


@pytest.fixture(autouse=True)
def _job(cloud: Cloud) -> None:
    steps = ["StartInference", "SplitResult"]
    row = new_job(JOB_ID, Kind.FACE, Status.INPROGRESS, times.iso(cloud.clock()), steps=steps)
    jobs.create(cloud.services, row)


def start(key: str = KEY) -> None:
    event = {"token": "t1", "job": {"job_id": JOB_ID, "endpoint": ENDPOINT, "input_uri": f"s3://{ARTIFACTS}/{key}"}}
    start_inference.handler(event, Context())


def message(**fields: Any) -> dict[str, Any]:
    told = {"inferenceId": JOB_ID, "eventSource": "aws:sagemaker", **fields}
    return {"Sns": {"Message": json.dumps(told)}}


def completed(location: str = "s3://out/async/r 1.out") -> dict[str, Any]:
    return message(invocationStatus="Completed", responseParameters={"outputLocation": location})


def failed(reason: str) -> dict[str, Any]:
    return message(invocationStatus="Failed", failureReason=reason)


def track(*records: dict[str, Any]) -> None:
    track_inference.handler({"Records": list(records)}, Context())


def test_a_photo_is_sent_with_its_type_and_the_job_id(cloud: Cloud) -> None:
    cloud.put(KEY, JPEG, ARTIFACTS)
    start()
    (request,) = cloud.runtime.requests
    assert request == {
        "EndpointName": ENDPOINT,
        "InputLocation": f"s3://{ARTIFACTS}/{KEY}",
        "InferenceId": JOB_ID,
        "ContentType": "image/jpeg",
        "Accept": "application/x-npy",
        "InvocationTimeoutSeconds": 900,
        "RequestTTLSeconds": 3600,
    }
    wait = waits.get(cloud.services, WaitKind.INFERENCE, JOB_ID)
    assert wait is not None
    assert wait.output is not None
    assert wait.output.endswith(f"output/{JOB_ID}.out")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is empty"),
        (b"GIF89a" + bytes(9), "is a GIF"),
        (b"%PDF-1.7", "is a PDF"),
        (None, "no longer in the bucket"),
    ],
)
def test_what_is_no_photo_is_refused_with_a_reason(cloud: Cloud, body: bytes | None, words: str) -> None:
    if body is not None:
        cloud.put(KEY, body, ARTIFACTS)
    with pytest.raises(ImageRejected, match=words):
        start()
    assert cloud.runtime.requests == []
    assert waits.get(cloud.services, WaitKind.INFERENCE, JOB_ID) is None


def test_a_large_photo_is_refused() -> None:
    images.check_size("a.jpg", images.MAX_BYTES)
    with pytest.raises(ImageRejected, match=r"has 64\.0 MiB; at most 64 MiB"):
        images.check_size("a.jpg", images.MAX_BYTES + 1)


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.png", JPEG, "image/jpeg"),
        ("a", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("A.JPEG", b"damaged", "image/jpeg"),
        ("a.png", b"damaged", "image/png"),
    ],
)
def test_the_first_bytes_count_before_the_name(name: str, head: bytes, expected: str) -> None:
    assert images.content_type(name, head) == expected


@pytest.mark.parametrize(("name", "head"), [("a.txt", b"hello"), ("a.jpg", b"RIFF1234WEBPVP8 ")])
def test_other_formats_are_refused(name: str, head: bytes) -> None:
    with pytest.raises(ImageRejected, match="expected a JPEG, PNG, HEIC or AVIF"):
        images.content_type(name, head)


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        (b"heic\0\0\0\0mif1heic", "image/heic"),
        (b"mif1\0\0\0\0mif1heic", "image/heic"),
        (b"heix\0\0\0\0mif1", "image/heic"),
        (b"avif\0\0\0\0avifmif1miaf", "image/avif"),
        (b"mif1\0\0\0\0miafavif", "image/avif"),
    ],
)
def test_a_photo_of_a_phone_is_known_by_all_its_brands(brands: bytes, kind: str) -> None:
    head = (len(brands) + 8).to_bytes(4) + b"ftyp" + brands + b"\0\0\0\x08mdat"
    assert images.content_type("me.jpg", head[: images.HEAD_BYTES]) == kind


def test_a_film_is_none_of_them() -> None:
    with pytest.raises(ImageRejected, match="'a' is none of them"):
        images.content_type("a", b"\0\0\0\x18ftypisom\0\0\0\0isommp41")


@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
def test_a_photo_of_a_phone_is_sent_as_jpeg(cloud: Cloud, kind: str) -> None:
    cloud.put(KEY, photo(kind), ARTIFACTS)
    start()
    (request,) = cloud.runtime.requests
    location = f"runs/{JOB_ID}/photo.jpg"
    assert (request["InputLocation"], request["ContentType"]) == (f"s3://{ARTIFACTS}/{location}", "image/jpeg")
    with Image.open(cloud.s3.get_object(Bucket=ARTIFACTS, Key=location)["Body"]) as sent:
        assert (sent.format, sent.size) == ("JPEG", (64, 32))
        red, blue = sent.getpixel((32, 4)), sent.getpixel((32, 28))
    assert isinstance(red, tuple)
    assert isinstance(blue, tuple)
    assert red[0] > 230 > 30 > red[2]
    assert blue[2] > 230 > 30 > blue[0]


@pytest.mark.parametrize("kind", ["HEIC", "AVIF"])
def test_a_damaged_photo_of_a_phone_is_refused(cloud: Cloud, kind: str) -> None:
    body = photo(kind)
    cloud.put(KEY, body[: len(body) // 2], ARTIFACTS)
    with pytest.raises(ImageRejected, match="is damaged: it cannot be decoded"):
        start()


def photo(kind: str) -> bytes:
    """Red above, blue below, 64 x 32."""
    if kind == "HEIC":
        return (PHOTOS / "halves.heic").read_bytes()
    image, file = Image.new("RGB", (64, 32), "red"), io.BytesIO()
    image.paste("blue", (0, 16, 64, 32))
    image.save(file, kind)
    return file.getvalue()


def test_an_endpoint_that_is_not_there_is_said_in_words(cloud: Cloud) -> None:
    cloud.put(KEY, JPEG, ARTIFACTS)
    cloud.runtime.refuse = client_error("ValidationError", "Endpoint not found")
    with pytest.raises(EndpointNotFound, match=f"the endpoint {ENDPOINT} does not exist"):
        start()
    cloud.sagemaker.endpoints[ENDPOINT] = {"EndpointStatus": "Creating"}
    with pytest.raises(EndpointNotReady, match="is Creating; try again when it is InService"):
        start()
    cloud.sagemaker.endpoints[ENDPOINT] = {"EndpointStatus": "InService"}
    with pytest.raises(EndpointNotReady, match="refused the request: Endpoint not found"):
        start()
    assert waits.get(cloud.services, WaitKind.INFERENCE, JOB_ID) is None


def test_success_hands_over_where_the_result_is(cloud: Cloud) -> None:
    cloud.put(KEY, JPEG, ARTIFACTS)
    start()
    track(completed(), completed())
    assert cloud.stepfunctions.sent == [("t1", "success", {"output": {"bucket": "out", "key": "async/r 1.out"}})]
    job = jobs.get(cloud.services, JOB_ID)
    assert job is not None
    assert (job.step, job.steps_done) == ("SplitResult", 1)


def test_an_answer_may_come_before_the_call_returns(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.put(KEY, JPEG, ARTIFACTS)
    real = cloud.runtime.invoke_endpoint_async

    def answers_at_once(**request: Any) -> dict[str, Any]:
        answer = real(**request)
        track(completed())
        return answer

    monkeypatch.setattr(cloud.runtime, "invoke_endpoint_async", answers_at_once)
    start()
    assert len(cloud.stepfunctions.sent) == 1
    assert waits.get(cloud.services, WaitKind.INFERENCE, JOB_ID) is None


WRAPPED = (
    'Received client error (400) from primary with message "{}". See https://us-east-1.console.aws.amazon.com/cloud'
    "watch/home#logEventViewer:group=/aws/sagemaker/Endpoints/x in account 000000000000 for more information."
)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ('Received server error (500) from primary with message "Worker died."', "Worker died."),
        ('Received client error (429) from primary with message "Too many."', "Too many."),
        ("model error", "model error"),
        ('{"error": "No face found in the photo"}', "No face found in the photo"),
        ('"quoted"', "quoted"),
        ("", "the model gave no answer and no reason"),
        ("[1]", "[1]"),
    ],
)
def test_the_models_own_words_are_the_reason(cloud: Cloud, told: str, expected: str) -> None:
    cloud.put(KEY, JPEG, ARTIFACTS)
    start()
    track(failed(told))
    assert cloud.stepfunctions.sent == [("t1", "failure", ("InferenceFailed", expected))]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (WRAPPED.format("No face found in the photo"), "No face found in the photo"),
        (WRAPPED.format('{\n  "code": 400,\n  "message": "No face \\"here\\""\n}'), 'No face "here"'),
        (WRAPPED.format('{"error": {"message": "deep"}}'), "deep"),
    ],
)
def test_a_photo_that_the_model_refuses_has_the_code_of_one_that_is_never_sent(
    cloud: Cloud, told: str, expected: str
) -> None:
    cloud.put(KEY, JPEG, ARTIFACTS)
    start()
    track(failed(told))
    assert cloud.stepfunctions.sent == [("t1", "failure", ("ImageRejected", expected))]


@given(st.text(max_size=200))
def test_any_reason_can_be_read(text: str) -> None:
    assert inference.reason(text)


def test_a_message_for_nobody_is_left_alone(cloud: Cloud) -> None:
    track(completed())
    assert cloud.stepfunctions.sent == []
