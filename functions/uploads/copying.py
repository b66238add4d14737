"""Copying versions of objects to the artifacts bucket: S3 moves the bytes, this asks and bounds.

CopyObject takes 5 GB at most, larger objects go part by part
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/CopyingObjectsMPUapi.html). A repeat copies the same bytes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from functions.aws.services import error_code
from functions.jobs.errors import InputNotCopied

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CopySourceTypeDef

    from functions.aws.services import Services

LARGEST_WHOLE = 2**30
"""Bytes. S3 would take five times as much, but parts are copied side by side."""
PART = 2**29
MAX_PARTS = 10_000

_AT_ONCE = 10
"""As many connections as botocore keeps."""
_GONE = {"404", "NoSuchKey", "NoSuchVersion", "NotFound"}


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object; without an id in a bucket that keeps none, where the ETag tells it."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int

    def as_source(self) -> CopySourceTypeDef:
        """Returns it as the source of a copy."""
        source: CopySourceTypeDef = {"Bucket": self.bucket, "Key": self.key}
        return {**source, "VersionId": self.version_id} if self.version_id else source


@dataclass(frozen=True, slots=True)
class Copy:
    """A version, and the key in the artifacts bucket that is to hold it."""

    version: Version
    key: str


def copy(copies: Sequence[Copy], services: Services, has_time: Callable[[], bool]) -> None:
    """Makes all copies, several at once.

    Raises:
        InputNotCopied: an object is gone or was overwritten, or `has_time` says no before the last is begun.
    """
    copier = _Copier(services, has_time, len(copies), sum(copy.version.size for copy in copies))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            list(pool.map(copier.whole, [copy for copy in copies if copy.version.size <= LARGEST_WHOLE]))
            for large in (copy for copy in copies if copy.version.size > LARGEST_WHOLE):
                copier.in_parts(large, pool)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@dataclass(frozen=True, slots=True)
class _Copier:
    services: Services
    has_time: Callable[[], bool]
    files: int
    size: int

    def whole(self, copy: Copy) -> None:
        self._check_time()
        with explained(copy.version.bucket, copy.version.key):
            self.services.s3.copy_object(
                Bucket=self.services.settings.artifacts_bucket,
                Key=copy.key,
                CopySource=copy.version.as_source(),
                CopySourceIfMatch=copy.version.etag,
                # Else the tags would be copied too, which asks for permissions of their own.
                TaggingDirective="REPLACE",
            )

    def in_parts(self, copy: Copy, pool: ThreadPoolExecutor) -> None:
        bucket = self.services.settings.artifacts_bucket
        upload_id = self.services.s3.create_multipart_upload(Bucket=bucket, Key=copy.key)["UploadId"]
        try:
            numbered = enumerate(_ranges(copy.version.size), 1)
            parts = list(pool.map(lambda part: self._part(copy, upload_id, *part), numbered))
            self.services.s3.complete_multipart_upload(
                Bucket=bucket, Key=copy.key, UploadId=upload_id, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            # What other parts still put in after this is deleted by the bucket's lifecycle.
            self.services.s3.abort_multipart_upload(Bucket=bucket, Key=copy.key, UploadId=upload_id)
            raise

    def _part(self, copy: Copy, upload_id: str, number: int, span: str) -> CompletedPartTypeDef:
        self._check_time()
        with explained(copy.version.bucket, copy.version.key):
            response = self.services.s3.upload_part_copy(
                Bucket=self.services.settings.artifacts_bucket,
                Key=copy.key,
                UploadId=upload_id,
                PartNumber=number,
                CopySource=copy.version.as_source(),
                CopySourceIfMatch=copy.version.etag,
                CopySourceRange=span,
            )
        return {"PartNumber": number, "ETag": response["CopyPartResult"]["ETag"]}

    def _check_time(self) -> None:
        if not self.has_time():
            raise InputNotCopied(
                "the upload is too large to be copied to its run in time"
                f" (files: {self.files:,}, together {self.size / 1e9:,.1f} GB)"
            )


@contextmanager
def explained(bucket: str, key: str) -> Iterator[None]:
    """Raises InputNotCopied where S3 says that the object, or this version of it, is not there (any more)."""
    try:
        yield
    except ClientError as error:
        if error_code(error) in _GONE:
            raise InputNotCopied(f"'{key}' is no longer in the bucket {bucket}") from error
        if error_code(error) == "PreconditionFailed":
            raise overwritten(key) from error
        raise


def overwritten(key: str) -> InputNotCopied:
    return InputNotCopied(f"'{key}' was overwritten before it could be copied; the newer upload is a job of its own")


def _ranges(size: int) -> Iterator[str]:
    """Tells the first and last byte of each part."""
    length = max(PART, -(-size // MAX_PARTS))
    for begin in range(0, size, length):
        yield f"bytes={begin}-{min(begin + length, size) - 1}"
