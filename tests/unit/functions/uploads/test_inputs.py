"""A job reads the version that it names, whatever becomes of its upload; equal content is one place for a cache."""

from __future__ import annotations

from typing import Any

import pytest

from functions import claim_upload
from functions.failures import failures
from functions.jobs import jobs
from functions.jobs.errors import InputNotCopied
from functions.jobs.job import Source
from functions.uploads import claims, copying, inputs
from functions.uploads.claims import Outcome
from functions.uploads.ledger import Decision
from tests.unit.functions.cloud import ARTIFACTS, UPLOADS, Cloud, Context, client_error, execution, uploaded

KEY = "datasets/decision_trees/iris/iris.csv"
JOB_ID = "0" * 26


@pytest.fixture(autouse=True)
def _catalogue(cloud: Cloud) -> None:
    cloud.version_uploads()
    cloud.publish("decision_trees")
    cloud.publish("cached", cache=True)
    cloud.publish("folders", trigger={"on": "upload", "pattern": "_SUCCESS"}, cache=True)
    cloud.publish_faces()


def claim(event: dict[str, Any], name: str = "e1", context: Context | None = None) -> dict[str, Any]:
    return claim_upload.handler({"input": event, "execution": execution(name)}, context or Context())


def read(cloud: Cloud, output: dict[str, Any]) -> bytes:
    """What a job reads."""
    key = output["input_uri"].removeprefix(f"s3://{ARTIFACTS}/")
    body: bytes = cloud.s3.get_object(Bucket=ARTIFACTS, Key=key)["Body"].read()
    return body


def files(cloud: Cloud, prefix: str) -> dict[str, bytes]:
    """The artifacts below a prefix, by the rest of their keys."""
    listed = cloud.s3.list_objects_v2(Bucket=ARTIFACTS, Prefix=prefix).get("Contents", [])
    return {
        entry["Key"].removeprefix(prefix): cloud.s3.get_object(Bucket=ARTIFACTS, Key=entry["Key"])["Body"].read()
        for entry in listed
    }


@pytest.mark.parametrize("key", [KEY, "datasets/cached/iris/iris.csv", "images/me 1+1 ñ.jpg"])
def test_each_job_of_an_upload_that_was_overwritten_reads_its_own_bytes(cloud: Cloud, key: str) -> None:
    for number in range(20):
        older = cloud.upload(key, b"older %d" % number, f"{number:04}A")
        newer = cloud.upload(key, b"newer %d" % number, f"{number:04}B")
        first, second = claim(older, f"a{number}"), claim(newer, f"b{number}")
        assert (read(cloud, first), read(cloud, second)) == (b"older %d" % number, b"newer %d" % number)
        for output in (first, second):
            assert files(cloud, f"runs/{output['job_id']}/input/") == {key.rsplit("/", 1)[-1]: read(cloud, output)}


def test_equal_content_is_one_place_for_cached_steps_and_new_content_is_another(cloud: Cloud) -> None:
    key = "datasets/cached/iris/iris.csv"
    first = claim(cloud.upload(key, b"1", "0A"), "e1")
    changed = claim(cloud.upload(key, b"2", "0B"), "e2")
    again = claim(cloud.upload(key, b"1", "0C"), "e3")
    elsewhere = claim(cloud.upload("datasets/cached/other/iris.csv", b"1"), "e4")
    assert len({output["job_id"] for output in (first, changed, again, elsewhere)}) == 4
    assert first["input_uri"] == again["input_uri"] == elsewhere["input_uri"] != changed["input_uri"]
    assert first["input_uri"].startswith(f"s3://{ARTIFACTS}/inputs/")
    assert read(cloud, first) == b"1"


def test_a_location_by_content_is_no_longer_than_one_by_job(cloud: Cloud) -> None:
    """What fits into a pipeline's parameter is decided before either is known."""
    plain, cached = claim(cloud.upload(KEY)), claim(cloud.upload("datasets/cached/iris/iris.csv"))
    assert len(cached["input_uri"]) <= len(plain["input_uri"])


def test_a_job_without_cached_steps_is_copied_once(cloud: Cloud) -> None:
    output = claim(cloud.upload(KEY))
    assert list(files(cloud, "")) == [f"runs/{output['job_id']}/input/iris.csv"]


def test_a_marker_takes_the_present_version_of_each_file_of_its_folder(cloud: Cloud) -> None:
    folder = "datasets/folders/may/"
    cloud.put(f"{folder}a.csv", b"too old")
    cloud.put(f"{folder}a.csv", b"a")
    cloud.put(f"{folder}deep/b.csv", b"b")
    cloud.put(f"{folder}gone.csv", b"gone")
    cloud.s3.delete_object(Bucket=UPLOADS, Key=f"{folder}gone.csv")
    cloud.put(f"{folder}empty/", b"")
    cloud.put("datasets/folders/may2/c.csv", b"c")
    output = claim(cloud.upload(f"{folder}_SUCCESS", b""))
    expected = {"a.csv": b"a", "deep/b.csv": b"b", "_SUCCESS": b""}
    assert files(cloud, f"runs/{output['job_id']}/input/") == expected
    location = output["input_uri"].removeprefix(f"s3://{ARTIFACTS}/")
    assert location.endswith("/")
    assert files(cloud, location) == expected
    cloud.put(f"{folder}a.csv", b"new")
    newer = claim(cloud.upload(f"{folder}_SUCCESS", b"", "0062"), "e2")
    assert newer["input_uri"] != output["input_uri"]
    assert files(cloud, location) == expected


def test_a_repeat_after_a_crash_copies_what_is_missing(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    event = cloud.upload(KEY, b"older")

    def crash(**_: Any) -> None:
        raise client_error("SlowDown", "Please reduce your request rate.")

    with monkeypatch.context() as patch:
        patch.setattr(cloud.services.s3, "copy_object", crash)
        with pytest.raises(Exception, match="reduce your request rate"):
            claim(event)
    cloud.put(KEY, b"newer")
    assert read(cloud, claim(event)) == b"older"


def test_a_large_object_is_copied_in_parts(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "LARGEST_WHOLE", 2**20)
    monkeypatch.setattr(copying, "PART", 5 * 2**20)
    body = bytes(range(256)) * 2**12 * 11
    event = cloud.upload(KEY, body)
    cloud.put(KEY, bytes(len(body)))
    output = claim(event)
    assert read(cloud, output) == body
    (entry,) = cloud.s3.list_objects_v2(Bucket=ARTIFACTS)["Contents"]
    assert entry["ETag"].strip('"').endswith("-3")


def test_a_part_is_larger_where_there_would_be_more_than_s3_takes() -> None:
    size = copying.PART * copying.MAX_PARTS + 1
    spans = list(copying._ranges(size))
    assert len(spans) <= copying.MAX_PARTS
    assert spans[-1].endswith(f"-{size - 1}")


def test_parts_that_came_too_late_are_given_up_and_leave_nothing(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "LARGEST_WHOLE", 1)
    version = copying.Version(UPLOADS, KEY, None, cloud.put(KEY)["ETag"].strip('"'), 8)
    with pytest.raises(InputNotCopied, match="too large to be copied to its run in time"):
        copying.copy([copying.Copy(version, "runs/x/input/iris.csv")], cloud.services, lambda: False)
    assert "Uploads" not in cloud.s3.list_multipart_uploads(Bucket=ARTIFACTS)


def test_an_upload_that_cannot_be_copied_in_time_fails_with_a_sentence(cloud: Cloud) -> None:
    event, context = cloud.upload(KEY), Context()
    context.remaining_ms = claim_upload.RESERVE_MS
    with pytest.raises(InputNotCopied, match="too large to be copied to its run in time") as caught:
        claim(event, context=context)
    state = {"failure": {"Error": "InputNotCopied", "Cause": f'{{"errorMessage": "{caught.value}"}}'}}
    recorded = failures.record({"input": event, "state": state, "execution": execution("e1")}, cloud.services)
    job = jobs.get(cloud.services, recorded.job_id)
    assert job is not None
    assert job.error == {"code": "InputNotCopied", "message": str(caught.value)}


def test_a_version_that_is_gone_is_said_in_words(cloud: Cloud) -> None:
    event = cloud.upload(KEY)
    version_id = event["detail"]["object"]["version-id"]
    cloud.s3.delete_object(Bucket=UPLOADS, Key=KEY, VersionId=version_id)
    with pytest.raises(InputNotCopied, match=f"'{KEY}' is no longer in the bucket"):
        claim(event)


def test_without_versions_an_overwritten_upload_is_not_taken_for_the_older_one(cloud: Cloud) -> None:
    cloud.put(KEY, b"newer")
    event = uploaded(KEY, version_id=None, etag="0123456789abcdef0123456789abcdef")
    with pytest.raises(InputNotCopied, match="was overwritten before it could be copied"):
        claim(event)


def test_what_is_overwritten_between_the_look_and_the_copy_is_not_copied(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = cloud.put(KEY, b"older")["ETag"].strip('"')
    cloud.put(KEY, b"newer")

    def copy_as_s3_does(*, CopySource: Any, CopySourceIfMatch: str, **_: Any) -> None:  # noqa: N803
        """moto does not know the condition."""
        if cloud.s3.head_object(**CopySource)["ETag"].strip('"') != CopySourceIfMatch:
            raise client_error("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")

    monkeypatch.setattr(cloud.services.s3, "copy_object", copy_as_s3_does)
    copy = copying.Copy(copying.Version(UPLOADS, KEY, None, etag, 5), "runs/x/input/iris.csv")
    with pytest.raises(InputNotCopied, match="was overwritten before it could be copied"):
        copying.copy([copy], cloud.services, lambda: True)


def test_a_folder_of_too_many_files_is_refused(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_OBJECTS", 2)
    for number in range(3):
        cloud.put(f"datasets/folders/may/{number}.csv")
    with pytest.raises(InputNotCopied, match="'datasets/folders/may/' has more than 2 files"):
        claim(cloud.upload("datasets/folders/may/_SUCCESS", b""))


def test_a_name_that_does_not_fit_below_the_run_is_refused(cloud: Cloud) -> None:
    with pytest.raises(InputNotCopied, match="too long: an S3 key has at most 1024 bytes"):
        claim(cloud.upload(f"images/{'x' * 1010}.jpg"))


def test_the_dataset_of_a_direct_run_is_copied_too(cloud: Cloud) -> None:
    put = cloud.put(KEY, b"older")
    cloud.put(KEY, b"newer")
    source = Source(UPLOADS, KEY, put["VersionId"])
    output = claim({"job_id": JOB_ID, "algorithm": "decision_trees", "source": source.as_dict()})
    assert output["input_uri"] == f"s3://{ARTIFACTS}/runs/{JOB_ID}/input/iris.csv"
    assert read(cloud, output) == b"older"


def test_what_is_not_started_is_not_copied(cloud: Cloud) -> None:
    event = cloud.upload(KEY)
    claims.claim(event, execution("e1"), cloud.services)
    assert claim(event, "e2")["decision"] == "duplicate"
    assert inputs.keep(Outcome(Decision.IGNORED), cloud.services, lambda: False) == Outcome(Decision.IGNORED)
    assert files(cloud, "") == {}
