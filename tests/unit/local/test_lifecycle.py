"""Lifecycle rules remove what is due, and nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from local.lifecycle import Lifecycle, _due
from tests.unit.memory import mock_aws

NOW = datetime.now(UTC)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="kept")
        yield client


def rules(s3: Any, *listed: dict[str, Any]) -> None:
    named = [{"ID": str(number), "Status": "Enabled", "Filter": {}, **rule} for number, rule in enumerate(listed)]
    s3.put_bucket_lifecycle_configuration(Bucket="kept", LifecycleConfiguration={"Rules": named})


def put(s3: Any, *keys: str, **options: Any) -> None:
    for key in keys:
        s3.put_object(Bucket="kept", Key=key, Body=b"x", **options)


def left(s3: Any) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket="kept").get("Contents", [])]


def sweep(s3: Any, days: float) -> int:
    return Lifecycle(lambda _: s3).sweep(NOW + timedelta(days=days))


def test_answers_go_when_they_are_due_and_their_neighbours_stay(s3: Any) -> None:
    rules(s3, {"Filter": {"Prefix": "async/"}, "Expiration": {"Days": 14}})
    put(s3, "async/a.out", "results/a.png")
    assert sweep(s3, 13.9) == 0
    assert sweep(s3, 15.1) == 1
    assert left(s3) == ["results/a.png"]


def test_a_rule_of_before_filters_has_a_prefix_of_its_own(s3: Any) -> None:
    s3.put_bucket_lifecycle_configuration(
        Bucket="kept",
        LifecycleConfiguration={"Rules": [{"Prefix": "async/", "Status": "Enabled", "Expiration": {"Days": 1}}]},
    )
    put(s3, "async/a", "b")
    assert sweep(s3, 3) == 1
    assert left(s3) == ["b"]


def test_a_rule_that_is_switched_off_or_asks_for_a_tag_spares_the_rest(s3: Any) -> None:
    rules(
        s3,
        {"Status": "Disabled", "Expiration": {"Days": 1}},
        {"Filter": {"Tag": {"Key": "keep", "Value": "no"}}, "Expiration": {"Days": 1}},
    )
    put(s3, "tagged", Tagging="keep=no")
    put(s3, "plain")
    assert sweep(s3, 3) == 1
    assert left(s3) == ["plain"]


def test_replaced_versions_go_and_the_current_one_stays(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    rules(s3, {"NoncurrentVersionExpiration": {"NoncurrentDays": 90}})
    put(s3, "k", "k", "k")
    current = s3.head_object(Bucket="kept", Key="k")["VersionId"]
    assert sweep(s3, 80) == 0
    assert sweep(s3, 92) == 2
    assert [version["VersionId"] for version in s3.list_object_versions(Bucket="kept")["Versions"]] == [current]


def test_an_expired_object_of_a_versioned_bucket_can_be_had_again(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    rules(s3, {"Expiration": {"Days": 1}})
    put(s3, "k")
    assert sweep(s3, 3) == 1
    assert left(s3) == []
    assert len(s3.list_object_versions(Bucket="kept")["Versions"]) == 1


def test_a_delete_marker_with_nothing_behind_it_goes(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    rules(s3, {"Expiration": {"ExpiredObjectDeleteMarker": True}})
    put(s3, "kept", "gone")
    version = s3.head_object(Bucket="kept", Key="gone")["VersionId"]
    s3.delete_object(Bucket="kept", Key="kept")
    s3.delete_object(Bucket="kept", Key="gone")
    s3.delete_object(Bucket="kept", Key="gone", VersionId=version)
    assert sweep(s3, 0) == 1
    assert [marker["Key"] for marker in s3.list_object_versions(Bucket="kept")["DeleteMarkers"]] == ["kept"]


def test_uploads_that_nobody_ended_go(s3: Any) -> None:
    rules(s3, {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}})
    s3.create_multipart_upload(Bucket="kept", Key="k")
    # moto gives every upload the same day, long ago.
    assert sweep(s3, 0) == 1
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="kept")


def test_days_end_at_midnight() -> None:
    evening = datetime(2026, 1, 1, 22, 0, tzinfo=UTC)
    assert _due(evening, 1) == datetime(2026, 1, 3, tzinfo=UTC)
    assert _due(datetime(2026, 1, 1, tzinfo=UTC), 1) == datetime(2026, 1, 2, tzinfo=UTC)


def test_a_bucket_without_rules_keeps_everything(s3: Any) -> None:
    put(s3, "k")
    assert sweep(s3, 10_000) == 0
    lifecycle = Lifecycle(lambda _: s3)
    lifecycle.start()
    lifecycle.stop()
    assert left(s3) == ["k"]
