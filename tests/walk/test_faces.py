"""The photo walk: an image in S3 becomes five images and a manifest."""

import io
import json
from typing import Any

import pytest
from PIL import Image

from tests.walk.cloud import ROOT, Cloud

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("cloud")]

SAMPLES = ROOT / "algorithms" / "face_aging" / "samples"
LABELS = ["ORIGINAL", "20-30", "30-40", "50-60", "70-80"]


def photo() -> bytes:
    return (SAMPLES / "astronaut.jpg").read_bytes()


def fetch(cloud: Cloud, url: str) -> bytes:
    answer = cloud.http.request("GET", url, redirect=True, retries=3)
    assert answer.status == 200, answer.data
    return answer.data


def test_a_photo_becomes_five_images_and_a_manifest(cloud: Cloud) -> None:
    cloud.put("images/me.jpg", photo())
    job = cloud.succeeded("images/me.jpg")
    assert job["kind"] == "face"
    assert [result["label"] for result in job["results"]] == LABELS
    images = [Image.open(io.BytesIO(fetch(cloud, result["url"]))) for result in job["results"]]
    assert {image.size for image in images} == {(1024, 1024)}
    stored = cloud.clients.client("s3").get_object(Bucket=cloud.artifacts, Key=f"results/{job['job_id']}/manifest.json")
    manifest = json.loads(stored["Body"].read())
    assert [result["label"] for result in manifest["results"]] == LABELS


def test_a_photo_put_through_the_api_is_followed_by_its_job_id(cloud: Cloud) -> None:
    redirect = cloud.request("PUT", "/v1/images/Mein%20Foto%20+%20%C3%A4.jpg", body=b"")
    assert redirect.status == 307
    put = cloud.http.request("PUT", redirect.headers["Location"], body=photo())
    assert put.status == 200, put.data
    job = cloud.get(f"/v1/jobs/{redirect.headers['X-Headrace-Job-Id']}")
    finished = cloud.succeeded(job["source"]["key"])
    assert finished["job_id"] == job["job_id"]


@pytest.mark.parametrize(
    ("name", "make", "expected"),
    [
        ("truncated.jpg", lambda: photo()[:20_000], ""),
        ("landscape.jpg", lambda: (SAMPLES / "no_face.jpg").read_bytes(), "No face found"),
        ("huge.jpg", lambda: sixty_megapixels(), "60.0 megapixels"),
        ("empty.jpg", lambda: b"", "empty"),
        ("notes.txt", lambda: b"not a photo", ""),
    ],
)
def test_a_bad_photo_ends_with_the_reason(cloud: Cloud, name: str, make: Any, expected: str) -> None:
    key = f"images/{name}"
    cloud.put(key, make())
    message = cloud.failed(key)
    assert message
    assert expected in message
    assert "Traceback" not in message


def sixty_megapixels() -> bytes:
    body = io.BytesIO()
    Image.new("RGB", (10_000, 6_000), (90, 120, 60)).save(body, "JPEG", quality=30)
    return body.getvalue()
