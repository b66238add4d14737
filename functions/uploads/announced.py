"""Uploads that were announced and never sent: their jobs end when nobody can send them any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from functions.aws import presign, times
from functions.aws.services import is_no_object
from functions.jobs import jobs
from functions.jobs.job import Job, Kind, Status

if TYPE_CHECKING:
    from functions.aws.services import Services

EXPIRED = timedelta(seconds=presign.SECONDS) + timedelta(hours=2)
"""After its URL has expired no PUT begins; one that began before may be a large file on a slow line."""

WINDOW = timedelta(days=2)
"""As far back as a sweep looks: sweeps may have failed for that long."""

_KINDS = (Kind.TRAINING, Kind.FACE, Kind.CHAIN)
_ERROR = {"code": "UploadExpired", "message": "no file came before its URL expired: announce it again"}


def end_expired(services: Services, has_time: Callable[[], bool]) -> int:
    """Moves PENDING jobs whose file never came to FAILURE while `has_time`; returns how many.

    A file that is there all the same is left to its event, and to the retraining where that was lost.
    """
    end = services.now() - EXPIRED
    begin, until = times.iso(end - WINDOW), times.iso(end)
    count = 0
    for kind in _KINDS:
        for job in jobs.between(services, kind, Status.PENDING, begin, until):
            if not has_time():
                return count
            if "execution" not in job.links and not _is_there(job, services):
                count += jobs.fail(services, job.job_id, "", _ERROR)
    return count


def _is_there(job: Job, services: Services) -> bool:
    if job.source is None:
        return True
    try:
        services.s3.head_object(Bucket=job.source.bucket, Key=job.source.key)
    except ClientError as error:
        if is_no_object(error):
            return False
        raise
    return True
