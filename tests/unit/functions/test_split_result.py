"""From the model's array to JPEG files: the same pixels as NumPy and Pillow give, and no trust in the file."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from functions import split_result
from functions.aws import times
from functions.images import npy, results, tiles
from functions.jobs import ids, jobs
from functions.jobs.errors import ResultInvalid
from functions.jobs.job import Kind, Status
from tests.unit.functions.cloud import ARTIFACTS, Cloud, Context, new_job

JOB_ID = ids.derived("b", "k", "v")
LABELS = ["ORIGINAL", "20-30", "30-40", "50-60", "70-80"]


def strip(size: int, count: int, order: str = "C", seed: int = 1) -> Any:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size * count, 3), dtype=np.uint8)
    return np.asfortranarray(pixels) if order == "F" else pixels


def saved(array: Any, version: tuple[int, int] | None = None, *, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version, allow_pickle=allow_pickle)
    return file.getvalue()


def with_header(header: bytes, body: bytes = b"", version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + body


@given(
    size=st.integers(1, 24),
    count=st.integers(1, npy.MAX_TILES),
    order=st.sampled_from("CF"),
    version=st.sampled_from([(1, 0), (2, 0), (3, 0)]),
    seed=st.integers(0, 99),
)
def test_every_tile_has_the_pixels_that_numpy_reads(
    size: int, count: int, order: str, version: tuple[int, int], seed: int
) -> None:
    array = strip(size, count, order, seed)
    data = saved(array, version if version != (3, 0) else (3, 0))
    found = npy.read(data)
    assert (found.size, found.count) == (size, count)
    for index in range(count):
        expected = array[:, index * size : (index + 1) * size]
        assert np.array_equal(np.asarray(tiles.cut(data, found, index)), expected)


def test_the_files_are_those_of_pillow_tile_by_tile() -> None:
    array = strip(64, 5)
    data = saved(array)
    found = npy.read(data)
    with tiles.JpegEncoder() as encoder:
        ours = list(encoder.map(lambda index: encoder.encode(tiles.cut(data, found, index)), range(5)))
    for index, body in enumerate(ours):
        file = io.BytesIO()
        Image.fromarray(array[:, index * 64 : (index + 1) * 64]).save(file, "JPEG", quality=92)
        assert body == file.getvalue()


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(ResultInvalid):
        npy.read(data)


@given(st.binary(max_size=300), st.integers(0, 4))
def test_any_header_is_read_or_refused(header: bytes, version: int) -> None:
    with pytest.raises(ResultInvalid):
        npy.read(with_header(header, version=version))


@given(st.integers(0, 300))
def test_a_file_cut_anywhere_is_refused(length: int) -> None:
    whole = saved(strip(4, 4))
    with pytest.raises(ResultInvalid):
        npy.read(whole[: min(length, len(whole) - 1)])


class Evil:
    def __reduce__(self) -> Any:
        raise AssertionError("never pickled or unpickled here")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a .npy file"),
        (pickle.dumps([1]), "not a .npy file"),
        (
            saved(np.array([{"a": 1}], dtype=object), allow_pickle=True),
            "pickled Python objects, which are never loaded",
        ),
        (saved(np.zeros((4, 8, 3), np.float32)), "the type '<f4'; expected uint8"),
        (saved(np.zeros((4, 8, 3), np.int8)), "expected uint8"),
        (saved(np.zeros(4, [("a", "u1")])), "structured array"),
        (saved(np.zeros((4, 9, 3), np.uint8)), r"the shape \(4, 9, 3\)"),
        (saved(np.zeros((4, 8, 4), np.uint8)), "shape"),
        (saved(np.zeros((4, 8), np.uint8)), "shape"),
        (saved(np.zeros((0, 0, 3), np.uint8)), "shape"),
        (saved(np.zeros((1, 33, 3), np.uint8)), "n from 1 to 32"),
        (saved(np.zeros((8, 4, 3), np.uint8)), "shape"),
        (saved(strip(4, 2))[:-1], "cut short: its header promises 96 bytes, 95 are there"),
        (saved(strip(4, 2)) + b"x", "1 bytes after its array"),
        (with_header(b"{'descr': '|u1', 'fortran_order': False}"), "exactly descr, fortran_order and shape"),
        (with_header(b"{'descr': '|u1', 'fortran_order': 0, 'shape': (1, 1, 3)}"), "neither True nor False"),
        (with_header(b"{'descr': '|u1', 'fortran_order': False, 'shape': (True, True, 3)}", b"abc"), "shape"),
        (with_header(b"__import__('os').system('true')"), "not a dictionary of literals"),
        (with_header(b"(" * 9000, version=2), "not a dictionary of literals"),
        (with_header(b" " * 20_000, version=2), "claims 20000 bytes"),
        (with_header(b"{}", version=9), "version 9"),
        (b"\x93NUMPY\x01\x00\xff", "ends within its header"),
    ],
)
def test_what_is_no_strip_of_images_is_refused_with_a_reason(data: bytes, words: str) -> None:
    with pytest.raises(ResultInvalid, match=words):
        npy.read(data)


def split(cloud: Cloud, data: bytes, labels: list[str] = LABELS) -> dict[str, Any]:
    cloud.put("async/out.npy", data, ARTIFACTS)
    output = {"bucket": ARTIFACTS, "key": "async/out.npy"}
    event = {"job_id": JOB_ID, "algorithm": "face_aging", "output": output, "labels": labels}
    return dict(split_result.handler(event, Context()))


def test_five_images_a_manifest_and_the_job(cloud: Cloud) -> None:
    steps = ["StartInference", "SplitResult"]
    jobs.create(cloud.services, new_job(JOB_ID, Kind.FACE, Status.INPROGRESS, times.iso(cloud.clock()), steps=steps))
    answer = split(cloud, saved(strip(32, 5)))
    rows = [
        {"index": index, "label": label, "key": f"results/{JOB_ID}/{index}.jpg"} for index, label in enumerate(LABELS)
    ]
    assert answer == {"results": rows}
    manifest = json.loads(cloud.s3.get_object(Bucket=ARTIFACTS, Key=f"results/{JOB_ID}/manifest.json")["Body"].read())
    assert (manifest["job_id"], manifest["count"], manifest["tile_size"]) == (JOB_ID, 5, 32)
    for told in manifest["results"]:
        stored = cloud.s3.get_object(Bucket=ARTIFACTS, Key=told["key"])
        body = stored["Body"].read()
        assert (told["size"], told["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
        assert stored["ContentType"] == "image/jpeg"
        assert Image.open(io.BytesIO(body)).size == (32, 32)
    job = jobs.get(cloud.services, JOB_ID)
    assert job is not None
    assert job.results == rows
    assert job.steps_done == 2


def test_another_number_of_images_than_labels_gets_generated_labels(cloud: Cloud) -> None:
    answer = split(cloud, saved(strip(8, 2)))
    assert [result["label"] for result in answer["results"]] == ["IMAGE-0", "IMAGE-1"]


def test_a_result_that_is_gone_or_too_large_is_refused(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    event = {"job_id": JOB_ID, "algorithm": "a", "output": {"bucket": ARTIFACTS, "key": "gone"}, "labels": []}
    with pytest.raises(ResultInvalid, match="not in the bucket"):
        split_result.handler(event, Context())
    monkeypatch.setattr(results, "MAX_BYTES", 10)
    with pytest.raises(ResultInvalid, match="at most"):
        split(cloud, saved(strip(8, 2)))


def test_images_larger_than_jpeg_can_hold_are_refused(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "MAX_SIZE", 7)
    with pytest.raises(ResultInvalid, match="8 pixels a side"):
        split(cloud, saved(strip(8, 2)))
