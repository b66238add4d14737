"""yolov5's pictures and boxes, without its network: what goes in, and what is made of what comes out."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.unit.algorithms.environments import ALGORITHMS
from tests.unit.algorithms.scripts import older_python, scripts

SOURCE = ALGORITHMS / "yolov5" / "source"
NAMES = {0: "cat", 1: "dog"}

detections, inference = scripts(SOURCE, "detections", "inference")


def encoded(width: int, height: int, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (255, 0, 0)).save(buffer, kind, **options)
    return buffer.getvalue()


def picture(width: int, height: int, size: int = 64) -> Any:
    return detections.read(encoded(width, height), "image/png", size)


def raw(*rows: tuple[float, ...]) -> Any:
    return np.array(rows, dtype=np.float32)


def test_a_picture_is_framed_in_grey_without_changing_its_shape() -> None:
    framed = picture(200, 100)
    assert (framed.width, framed.height, framed.left, framed.top, framed.scale) == (200, 100, 0, 16, 0.32)
    assert framed.pixels.shape == (1, 3, 64, 64)
    assert framed.pixels[0, :, 0, 0] == pytest.approx([114 / 255] * 3)
    assert framed.pixels[0, :, 32, 32] == pytest.approx([1, 0, 0])


def test_grey_of_sixteen_bits_is_scaled_and_not_cut_off_at_white() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((64, 64), 10_240, np.uint16)).save(buffer, "PNG", transparency=1)
    assert detections.read(buffer.getvalue(), "image/png", 64).pixels == pytest.approx(40 / 255)


def test_boxes_come_back_in_the_picture_s_own_pixels() -> None:
    # Half the picture's width and height, in its middle, as the network sees it.
    answer = detections.answer(raw((32, 32, 32, 16, 0.9, 0.1, 1.0)), picture(200, 100), NAMES, detections.Settings())
    assert answer == {
        "width": 200,
        "height": 100,
        "boxes": [{"label": "dog", "confidence": 0.9, "box": [50.0, 25.0, 150.0, 75.0]}],
    }
    json.dumps(answer)


def test_a_box_ends_where_the_picture_ends_and_one_beside_it_is_none() -> None:
    rows = raw((0, 32, 64, 64, 0.9, 1, 0), (32, 4, 10, 4, 0.9, 1, 0), (32, float("nan"), 4, 4, 0.9, 1, 0))
    boxes = detections.answer(rows, picture(200, 100), NAMES, detections.Settings())["boxes"]
    assert [box["box"] for box in boxes] == [[0.0, 0.0, 100.0, 100.0]]


def test_of_boxes_of_one_class_that_lie_upon_one_another_the_surest_is_kept() -> None:
    rows = raw(
        (20, 20, 10, 10, 0.6, 1, 0),
        (21, 20, 10, 10, 0.9, 1, 0),
        (20, 20, 10, 10, 0.7, 0, 1),
        (50, 50, 10, 10, 0.5, 1, 0),
    )
    boxes = detections.answer(rows, picture(64, 64), NAMES, detections.Settings())["boxes"]
    assert [(box["label"], box["confidence"]) for box in boxes] == [("cat", 0.9), ("dog", 0.7), ("cat", 0.5)]


def test_boxes_that_are_not_sure_enough_are_left_out() -> None:
    rows = raw((20, 20, 10, 10, 0.6, 0.5, 0))
    assert detections.answer(rows, picture(64, 64), NAMES, detections.Settings(confidence=0.31))["boxes"] == []
    assert len(detections.answer(rows, picture(64, 64), NAMES, detections.Settings(confidence=0.29))["boxes"]) == 1


def test_many_candidates_are_answered_with_a_bounded_number() -> None:
    centres = [(8 + 16 * (number % 40), 8 + 16 * (number // 40)) for number in range(1600)]
    rows = raw(*[(x, y, 8, 8, 0.5, 1, 0) for x, y in centres])
    boxes = detections.answer(rows, picture(640, 640, 640), NAMES, detections.Settings())["boxes"]
    assert len(boxes) == detections.MOST_BOXES


def test_a_turned_photo_is_seen_upright() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    framed = detections.read(encoded(200, 100, "JPEG", exif=turned), "image/jpeg", 64)
    assert (framed.width, framed.height) == (100, 200)


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b"text", "image/png", "no JPEG or PNG picture"),
        (encoded(40, 40)[:60], "image/png", "no JPEG or PNG picture"),
        (encoded(4, 4, "GIF"), "image/png", "no JPEG or PNG picture"),
        (encoded(4, 4), "text/csv", "content type text/csv"),
        (b"x" * 20_000_001, "image/jpeg", "20000001 bytes"),
    ],
)
def test_a_body_that_is_no_picture_is_the_callers_fault(body: bytes, kind: str, reason: str) -> None:
    with pytest.raises(detections.Problem, match=reason):
        detections.read(body, kind, 64)


def test_a_picture_is_refused_by_its_pixels_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detections, "MOST_PIXELS", 99)
    with pytest.raises(detections.Problem, match="10 x 10 pixels; the limit is 99"):
        picture(10, 10)


def test_the_endpoints_variables_are_checked_and_a_size_between_strides_is_taken_up() -> None:
    assert detections.settings({}) == ("custom", 640, 0.25, 0.45)
    assert detections.settings({"size": "415", "model_name": "yolov5s"}).size == 416
    for wrong in ({"size": "x"}, {"size": "4096"}, {"confidence": "1"}, {"overlap": "0"}):
        with pytest.raises(detections.Problem):
            detections.settings(wrong)


def test_an_export_is_preferred_to_the_checkpoint_it_was_made_of(tmp_path: Path) -> None:
    folder = tmp_path / "tutorial" / "weights"
    folder.mkdir(parents=True)
    (folder / "best.pt").touch()
    assert inference.weights(tmp_path, "custom").name == "best.pt"
    (folder / "best.torchscript").touch()
    assert inference.weights(tmp_path, "custom").name == "best.torchscript"
    with pytest.raises(RuntimeError, match=r"no yolov5s\.pt"):
        inference.weights(tmp_path, "yolov5s")


def test_the_names_of_classes_are_a_list_or_an_object() -> None:
    assert inference.named(["cat", "dog"]) == inference.named({"0": "cat", 1: "dog"}) == NAMES


def test_the_scripts_are_python_of_their_image() -> None:
    assert older_python(SOURCE, (3, 8)) == []
