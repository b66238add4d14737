"""What object keys mean, and the two shapes of S3 event that carry them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.jobs import ids
from functions.jobs.errors import EventNotUnderstood
from functions.jobs.job import Source
from functions.uploads import events, keys
from functions.uploads.events import Run, Upload
from tests.unit.functions.cloud import uploaded

JOB_ID = ids.derived("b", "k", "v")
segments = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(segments, segments, segments)
def test_a_dataset_key_gives_back_its_parts(algorithm: str, dataset: str, filename: str) -> None:
    read = keys.read(f"datasets/{algorithm}/{dataset}/{filename}")
    assert isinstance(read, keys.DatasetKey)
    assert (read.algorithm, read.filename) == (algorithm, filename)
    assert read.in_dataset


@given(st.text(max_size=80))
def test_any_text_has_some_meaning(key: str) -> None:
    keys.read(key)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (f"datasets/trees/{JOB_ID}/a.csv", keys.DatasetKey),
        ("datasets/trees/a.csv", keys.DatasetKey),
        ("datasets/trees/", keys.Folder),
        ("datasets/a.csv", keys.UnfitKey),
        ("datasets//x/a.csv", keys.UnfitKey),
        ("images/me.jpg", keys.ImageKey),
        ("images//me.jpg", keys.UnfitKey),
        ("images", keys.UnfitKey),
        ("batches/trees/a.csv", keys.BatchKey),
        ("batches/trees/spring/_SUCCESS", keys.BatchKey),
        ("batches/a.csv", keys.UnfitKey),
        ("batches//a.csv", keys.UnfitKey),
        ("me.jpg", keys.UnfitKey),
        ("", keys.UnfitKey),
    ],
)
def test_keys_by_their_prefix(key: str, expected: type) -> None:
    assert isinstance(keys.read(key), expected)


def test_a_job_id_is_found_only_where_the_api_puts_it() -> None:
    assert keys.read(f"images/{JOB_ID}/me.jpg") == keys.ImageKey("me.jpg", JOB_ID)
    assert keys.read(f"images/x/{JOB_ID}/me.jpg") == keys.ImageKey("me.jpg", None)
    deeper = keys.read(f"datasets/trees/{JOB_ID}/part/a.csv")
    assert isinstance(deeper, keys.DatasetKey)
    assert deeper.job_id is None


def test_the_marker_stands_for_its_folder_and_any_other_key_for_itself() -> None:
    folder = keys.run_folder(JOB_ID)
    assert folder == f"runs/{JOB_ID}/input/"
    assert keys.input_uri("b", folder, "datasets/a/d/_SUCCESS") == f"s3://b/{folder}"
    assert keys.input_uri("b", folder, "datasets/a/d/x_SUCCESS") == f"s3://b/{folder}x_SUCCESS"
    assert keys.input_uri("b", folder, "datasets/a/d ü/1+1 %20.csv") == f"s3://b/{folder}1+1 %20.csv"


def test_a_pattern_is_matched_in_small_and_capital_letters() -> None:
    assert keys.matches("*.csv", "ä+b c.csv")
    assert keys.matches("*.csv", "X.CSV")
    assert keys.matches("Año*.[CT]SV", "AÑO 1.tsv")
    assert not keys.matches("*.csv", "a.csv.txt")


def test_the_marker_is_spelt_as_it_is() -> None:
    assert keys.matches("_SUCCESS", "_SUCCESS")
    assert not keys.matches("_SUCCESS", "a_SUCCESS")
    # The dataset would be this one file, which is no dataset.
    assert not keys.matches("_SUCCESS", "_success")


@given(st.text(max_size=300))
def test_a_safe_filename_is_one_segment_of_a_key(name: str) -> None:
    try:
        safe = keys.safe_filename(name)
    except keys.FilenameRejected:
        return
    assert 1 <= len(safe) <= keys.MAX_FILENAME
    assert "/" not in safe
    assert safe not in {".", ".."}
    assert keys.read(f"images/{JOB_ID}/{safe}") == keys.ImageKey(safe, JOB_ID)


@pytest.mark.parametrize("name", ["", "  ", ".", "..", "a/b", "a\\b", "a\x00b", "x" * 201])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(keys.FilenameRejected):
        keys.safe_filename(name)


def records(key: str, **more: Any) -> dict[str, Any]:
    found = {"key": key, "size": 3, "eTag": "e1", "versionId": "v1", "sequencer": "0A"} | more
    return {"Records": [{"s3": {"bucket": {"name": "b"}, "object": found}}]}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_both_shapes_of_event_tell_the_same_key(key: str) -> None:
    plain = events.parse(uploaded(key))
    encoded = events.parse(records(quote_plus(key, safe="/")))
    assert isinstance(plain, Upload)
    assert isinstance(encoded, Upload)
    assert plain.key == encoded.key == key


def test_an_eventbridge_key_is_not_decoded() -> None:
    upload = events.parse(uploaded("images/1+1 %2B.jpg"))
    assert isinstance(upload, Upload)
    assert upload.key == "images/1+1 %2B.jpg"


def test_the_version_called_null_is_none() -> None:
    upload = events.parse(records("a", versionId="null"))
    assert isinstance(upload, Upload)
    assert upload.version_id is None
    assert upload.version == "e1"


def test_a_direct_run() -> None:
    source = {"bucket": "b", "key": "k", "version_id": None}
    event = {"job_id": JOB_ID, "algorithm": "trees", "source": source, "hyperparameters": {"a": 1}, "reason": "api"}
    assert events.parse(event) == Run(JOB_ID, "trees", Source("b", "k", None), {"a": 1}, "api")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({}, "neither"),
        ({"detail": {}}, "no field"),
        ({"detail": None}, "malformed"),
        ({"Records": []}, "found 0"),
        ({"Records": [1, 2]}, "found 2"),
        ({"job_id": "x", "algorithm": "a"}, "not a job id"),
        ({"job_id": JOB_ID}, "'algorithm'"),
        ({"job_id": JOB_ID, "algorithm": "a", "source": "s3://b/k"}, "malformed"),
        (records("%ff"), "malformed"),
    ],
)
def test_an_input_that_is_not_understood_says_why(event: dict[str, Any], words: str) -> None:
    with pytest.raises(EventNotUnderstood, match=words):
        events.parse(event)
