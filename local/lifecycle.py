"""S3's lifecycle rules: what a bucket's configuration lets expire is removed, as S3 does once a day.

MiniStack keeps the configuration and does nothing with it, so that what a template lets go after two weeks (the
answers of asynchronous endpoints, 16 MB a photo) stayed for ever.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Document, Json

_FIRST_SECONDS, _EVERY_SECONDS = 60.0, 3600.0
_BATCH = 1000
"""Objects of one DeleteObjects."""

_log = logging.getLogger(__name__)


class Lifecycle:
    """Applies the rules of every bucket from time to time; `client` makes an S3 client of the local cloud."""

    def __init__(self, client: Callable[[str], Json]) -> None:
        self._client = client
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="lifecycle", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leaves what is not yet removed to the next start."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        # A laptop is seldom awake at midnight, when S3 does this.
        wait = _FIRST_SECONDS
        while not self._end.wait(wait):
            try:
                self.sweep(datetime.now(UTC))
            except (BotoCoreError, ClientError) as error:
                _log.warning("lifecycle rules could not be applied: %s", error)
            wait = _EVERY_SECONDS

    def sweep(self, now: datetime) -> int:
        """Removes what is due by now. Returns how many objects, versions and uploads that were."""
        s3, removed = self._client("s3"), 0
        for bucket in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
            for rule in _rules(s3, bucket):
                if self._end.is_set():
                    return removed
                removed += _Rule(s3, bucket, rule, now).apply()
        return removed


def _rules(s3: Json, bucket: str) -> list[Document]:
    try:
        rules: list[Document] = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchLifecycleConfiguration", "NoSuchBucket"):
            return []
        raise
    return [rule for rule in rules if rule["Status"] == "Enabled"]


class _Rule:
    """One rule of one bucket, at one moment."""

    def __init__(self, s3: Json, bucket: str, rule: Document, now: datetime) -> None:
        self._s3, self._bucket, self._rule, self._now = s3, bucket, rule, now
        narrowed = rule.get("Filter") or {}
        self._filter: Document = narrowed.get("And") or narrowed
        self._prefix = rule.get("Prefix") or self._filter.get("Prefix", "")
        tags = self._filter.get("Tags") or ([self._filter["Tag"]] if "Tag" in self._filter else [])
        self._tags = {tag["Key"]: tag["Value"] for tag in tags}

    def apply(self) -> int:
        expiration, noncurrent = self._rule.get("Expiration", {}), self._rule.get("NoncurrentVersionExpiration")
        removed = 0
        if "Days" in expiration or "Date" in expiration:
            removed += self._remove(self._expired(expiration))
        if noncurrent:
            removed += self._remove(self._replaced(noncurrent))
        if expiration.get("ExpiredObjectDeleteMarker"):
            removed += self._remove(self._lonely_markers())
        if "AbortIncompleteMultipartUpload" in self._rule:
            removed += self._abort(self._rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
        return removed

    def _pages(self, operation: str, member: str) -> Iterator[Document]:
        for page in self._s3.get_paginator(operation).paginate(Bucket=self._bucket, Prefix=self._prefix):
            yield from page.get(member, [])

    def _expired(self, expiration: Document) -> Iterator[Document]:
        for entry in self._pages("list_objects_v2", "Contents"):
            due = expiration.get("Date") or _due(entry["LastModified"], expiration["Days"])
            if due <= self._now and self._is_meant(entry):
                # Another object that came under this key meanwhile stays.
                yield {"Key": entry["Key"], "ETag": entry["ETag"]}

    def _replaced(self, expiration: Document) -> Iterator[Document]:
        """Yields the versions that have not been the current one for so long, save the newest few."""
        for versions in self._versions().values():
            noncurrent = list(zip(versions[1:], versions, strict=False))[expiration.get("NewerNoncurrentVersions", 0) :]
            for version, replacing in noncurrent:
                due = _due(replacing["LastModified"], expiration.get("NoncurrentDays", 0))
                if due <= self._now and self._is_meant(version):
                    yield {"Key": version["Key"], "VersionId": version["VersionId"]}

    def _lonely_markers(self) -> Iterator[Document]:
        for versions in self._versions().values():
            if len(versions) == 1 and "ETag" not in versions[0]:
                yield {"Key": versions[0]["Key"], "VersionId": versions[0]["VersionId"]}

    def _versions(self) -> Mapping[str, Sequence[Document]]:
        """Returns the versions by key, the newest first; a delete marker is a version without an ETag."""
        listed: dict[str, list[Document]] = {}
        for member in ("Versions", "DeleteMarkers"):
            for version in self._pages("list_object_versions", member):
                listed.setdefault(version["Key"], []).append(version)
        for versions in listed.values():
            versions.sort(key=lambda version: (version["IsLatest"], version["LastModified"]), reverse=True)
        return listed

    def _is_meant(self, entry: Document) -> bool:
        size = entry.get("Size", 0)
        if not self._filter.get("ObjectSizeGreaterThan", -1) < size < self._filter.get("ObjectSizeLessThan", size + 1):
            return False
        if not self._tags:
            return True
        version = {"VersionId": entry["VersionId"]} if "VersionId" in entry else {}
        tags = self._s3.get_object_tagging(Bucket=self._bucket, Key=entry["Key"], **version)["TagSet"]
        return self._tags.items() <= {tag["Key"]: tag["Value"] for tag in tags}.items()

    def _remove(self, entries: Iterator[Document]) -> int:
        # All of them before the first goes: a listing that is being read must not change.
        due = list(entries)
        for start in range(0, len(due), _BATCH):
            batch = {"Objects": due[start : start + _BATCH], "Quiet": True}
            self._s3.delete_objects(Bucket=self._bucket, Delete=batch)
        return len(due)

    def _abort(self, days: int) -> int:
        due = [
            upload
            for upload in self._pages("list_multipart_uploads", "Uploads")
            if _due(upload["Initiated"], days) <= self._now
        ]
        for upload in due:
            self._s3.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        return len(due)


def _due(since: datetime, days: int) -> datetime:
    """Returns the midnight (UTC) after so many days."""
    passed = since.astimezone(UTC) + timedelta(days=days)
    midnight = passed.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight == passed else midnight + timedelta(days=1)
