"""A chain from the upload to the texts: announced, handed over, claimed, detected, read crop by crop, collected."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from PIL import Image, ImageDraw

from functions import claim_upload, collect_texts, detect_boxes, read_crop
from functions.aws import services
from functions.chains import invocations
from functions.failures import failures
from functions.http import requests
from functions.http.problems import Problem
from functions.jobs import ids, jobs
from functions.jobs.errors import (
    AnswerInvalid,
    CropsUnread,
    EndpointNotFound,
    EndpointNotReady,
    ImageRejected,
    JobError,
    ModelFailed,
)
from functions.jobs.job import Job, Kind, Status
from functions.uploads import claims, ledger
from tests.unit.functions.cloud import ARTIFACTS, UPLOADS, Cloud, Context, client_error, execution, uploaded

FINDER, READER = "headrace-test-finder", "headrace-test-reader"
COLOURS = {"red": (220, 30, 30), "green": (30, 180, 30), "blue": (30, 30, 220)}


@pytest.fixture(autouse=True)
def _catalogue(cloud: Cloud) -> None:
    cloud.publish_faces()
    cloud.publish_chain()
    cloud.runtime.models = {FINDER: finder, READER: reader}


def sheet() -> Image.Image:
    """Three plates on white: red and green in one row, blue below."""
    image = Image.new("RGB", (200, 100), "white")
    draw = ImageDraw.Draw(image)
    for colour, (left, top) in zip(COLOURS.values(), ((10, 10), (110, 12), (60, 60)), strict=True):
        draw.rectangle((left, top, left + 59, top + 19), colour)
    return image


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


PLATES = [("blue", 0.9, [60, 60, 120, 80]), ("red", 0.8, [10, 10, 70, 30]), ("green", 0.95, [110, 12, 170, 32])]


def finder(body: bytes) -> Any:
    width, height = Image.open(io.BytesIO(body)).size
    boxes = [{"label": label, "confidence": sure, "box": box} for label, sure, box in PLATES]
    return {"width": width, "height": height, "boxes": [*boxes, {**boxes[0], "confidence": 0.1}]}


def reader(body: bytes) -> Any:
    """Says the colour in the middle of the crop, in two lines."""
    image = Image.open(io.BytesIO(body)).convert("RGB")
    middle = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(middle, tuple)
    name = min(COLOURS, key=lambda one: sum(abs(a - b) for a, b in zip(COLOURS[one], middle, strict=True)))
    return {"lines": [{"text": text, "confidence": 0.9, "box": [0, 0, 1, 1]} for text in (name, "plate")]}


def announce(cloud: Cloud, algorithm: str = "plates") -> Job:
    return requests.prepare_chain(algorithm, "sheet 1+1.png", None, cloud.services).job


def key_of(job: Job) -> str:
    assert job.source is not None
    return job.source.key


def claim(cloud: Cloud, key: str, name: str = "e1", body: bytes = b"sheet") -> dict[str, Any]:
    event = {"input": cloud.upload(key, body), "execution": execution(name, "chained-inference"), "only": "chain"}
    return claim_upload.handler(event, Context())


def started(cloud: Cloud, body: bytes | None = None) -> dict[str, Any]:
    """The state's data of a claimed upload."""
    return claim(cloud, key_of(announce(cloud)), body=png(sheet()) if body is None else body)


def detect(data: dict[str, Any]) -> Any:
    return detect_boxes.handler({"job": data}, Context())


def read(data: dict[str, Any], index: int) -> dict[str, Any]:
    """What the state machine keeps of one crop: the function's answer, or the name of its error."""
    event = {"job_id": data["job_id"], "read": data["chain"]["read"], "index": index}
    try:
        return read_crop.handler(event, Context())
    except (JobError, ClientError) as error:
        return {"index": index, "error": type(error).__name__}


def collect(data: dict[str, Any], crops: list[dict[str, Any]]) -> Any:
    event = {"job_id": data["job_id"], "algorithm": data["algorithm"], "crops": crops}
    return collect_texts.handler(event, Context())


def manifest(cloud: Cloud, data: dict[str, Any]) -> Any:
    key = f"results/{data['job_id']}/manifest.json"
    return json.loads(cloud.s3.get_object(Bucket=ARTIFACTS, Key=key)["Body"].read())


def stored(cloud: Cloud, job_id: str) -> Job:
    found = jobs.get(cloud.services, job_id)
    assert found is not None
    return found


# ---- from the announcement to the claim ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "words"), [("nobody", "no algorithm 'nobody'"), ("face_aging", "face_aging is no chain")]
)
def test_only_a_chain_is_announced_as_one(cloud: Cloud, algorithm: str, words: str) -> None:
    with pytest.raises(Problem, match=words):
        announce(cloud, algorithm)


def test_face_processing_hands_over_what_was_announced_for_a_chain_and_writes_nothing(cloud: Cloud) -> None:
    job = announce(cloud)
    event = uploaded(key_of(job))
    output = claims.claim(event, execution("e1", "face-processing"), cloud.services).as_output()
    assert output == {"decision": "handed_over", "reason": f"'{key_of(job)}' is for plates, a chain"}
    assert stored(cloud, job.job_id).status is Status.PENDING
    assert ledger.deliveries(cloud.services, f"{UPLOADS}/{key_of(job)}") == []
    assert claim(cloud, key_of(job))["decision"] == "started"


def test_a_claimed_image_says_which_endpoints_to_ask(cloud: Cloud) -> None:
    job = announce(cloud)
    output = claim(cloud, key_of(job))
    assert (output["decision"], output["kind"], output["job_id"]) == ("started", "chain", job.job_id)
    assert output["chain"] == {
        "detect": {"algorithm": "finder", "endpoint": FINDER},
        "read": {"algorithm": "reader", "endpoint": READER},
        "min_confidence": 0.25,
        "margin": 0.05,
        "max_crops": 50,
    }
    row = stored(cloud, job.job_id)
    assert (row.kind, row.status, row.steps) == (
        Kind.CHAIN,
        Status.INPROGRESS,
        ["Detect", "ReadCrops", "CollectTexts"],
    )


def test_a_second_version_of_an_announced_image_is_a_job_of_the_chain_too(cloud: Cloud) -> None:
    key = key_of(announce(cloud))
    first = claim(cloud, key)
    newer = cloud.upload(key, b"another sheet", "0062")
    event = {"input": newer, "execution": execution("e2"), "only": "chain"}
    second = claim_upload.handler(event, Context())
    assert (second["decision"], second["kind"]) == ("started", "chain")
    assert second["job_id"] != first["job_id"]
    assert claim(cloud, key, "e3")["decision"] == "stale"


def test_a_face_is_never_handed_over_and_never_read_by_a_chain(cloud: Cloud) -> None:
    known = requests.prepare_image("me.jpg", None, cloud.services).job
    for key in ("images/me.jpg", key_of(known)):
        assert claims.claim(uploaded(key), execution("e1"), cloud.services).as_output()["kind"] == "face"
    rejected = claim(cloud, "images/you.jpg", "e2")
    assert rejected["reason"] == "'images/you.jpg' was not announced for a chain"


def test_a_chain_does_not_start_by_name(cloud: Cloud) -> None:
    run = {"job_id": ids.derived("a", "b", "c"), "algorithm": "plates"}
    by_training = claims.claim(run, execution("e1"), cloud.services).as_output()
    assert by_training["reason"] == "plates is a chain of two endpoints, which starts at an uploaded image"
    other = {"input": {**run, "job_id": ids.derived("d", "e", "f")}, "execution": execution("e2"), "only": "chain"}
    assert claim_upload.handler(other, Context())["reason"] == "a chain starts at an uploaded image, not by name"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"endpoint": None}, "plates reads with reader, which has no endpoint"),
        ({"deploy": {"mode": "async"}}, "plates reads with reader, whose endpoint is asynchronous"),
    ],
)
def test_a_chain_that_cannot_run_says_which_algorithm_is_the_trouble(
    cloud: Cloud, changes: dict[str, Any], words: str
) -> None:
    job = announce(cloud)
    cloud.publish("reader", **changes)
    output = claim(cloud, key_of(job))
    assert (output["decision"], output["job_id"]) == ("rejected", job.job_id)
    assert output["reason"].startswith(words)


def test_a_chain_of_an_algorithm_that_is_gone_says_so(cloud: Cloud) -> None:
    job = announce(cloud)
    cloud.dynamodb.delete_item(TableName="headrace-test-algorithms", Key={"name": {"S": "finder"}})
    assert claim(cloud, key_of(job))["reason"] == "plates detects with finder, which the catalogue does not have"
    cloud.dynamodb.delete_item(TableName="headrace-test-algorithms", Key={"name": {"S": "plates"}})
    assert "no algorithm 'plates'" in claim(cloud, key_of(announced(cloud, "plates")))["reason"]


def announced(cloud: Cloud, algorithm: str) -> Job:
    """A job announced before its algorithm was taken away."""
    job = requests.prepare_image("a.png", None, cloud.services).job
    update = {"ExpressionAttributeValues": {":kind": {"S": "chain"}, ":name": {"S": algorithm}}}
    cloud.dynamodb.update_item(
        TableName="headrace-test-jobs",
        Key={"job_id": {"S": job.job_id}},
        UpdateExpression="SET #kind = :kind, algorithm = :name",
        ExpressionAttributeNames={"#kind": "kind"},
        **update,
    )
    return job


def test_a_failed_hand_over_is_recorded_on_the_announced_job(cloud: Cloud) -> None:
    job = announce(cloud)
    event = {
        "input": uploaded(key_of(job), version_id=None),
        "state": {"decision": "handed_over", "failure": {"Error": "States.Timeout", "Cause": ""}},
        "execution": execution("e1", "face-processing"),
    }
    recorded = failures.record(event, cloud.services)
    assert recorded.job_id == job.job_id
    assert stored(cloud, job.job_id).status is Status.FAILURE


def test_an_execution_nobody_understands_is_a_failed_chain(cloud: Cloud) -> None:
    identity = failures.identify(5, execution("e1", "chained-inference"), cloud.services)
    assert identity.kind is Kind.CHAIN


# ---- detecting, reading, collecting ----------------------------------------------------------------------------------


def test_three_plates_give_three_labels_in_reading_order(cloud: Cloud) -> None:
    data = started(cloud)
    assert detect(data) == {"crops": (0, 1, 2), "left_out": 0}
    halfway = stored(cloud, data["job_id"])
    assert (halfway.step, halfway.steps_done, halfway.links["endpoint"]) == ("ReadCrops", 1, FINDER)
    assert collect(data, [read(data, index) for index in range(3)]) == {"count": 3, "unread": 0}
    job = stored(cloud, data["job_id"])
    assert [result["label"] for result in job.results] == ["red plate", "green plate", "blue plate"]
    assert (job.steps_done, job.status) == (3, Status.INPROGRESS)
    told = manifest(cloud, data)
    assert {name: told[name] for name in ("count", "found", "unsure", "outside", "left_out", "unread")} == {
        "count": 3,
        "found": 4,
        "unsure": 1,
        "outside": 0,
        "left_out": 0,
        "unread": 0,
    }
    assert told["image"] == {"width": 200, "height": 100}
    first = told["results"][0]
    assert (first["object"], first["confidence"], first["text"]) == ("red", 0.8, "red\nplate")
    assert (first["box"], first["crop"]) == ([10, 10, 70, 30], [7, 9, 73, 31])
    assert first["lines"][0] == {"text": "red", "confidence": 0.9, "box": [0, 0, 1, 1]}
    stored_crop = cloud.s3.get_object(Bucket=ARTIFACTS, Key=first["key"])
    body = stored_crop["Body"].read()
    assert (stored_crop["ContentType"], len(body)) == ("image/jpeg", first["size"])
    assert Image.open(io.BytesIO(body)).size == (66, 22)


def test_the_endpoints_are_asked_as_docs_chained_says(cloud: Cloud) -> None:
    data = started(cloud)
    detect(data)
    read(data, 0)
    asked = [{name: one[name] for name in one if name != "Body"} for one in cloud.runtime.requests]
    assert asked == [
        {"EndpointName": FINDER, "ContentType": "image/png", "Accept": "application/json"},
        {"EndpointName": READER, "ContentType": "image/jpeg", "Accept": "application/json"},
    ]
    assert cloud.runtime.requests[0]["Body"] == png(sheet())


def test_an_image_without_boxes_is_no_failure(cloud: Cloud) -> None:
    cloud.runtime.models[FINDER] = lambda _: {"width": 200, "height": 100, "boxes": []}
    data = started(cloud)
    assert detect(data) == {"crops": (), "left_out": 0}
    assert collect(data, []) == {"count": 0, "unread": 0}
    assert stored(cloud, data["job_id"]).results == []
    assert manifest(cloud, data)["results"] == []


def test_more_boxes_than_the_chain_takes_leave_the_least_confident_out(cloud: Cloud) -> None:
    cloud.publish_chain(max_crops=2)
    data = started(cloud)
    assert detect(data) == {"crops": (0, 1), "left_out": 1}
    collect(data, [read(data, index) for index in range(2)])
    told = manifest(cloud, data)
    assert told["left_out"] == 1
    assert [result["label"] for result in told["results"]] == ["green plate", "blue plate"]


def test_a_row_that_asks_for_more_crops_than_a_job_can_hold_is_held_down(cloud: Cloud) -> None:
    cloud.publish_chain(max_crops=1000)
    assert claim(cloud, key_of(announce(cloud)))["chain"]["max_crops"] == 200


def test_one_crop_that_cannot_be_read_leaves_the_others_alone(cloud: Cloud) -> None:
    data = started(cloud)
    detect(data)
    cloud.runtime.models[READER] = lambda _: {"rows": []}
    broken = read(data, 1)
    cloud.runtime.models[READER] = reader
    assert broken == {"index": 1, "error": "AnswerInvalid"}
    assert collect(data, [read(data, 0), broken, read(data, 2)]) == {"count": 3, "unread": 1}
    assert [result["label"] for result in stored(cloud, data["job_id"]).results] == ["red plate", "", "blue plate"]
    told = manifest(cloud, data)
    assert told["unread"] == 1
    assert told["results"][1]["error"] == {
        "code": "AnswerInvalid",
        "message": "reader answered no list of lines: expected {\"lines\": [...]}, found {'rows': []}",
    }


def test_a_crop_read_at_the_second_try_is_read(cloud: Cloud) -> None:
    data = started(cloud)
    detect(data)
    cloud.runtime.models[READER] = lambda _: b"not JSON"
    assert read(data, 0)["error"] == "AnswerInvalid"
    cloud.runtime.models[READER] = reader
    assert collect(data, [read(data, index) for index in range(3)])["unread"] == 0


def test_a_function_that_ended_without_a_word_is_told_of(cloud: Cloud) -> None:
    data = started(cloud)
    detect(data)
    collect(data, [read(data, 0), {"index": 1, "error": "States.Timeout"}, read(data, 2)])
    assert manifest(cloud, data)["results"][1]["error"] == {
        "code": "States.Timeout",
        "message": "the step did not finish in time",
    }


def test_a_chain_whose_reader_fails_on_every_crop_fails_with_the_reason(cloud: Cloud) -> None:
    data = started(cloud)
    detect(data)

    def failing(_: bytes) -> Any:
        raise client_error("ModelError", 'Received server error (500) from primary with message "no memory".')

    cloud.runtime.models[READER] = failing
    crops = [read(data, index) for index in range(3)]
    with pytest.raises(CropsUnread, match=r"^none of the 3 crops could be read: reader failed: no memory$"):
        collect(data, crops)
    assert stored(cloud, data["job_id"]).results == []
    assert manifest(cloud, data)["unread"] == 3


@pytest.mark.parametrize(("endpoint", "algorithm"), [(FINDER, "finder"), (READER, "reader")])
def test_an_endpoint_that_is_not_there_is_named_before_any_work(cloud: Cloud, endpoint: str, algorithm: str) -> None:
    data = started(cloud)
    cloud.sagemaker.endpoints[endpoint]["EndpointStatus"] = "Creating"
    with pytest.raises(EndpointNotReady, match=f"the endpoint {endpoint} of {algorithm} is Creating"):
        detect(data)
    del cloud.sagemaker.endpoints[endpoint]
    with pytest.raises(EndpointNotFound, match=f"^{algorithm} is not deployed: there is no endpoint {endpoint}; train"):
        detect(data)
    assert cloud.runtime.requests == []


def test_an_endpoint_that_is_being_updated_goes_on_answering(cloud: Cloud) -> None:
    data = started(cloud)
    cloud.sagemaker.endpoints[FINDER]["EndpointStatus"] = "Updating"
    assert detect(data)["crops"] == (0, 1, 2)


def test_a_reader_that_went_away_meanwhile_is_said_in_words(cloud: Cloud) -> None:
    data = started(cloud)
    detect(data)
    event = {"job_id": data["job_id"], "read": data["chain"]["read"], "index": 0}
    del cloud.runtime.models[READER]
    with pytest.raises(EndpointNotReady, match="refused the request: Endpoint"):
        read_crop.handler(event, Context())
    del cloud.sagemaker.endpoints[READER]
    with pytest.raises(EndpointNotFound, match="reader is not deployed"):
        read_crop.handler(event, Context())


def raises(error: Exception) -> Any:
    def model(_: bytes) -> Any:
        raise error

    return model


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (lambda _: b"<html>", AnswerInvalid, "no JSON: '<html>'"),
        (lambda _: b"[" * 100_000, AnswerInvalid, "no JSON"),
        (lambda _: b" " * (invocations.MAX_ANSWER + 1), AnswerInvalid, "more than 6 MiB"),
        (lambda _: {"boxes": []}, AnswerInvalid, "finder answered width"),
        (raises(client_error("ModelError", "Worker died.")), ModelFailed, "finder failed: Worker died."),
        (raises(ReadTimeoutError(endpoint_url="x")), EndpointNotReady, "gave no answer"),
    ],
)
def test_a_detector_that_does_not_answer_as_it_should_is_said_in_words(
    cloud: Cloud, model: Any, error: type[Exception], words: str
) -> None:
    data = started(cloud)
    cloud.runtime.models[FINDER] = model
    with pytest.raises(error, match=words):
        detect(data)


def test_throttling_is_passed_on_as_it_is(cloud: Cloud) -> None:
    data = started(cloud)
    cloud.runtime.models[FINDER] = raises(client_error("ThrottlingException", "slow down"))
    with pytest.raises(ClientError, match="slow down"):
        detect(data)


@pytest.mark.parametrize(
    ("body", "words"), [(b"", "is empty"), (b"GIF89a", "is a GIF"), (b"\x89PNG\r\n\x1a\n" + bytes(40), "is damaged")]
)
def test_what_is_no_image_is_refused_with_a_reason(cloud: Cloud, body: bytes, words: str) -> None:
    data = started(cloud, body)
    with pytest.raises(ImageRejected, match=words):
        detect(data)
    cloud.s3.delete_object(Bucket=ARTIFACTS, Key=data["input_uri"].removeprefix(f"s3://{ARTIFACTS}/"))
    with pytest.raises(ImageRejected, match="no longer in the bucket"):
        detect(data)


def test_an_image_too_large_for_an_endpoint_is_sent_smaller_and_cropped_whole(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = Image.effect_noise((400, 200), 80).convert("RGB")
    noise.paste(sheet().resize((400, 200)).crop((20, 20, 140, 60)), (20, 20))
    monkeypatch.setattr(invocations, "MAX_REQUEST", 6_000)

    def scaled(body: bytes) -> Any:
        width, height = Image.open(io.BytesIO(body)).size
        box = [side * width / 400 for side in (20, 20, 140, 60)]
        return {"width": width, "height": height, "boxes": [{"label": "red", "confidence": 1, "box": box}]}

    cloud.runtime.models[FINDER] = scaled
    data = started(cloud, png(noise))
    detect(data)
    (request,) = cloud.runtime.requests
    assert (request["ContentType"], len(request["Body"]) <= 6_000) == ("image/jpeg", True)
    assert collect(data, [read(data, 0)]) == {"count": 1, "unread": 0}
    (result,) = manifest(cloud, data)["results"]
    assert result["label"] == "red plate"
    assert result["box"] == pytest.approx([20, 20, 140, 60], abs=3)


def test_a_label_is_one_line_that_fits_a_row(cloud: Cloud) -> None:
    long = "x" * 300
    cloud.runtime.models[READER] = lambda _: {"lines": [{"text": f" a\n{long}", "confidence": 1, "box": [0, 0, 1, 1]}]}
    data = started(cloud)
    detect(data)
    collect(data, [read(data, index) for index in range(3)])
    label = stored(cloud, data["job_id"]).results[0]["label"]
    assert (len(label), label[:3], label[-1]) == (200, "a x", "…")
    assert manifest(cloud, data)["results"][0]["text"] == f" a\n{long}"


def test_a_model_is_waited_for_longer_than_its_minute_and_asked_again_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = services.make_client(services.WAITING_RUNTIME)
    assert client.meta.service_model.service_name == "sagemaker-runtime"
    assert (client.meta.config.read_timeout, client.meta.config.retries["total_max_attempts"]) == (70, 2)
