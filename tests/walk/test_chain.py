"""A chain of two endpoints: plates are found in an image by one, and read by the other."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from tests.walk.chain.reading import FONT
from tests.walk.cloud import HEADRACE, Cloud, copy_project, running_cloud, until

pytestmark = [pytest.mark.cloud, pytest.mark.xdist_group("chain")]

_CHAIN = Path(__file__).parent / "chain"
_HANDLERS = {"plate_finder": "finding.py", "plate_reader": "reading.py"}
_SQUARE = 8


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A catalogue of three algorithms whose containers are face_aging's, so that nothing has to be installed."""
    folder = tmp_path_factory.mktemp("chain")
    algorithms = copy_project(folder / "project") / "algorithms"
    container = shutil.move(algorithms / "face_aging" / "container", folder)
    shutil.rmtree(algorithms)
    shutil.copytree(_CHAIN / "algorithms", algorithms)
    for name, handler in _HANDLERS.items():
        shutil.copytree(container, algorithms / name / "container")
        code = algorithms / name / "model" / "code"
        code.mkdir(parents=True)
        shutil.copy(_CHAIN / handler, code / "inference.py")
    with running_cloud(folder / "project", folder) as running:
        for name in _HANDLERS:
            until(partial(_deployed, running, name), f"the endpoint of {name}")
        yield running


def _deployed(cloud: Cloud, algorithm: str) -> bool | None:
    jobs = cloud.get("/v1/jobs?kind=deployment&status=SUCCESS")["jobs"]
    return algorithm in [job["algorithm"] for job in jobs] or None


def scene(*plates: tuple[int, int, str]) -> bytes:
    """A dark image of 640 x 400 with a bright plate at each (left, top), its number on it."""
    image = Image.new("L", (640, 400), 20)
    draw = ImageDraw.Draw(image)
    for left, top, number in plates:
        draw.rectangle((left, top, left + (4 * len(number) + 1) * _SQUARE, top + 7 * _SQUARE), 240)
        for place, digit in enumerate(number.rstrip()):
            for row, bits in enumerate(FONT[int(digit)]):
                for column in range(3):
                    if int(bits) >> (2 - column) & 1:
                        x, y = left + (4 * place + column + 1) * _SQUARE, top + (row + 1) * _SQUARE
                        draw.rectangle((x, y, x + _SQUARE - 1, y + _SQUARE - 1), 20)
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def upload(cloud: Cloud, body: bytes) -> Mapping[str, Any]:
    """Announce an image for the chain, put it, and wait for its job to end well."""
    announced = {"kind": "chain", "algorithm": "plates", "filename": "scène 1.png"}
    answer = cloud.request("POST", "/v1/uploads", json=announced)
    assert answer.status == 201, answer.data
    told = json.loads(answer.data)
    put = cloud.http.request("PUT", told["upload"]["url"], body=body)
    assert put.status == 200, put.data
    job = cloud.succeeded(cloud.get(f"/v1/jobs/{told['job_id']}")["source"]["key"])
    assert job["job_id"] == told["job_id"]
    return job


def manifest(cloud: Cloud, job: Mapping[str, Any]) -> Any:
    key = f"results/{job['job_id']}/manifest.json"
    return json.loads(cloud.clients.client("s3").get_object(Bucket=cloud.artifacts, Key=key)["Body"].read())


def test_three_plates_in_an_image_give_three_numbers_in_reading_order(cloud: Cloud) -> None:
    job = upload(cloud, scene((320, 40, "12"), (40, 50, "407"), (180, 240, "9958")))
    assert (job["kind"], job["algorithm"]) == ("chain", "plates")
    assert (job["steps_done"], job["steps_total"]) == (3, 3)
    assert job["links"]["execution"].split(":")[-2].endswith("-chained-inference")
    assert [result["label"] for result in job["results"]] == ["407", "12", "9958"]
    told = manifest(cloud, job)
    assert [result["text"] for result in told["results"]] == ["407", "12", "9958"]
    left, top, *_ = told["results"][0]["box"]
    assert (left, top) == pytest.approx((40, 50), abs=2)
    crop = cloud.http.request("GET", job["results"][0]["url"], redirect=True, retries=3)
    assert (crop.status, crop.data[:3]) == (200, b"\xff\xd8\xff")
    assert cloud.get("/v1/jobs?kind=face")["jobs"] == []


def test_a_plate_nobody_can_read_and_one_too_many_leave_the_rest(cloud: Cloud) -> None:
    job = upload(cloud, scene((40, 20, "31"), (300, 20, "586"), (300, 240, "2"), (40, 240, "    ")))
    assert [result["label"] for result in job["results"]] == ["31", "586", ""]
    told = manifest(cloud, job)
    assert (told["found"], told["left_out"], told["unread"]) == (4, 1, 1)
    assert told["results"][2]["error"]["message"] == "plate_reader failed: there is nothing on it"


def test_the_command_shows_what_was_read(cloud: Cloud, tmp_path: Path) -> None:
    image = tmp_path / "two.png"
    image.write_bytes(scene((40, 20, "31"), (300, 20, "586")))
    said = subprocess.run(
        [HEADRACE, "chain", "plates", str(image), "--api-url", cloud.endpoint, "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    (job,) = json.loads(said.stdout)
    assert [result["label"] for result in job["results"]] == ["31", "586"]


def test_an_image_without_plates_is_done_without_results(cloud: Cloud) -> None:
    job = upload(cloud, scene())
    assert job["results"] == []
    assert manifest(cloud, job)["found"] == 0
    (handed, *_) = cloud.executions("face-processing")
    assert handed["status"] == "SUCCEEDED"
