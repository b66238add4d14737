"""Exactly one execution gets each upload, and every other delivery says why it does not."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from functions import claim_upload
from functions.aws import times
from functions.jobs import ids, jobs
from functions.jobs.errors import EventNotUnderstood
from functions.jobs.job import Job, Kind, Source, Status
from functions.uploads import claims, inputs, ledger
from tests.unit.functions.cloud import ARTIFACTS, UPLOADS, Cloud, Context, client_error, execution, new_job, uploaded

KEY = "datasets/decision_trees/iris/iris.csv"


@pytest.fixture(autouse=True)
def _catalogue(cloud: Cloud) -> None:
    cloud.publish("decision_trees")
    cloud.publish("folders", trigger={"on": "upload", "pattern": "_SUCCESS"})
    cloud.publish("nightly", trigger={"on": "schedule", "pattern": "*.csv"})
    cloud.publish_faces()


def claim(cloud: Cloud, event: dict[str, Any], name: str = "e1", machine: str = "training") -> dict[str, Any]:
    return claims.claim(event, execution(name, machine), cloud.services).as_output()


def kept(cloud: Cloud, event: dict[str, Any], name: str = "e1") -> dict[str, Any]:
    """What the state machine goes on with, once the input has been copied."""
    outcome = claims.claim(event, execution(name), cloud.services)
    return inputs.keep(outcome, cloud.services, lambda: True).as_output()


def pending(cloud: Cloud, key: str, job_id: str, kind: Kind = Kind.TRAINING) -> None:
    source = Source(UPLOADS, key, None)
    job = new_job(job_id, kind, Status.PENDING, times.iso(cloud.clock()), algorithm="decision_trees", source=source)
    jobs.create(cloud.services, job)


def job(cloud: Cloud, job_id: str) -> Job:
    found = jobs.get(cloud.services, job_id)
    assert found is not None
    return found


def decisions(cloud: Cloud, key: str = KEY) -> list[str]:
    return [delivery.decision.value for delivery in ledger.deliveries(cloud.services, f"{UPLOADS}/{key}")]


def test_the_first_delivery_of_a_dataset_starts_a_training(cloud: Cloud) -> None:
    cloud.version_uploads()
    event = cloud.upload(KEY)
    version_id = event["detail"]["object"]["version-id"]
    output = claim_upload.handler({"input": event, "execution": execution("e1")}, Context())
    job_id = ids.derived(UPLOADS, KEY, version_id)
    assert output == {
        "decision": "started",
        "job_id": job_id,
        "kind": "training",
        "algorithm": "decision_trees",
        "source": {"bucket": UPLOADS, "key": KEY, "version_id": version_id},
        "pipeline_name": "headrace-test-decision-trees",
        "pipeline_seconds": 86400,
        "input_uri": f"s3://{ARTIFACTS}/runs/{job_id}/input/iris.csv",
        "hyperparameters": {},
    }
    row = job(cloud, job_id)
    assert row.status is Status.INPROGRESS
    assert row.links == {"execution": execution("e1")}
    assert row.steps == ["Process", "Train", "Evaluate", "CheckQuality", "Register", "Deploy"]
    assert decisions(cloud) == ["started"]


def test_a_photo_starts_a_face_job(cloud: Cloud) -> None:
    output = claim(cloud, uploaded("images/me.jpg"), machine="face-processing")
    assert output["decision"] == "started"
    assert output["kind"] == "face"
    assert output["endpoint"] == "headrace-test-face-aging"
    assert output["labels"][0] == "ORIGINAL"
    assert "pipeline_name" not in output


def test_second_delivery_of_an_upload_starts_nothing(cloud: Cloud) -> None:
    first = claim(cloud, uploaded(KEY), "e1")
    second = claim(cloud, uploaded(KEY), "e2")
    assert second["decision"] == "duplicate"
    assert second["job_id"] == first["job_id"]
    assert sorted(decisions(cloud)) == ["duplicate", "started"]


def test_five_deliveries_at_once_give_one_run_and_four_visible_duplicates(cloud: Cloud) -> None:
    barrier = threading.Barrier(5)

    def deliver(number: int) -> str:
        barrier.wait()
        return str(claim(cloud, uploaded(KEY), f"e{number}")["decision"])

    with ThreadPoolExecutor(5) as pool:
        found = sorted(pool.map(deliver, range(5)))
    assert found == ["duplicate"] * 4 + ["started"]
    assert sorted(decisions(cloud)) == found
    assert job(cloud, ids.derived(UPLOADS, KEY, "v1")).status is Status.INPROGRESS


def test_five_different_versions_at_once_run_once_each_or_are_stale(cloud: Cloud) -> None:
    barrier = threading.Barrier(5)

    def deliver(number: int) -> str:
        barrier.wait()
        event = uploaded(KEY, f"00{number}", version_id=f"v{number}", etag=f"e{number}")
        return str(claim(cloud, event, f"e{number}")["decision"])

    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(deliver, range(5)))
    assert set(found) <= {"started", "stale"}
    # The newest always runs.
    assert found[4] == "started"


def test_an_older_upload_that_comes_late_is_stale(cloud: Cloud) -> None:
    newer = claim(cloud, uploaded(KEY, "00B", version_id="v2"), "e2")
    older = claim(cloud, uploaded(KEY, "00A", version_id="v1"), "e1")
    assert newer["decision"] == "started"
    assert older["decision"] == "stale"
    assert older["job_id"] == newer["job_id"]
    assert decisions(cloud) == ["stale", "started"]


def test_a_newer_upload_starts_again(cloud: Cloud) -> None:
    first = claim(cloud, uploaded(KEY, "0A", version_id="v1"), "e1")
    second = claim(cloud, uploaded(KEY, "0B", version_id="v2"), "e2")
    assert second["decision"] == "started"
    assert second["job_id"] != first["job_id"]


def test_a_repeat_of_the_same_execution_is_started_again_as_the_same_job(cloud: Cloud) -> None:
    first = claim(cloud, uploaded(KEY), "e1")
    assert claim(cloud, uploaded(KEY), "e1") == first
    assert decisions(cloud) == ["started"]


class Crash(Exception):
    """The Lambda was killed."""


@pytest.mark.parametrize("at_write", [1, 2, 3, 4])
def test_a_crash_between_any_two_writes_is_repaired_by_the_retry(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, at_write: int
) -> None:
    pending(cloud, made := f"datasets/decision_trees/{ids.derived('a', 'b', 'c')}/x.csv", ids.derived("a", "b", "c"))
    for key in (KEY, made):
        _crash_at(cloud, monkeypatch, at_write, key)
        output = claim(cloud, uploaded(key), "e1")
        assert output["decision"] == "started"
        assert job(cloud, output["job_id"]).status is Status.INPROGRESS
        assert claim(cloud, uploaded(key), "e2")["decision"] == "duplicate"


def _crash_at(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, at_write: int, key: str) -> None:
    writes = 0
    client = cloud.services.dynamodb
    real = {name: getattr(client, name) for name in ("put_item", "update_item")}

    def counted(name: str) -> Any:
        def write(**request: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes == at_write:
                raise Crash
            return real[name](**request)

        return write

    with monkeypatch.context() as patch:
        for name in real:
            patch.setattr(client, name, counted(name), raising=False)
        with pytest.raises(Crash):
            claim(cloud, uploaded(key), "e1")


def test_the_id_the_api_gave_is_kept(cloud: Cloud) -> None:
    job_id = ids.ulid(cloud.clock())
    key = f"images/{job_id}/me.jpg"
    pending(cloud, key, job_id, Kind.FACE)
    output = claim(cloud, uploaded(key))
    assert (output["decision"], output["job_id"]) == ("started", job_id)
    assert job(cloud, job_id).status is Status.INPROGRESS
    assert claim(cloud, uploaded(key), "e2")["job_id"] == job_id


def test_an_id_in_the_key_that_nobody_gave_is_only_a_folder_name(cloud: Cloud) -> None:
    key = f"images/{ids.ulid(cloud.clock())}/me.jpg"
    assert claim(cloud, uploaded(key))["job_id"] == ids.derived(UPLOADS, key, "v1")


def test_an_id_given_for_another_object_is_not_taken(cloud: Cloud) -> None:
    job_id = ids.ulid(cloud.clock())
    pending(cloud, f"images/{job_id}/me.jpg", job_id, Kind.FACE)
    key = f"images/{job_id}/you.jpg"
    assert claim(cloud, uploaded(key))["job_id"] == ids.derived(UPLOADS, key, "v1")
    assert job(cloud, job_id).status is Status.PENDING


def test_a_second_version_under_an_api_id_is_a_job_of_its_own(cloud: Cloud) -> None:
    job_id = ids.ulid(cloud.clock())
    key = f"datasets/decision_trees/{job_id}/a.csv"
    pending(cloud, key, job_id)
    assert claim(cloud, uploaded(key, "0A", version_id="v1"), "e1")["job_id"] == job_id
    again = claim(cloud, uploaded(key, "0B", version_id="v2"), "e2")
    assert (again["decision"], again["job_id"]) == ("started", ids.derived(UPLOADS, key, "v2"))


def test_a_faster_version_may_take_the_api_id_after_we_read_it(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = ids.ulid(cloud.clock())
    key = f"datasets/decision_trees/{job_id}/a.csv"
    pending(cloud, key, job_id)
    real = ledger.claim

    def claim_after_another(*args: Any) -> Any:
        monkeypatch.setattr(ledger, "claim", real)
        claim(cloud, uploaded(key, "0A", version_id="v1"), "e1")
        return real(*args)

    monkeypatch.setattr(ledger, "claim", claim_after_another)
    output = claim(cloud, uploaded(key, "0B", version_id="v2"), "e2")
    assert (output["decision"], output["job_id"]) == ("started", ids.derived(UPLOADS, key, "v2"))
    head = ledger.head(cloud.services, f"{UPLOADS}/{key}")
    assert head is not None
    assert head.job_id == output["job_id"]


def test_identical_bytes_in_an_unversioned_bucket_are_not_processed_twice(cloud: Cloud) -> None:
    first = claim(cloud, uploaded(KEY, "0A", version_id=None), "e1")
    second = claim(cloud, uploaded(KEY, "0B", version_id=None), "e2")
    assert second["decision"] == "duplicate"
    assert second["reason"] == f"the same content is already being processed as job {first['job_id']}"
    jobs.fail(cloud.services, first["job_id"], execution("e1"), {"code": "X", "message": "y"})
    third = claim(cloud, uploaded(KEY, "0C", version_id=None), "e3")
    assert third["reason"] == f"the same content was already processed as job {first['job_id']}"


def test_a_version_that_the_event_does_not_tell_is_asked_for(cloud: Cloud) -> None:
    cloud.version_uploads()
    put = cloud.put(KEY)
    output = claim(cloud, uploaded(KEY, version_id=None, etag=put["ETag"].strip('"')))
    assert output["source"]["version_id"] == put["VersionId"]
    assert output["job_id"] == ids.derived(UPLOADS, KEY, put["VersionId"])
    other = claim(cloud, uploaded(KEY, "0062", version_id=None, etag="not the same"), "e2")
    assert other["source"]["version_id"] is None


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("datasets/nobody/d/a.csv", "the catalogue has no algorithm 'nobody'"),
        ("datasets/face_aging/d/a.csv", "face_aging cannot be trained"),
        ("datasets/a.csv", "does not fit datasets/<algorithm>/<dataset>/<file>"),
        ("datasets/folders/_SUCCESS", "does not fit datasets/<algorithm>/<dataset>/<file>"),
        ("batches/decision_trees/a.csv", "decision_trees answers no batches"),
        ("batches/face_aging/a.jpg", "face_aging answers no batches"),
        ("batches/nobody/a.csv", "the catalogue has no algorithm 'nobody'"),
        ("batches/a.csv", "does not fit batches/<algorithm>/<file>"),
        ("elsewhere/a.csv", "does not fit"),
        (f"datasets/decision_trees/d/{'x' * 980}.csv", "too long"),
    ],
)
def test_a_key_that_cannot_be_processed_is_rejected_and_has_a_job(cloud: Cloud, key: str, words: str) -> None:
    output = claim(cloud, uploaded(key))
    assert output["decision"] == "rejected"
    assert words in output["reason"]
    assert job(cloud, output["job_id"]).status is Status.INPROGRESS
    (found,) = jobs.of_object(cloud.services, UPLOADS, key)
    assert found.job_id == output["job_id"]
    assert claim(cloud, uploaded(key), "e2")["decision"] == "duplicate"


def test_an_empty_dataset_is_rejected(cloud: Cloud) -> None:
    output = claim(cloud, uploaded(KEY, size=0))
    assert output["decision"] == "rejected"
    assert "is empty" in output["reason"]


def test_photos_are_rejected_while_their_algorithm_is_not_published(cloud: Cloud) -> None:
    cloud.dynamodb.delete_item(TableName="headrace-test-algorithms", Key={"name": {"S": "face_aging"}})
    output = claim(cloud, uploaded("images/me.jpg"))
    assert output["reason"] == "the catalogue has no algorithm 'face_aging'"
    cloud.publish("face_aging", endpoint=None)
    assert "no endpoint" in claim(cloud, uploaded("images/you.jpg"))["reason"]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("datasets/decision_trees/iris/", "folder marker"),
        ("datasets/decision_trees/iris/readme.txt", "does not match '*.csv'"),
        ("datasets/folders/d/part-0.csv", "does not match '_SUCCESS'"),
        ("datasets/nightly/d/a.csv", "on its schedule"),
    ],
)
def test_what_starts_nothing_is_ignored_visibly_and_has_no_job(cloud: Cloud, key: str, words: str) -> None:
    output = claim(cloud, uploaded(key))
    assert output["decision"] == "ignored"
    assert words in output["reason"]
    assert decisions(cloud, key) == ["ignored"]
    assert list(jobs.of_object(cloud.services, UPLOADS, key)) == []
    assert ledger.head(cloud.services, f"{UPLOADS}/{key}") is None


@pytest.mark.parametrize(("key", "name"), [("batches/labels/a.jpg", "a.jpg"), ("batches/labels/may/_SUCCESS", "")])
def test_a_file_or_a_complete_folder_is_a_batch(cloud: Cloud, key: str, name: str) -> None:
    cloud.publish("labels", trainable=False, batch=True, endpoint=None, hyperparameters={}, retrain=None)
    output = kept(cloud, cloud.upload(key))
    assert (output["decision"], output["kind"]) == ("started", "batch")
    assert output["input_uri"] == f"s3://{ARTIFACTS}/runs/{output['job_id']}/input/{name}"


@pytest.mark.parametrize("key", ["batches/labels/may/a.jpg", "batches/labels/_SUCCESS"])
def test_a_part_of_a_batch_starts_nothing(cloud: Cloud, key: str) -> None:
    cloud.publish("labels", trainable=False, batch=True, endpoint=None, hyperparameters={}, retrain=None)
    assert claim(cloud, uploaded(key))["decision"] == "ignored"


def test_the_marker_starts_its_whole_folder(cloud: Cloud) -> None:
    output = kept(cloud, cloud.upload("datasets/folders/may/_SUCCESS", b""))
    assert output["decision"] == "started"
    assert output["input_uri"] == f"s3://{ARTIFACTS}/runs/{output['job_id']}/input/"
    assert output["source"]["key"] == "datasets/folders/may/_SUCCESS"


def test_a_key_with_spaces_plus_signs_and_letters_works(cloud: Cloud) -> None:
    key = "datasets/decision_trees/año 1+1/mis datos ñ+ü.csv"
    output = kept(cloud, cloud.upload(key))
    assert output["decision"] == "started"
    assert output["input_uri"] == f"s3://{ARTIFACTS}/runs/{output['job_id']}/input/mis datos ñ+ü.csv"


def run(job_id: str, **more: Any) -> dict[str, Any]:
    source = {"bucket": UPLOADS, "key": KEY, "version_id": "v1"}
    given = {"job_id": job_id, "algorithm": "decision_trees", "source": source, "hyperparameters": {}, "reason": "api"}
    return given | more


def test_a_direct_run_starts_with_its_hyperparameters(cloud: Cloud) -> None:
    job_id = ids.ulid(cloud.clock())
    output = claim(cloud, run(job_id, hyperparameters={"max_depth": 3}))
    assert output["decision"] == "started"
    assert output["hyperparameters"] == {"max_depth": 3}
    assert claim(cloud, run(job_id, hyperparameters={"max_depth": 3})) == output
    assert claim(cloud, run(job_id), "e2")["decision"] == "duplicate"


def test_a_direct_run_takes_over_the_row_that_the_api_wrote(cloud: Cloud) -> None:
    job_id = ids.ulid(cloud.clock())
    pending(cloud, KEY, job_id)
    assert claim(cloud, run(job_id))["decision"] == "started"
    assert job(cloud, job_id).status is Status.INPROGRESS


def test_an_upload_that_retraining_has_trained_already_is_a_duplicate(cloud: Cloud) -> None:
    job_id = ids.derived(UPLOADS, KEY, "v1")
    assert claim(cloud, run(job_id), "e1")["decision"] == "started"
    assert claim(cloud, uploaded(KEY), "e2")["decision"] == "duplicate"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"hyperparameters": {"max_depth": 0}},
            "hyperparameters.max_depth: expected an integer >= 1 and <= 64, found 0",
        ),
        ({"hyperparameters": {"max_depth": "two"}}, 'found "two"'),
        ({"hyperparameters": {"max_depth": True}}, "found true"),
        ({"hyperparameters": {"rate": -1}}, "expected a number >= 0"),
        ({"hyperparameters": {"rate": "nan"}}, "expected a number"),
        ({"hyperparameters": {"criterion": "luck"}}, "one of gini, entropy"),
        # A processing job's argument `--target=<value>` holds 256 characters.
        ({"hyperparameters": {"target": "x" * 248}}, "hyperparameters.target: expected text of at most 247 characters"),
        ({"hyperparameters": {"target": "a\0b"}}, "hyperparameters.target: expected text of at most 247 characters"),
        ({"hyperparameters": {"target": "a\nb"}}, "without control characters"),
        ({"hyperparameters": {"max_depth": "4\n"}}, "hyperparameters.max_depth: expected an integer"),
        ({"hyperparameters": {"max_depth": "1_0"}}, "expected an integer"),
        ({"hyperparameters": {"max_depth": 10**400}}, "expected an integer"),
        ({"hyperparameters": {"rate": 10**400}}, "expected a number"),
        ({"hyperparameters": {"rate": "\u0661"}}, "expected a number"),
        ({"hyperparameters": {"depth": 1}}, "has no such hyperparameter"),
        ({"source": None}, "'source' is missing"),
        ({"algorithm": "nobody"}, "no algorithm 'nobody'"),
        ({"source": {"bucket": UPLOADS, "key": "k" * 1024, "version_id": None}}, "too long"),
    ],
)
def test_a_direct_run_with_a_wrong_field_is_rejected_by_its_name(
    cloud: Cloud, given: dict[str, Any], words: str
) -> None:
    job_id = ids.ulid(cloud.clock())
    output = claim(cloud, run(job_id, **given))
    assert output["decision"] == "rejected"
    assert words in output["reason"]
    assert job(cloud, job_id).status is Status.INPROGRESS


@pytest.mark.parametrize(
    "given",
    [
        {"target": "x" * 247},
        {"target": "--año"},
        {"target": ""},
        {"max_depth": "+4"},
        {"rate": 1e-5},
        {"rate": "2.5E3"},
    ],
)
def test_a_hyperparameter_that_every_place_takes_is_taken(cloud: Cloud, given: dict[str, Any]) -> None:
    output = claim(cloud, run(ids.ulid(cloud.clock()), hyperparameters=given))
    assert output["decision"] == "started"
    assert output["hyperparameters"] == given


@pytest.mark.parametrize(("given", "words"), [([], "[]"), (5, "5"), (None, "null"), ("x" * 999, '"xxx'), ({}, "")])
def test_an_input_of_another_shape_is_told_in_words(cloud: Cloud, given: Any, words: str) -> None:
    with pytest.raises(EventNotUnderstood, match="neither an S3 event nor a run with a job_id") as caught:
        claim(cloud, given)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


def test_publishing_runs_the_pipeline_of_a_model_that_is_not_trained(cloud: Cloud) -> None:
    job_id = ids.ulid(cloud.clock())
    output = kept(cloud, run(job_id, algorithm="face_aging", source=None, reason="publish"))
    assert output["decision"] == "started"
    assert output["kind"] == "deployment"
    assert output["input_uri"] == ""


def test_an_error_of_dynamodb_is_not_taken_for_a_lost_race(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> Any:
        raise client_error("ProvisionedThroughputExceededException", "slow down")

    monkeypatch.setattr(cloud.services.dynamodb, "update_item", refuse, raising=False)
    with pytest.raises(ClientError):
        claim(cloud, uploaded(KEY))


hexadecimal = st.text("0123456789abcdefABCDEF", min_size=1, max_size=24)


@given(hexadecimal, hexadecimal)
def test_sequencers_compare_padded_on_the_right(one: str, other: str) -> None:
    width = max(len(one), len(other))
    expected = one.upper().ljust(width, "0") < other.upper().ljust(width, "0")
    assert (ledger.normalise(one) < ledger.normalise(other)) == expected


def test_trailing_zeros_and_case_do_not_make_another_sequencer() -> None:
    assert ledger.normalise("00a1") == ledger.normalise("00A100")
