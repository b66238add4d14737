"""The newest complete dataset of an algorithm, and whether it was trained on already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from functions.aws.services import is_no_object
from functions.catalogue.catalogue import Algorithm
from functions.jobs import ids, jobs
from functions.jobs.job import Job, Source, Status
from functions.uploads import keys

if TYPE_CHECKING:
    from datetime import datetime

    from functions.aws.services import Services


@dataclass(frozen=True, slots=True)
class Dataset:
    """One version of the object that starts a training: the data file, or the `_SUCCESS` marker of a folder."""

    source: Source
    etag: str

    @property
    def job_id(self) -> str:
        """The id that claiming its upload derives."""
        return ids.derived(self.source.bucket, self.source.key, self.source.version_id or self.etag)


def newest(algorithm: Algorithm, services: Services) -> Dataset | None:
    """Returns the dataset that was completed last, by S3's LastModified (then by key); None if there is none."""
    latest = max(_candidates(algorithm, services), default=None)
    return find(services.settings.uploads_bucket, latest[1], services) if latest else None


def find(bucket: str, key: str, services: Services) -> Dataset | None:
    """Returns the object's present version; None if it is not there."""
    try:
        head = services.s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if is_no_object(error):
            return None
        raise
    version = head.get("VersionId")
    source = Source(bucket, key, version if version and version != "null" else None)
    return Dataset(source, head["ETag"].strip('"'))


def _candidates(algorithm: Algorithm, services: Services) -> Iterator[tuple[datetime, str]]:
    pages = services.s3.get_paginator("list_objects_v2").paginate(
        Bucket=services.settings.uploads_bucket, Prefix=f"datasets/{algorithm.name}/"
    )
    for page in pages:
        for entry in page.get("Contents", []):
            if starts_training(algorithm, entry["Key"]):
                yield entry["LastModified"], entry["Key"]


def starts_training(algorithm: Algorithm, key: str) -> bool:
    """Tells whether the object at `key` is one that a training of `algorithm` begins with."""
    match keys.read(key):
        case keys.DatasetKey() as dataset if dataset.algorithm == algorithm.name:
            in_place = dataset.in_dataset or not keys.is_marker(key)
            return in_place and not keys.is_hyperparameters(key) and keys.matches(algorithm.pattern, dataset.filename)
        case _:
            return False


def trained_as(dataset: Dataset, services: Services) -> Job | None:
    """Returns the job that has processed this version of the dataset, or is at it.

    Its id is the derived one for an upload straight to S3, and any other for one that came through the API. A PENDING
    job has not begun: its upload event may have been lost, so it does not count.
    """
    source = dataset.source
    for version in filter(None, (source.version_id, dataset.etag)):
        job = jobs.get(services, ids.derived(source.bucket, source.key, version))
        if job is not None and _same(job, dataset) and job.status is not Status.PENDING:
            return job
    earlier = jobs.of_object(services, source.bucket, source.key)
    return next((job for job in earlier if _same(job, dataset) and job.status is not Status.PENDING), None)


def _same(job: Job, dataset: Dataset) -> bool:
    """Tells whether the job was about this version. A job that knows no version is recognised by its content."""
    version = job.source.version_id if job.source else None
    if version and dataset.source.version_id:
        return version == dataset.source.version_id
    return job.etag == dataset.etag
