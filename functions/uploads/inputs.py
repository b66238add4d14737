"""Keeping what a job was claimed with, so that whoever overwrites the upload meanwhile changes nothing of the job.

    runs/<job_id>/input/<file>     the claimed version; for a `_SUCCESS` marker, what its folder holds at the claim
    inputs/<content>/<file>        the same once more, for an algorithm with `cache`

The second is what a pipeline with cached steps reads. SageMaker compares the arguments of a step and never what lies
behind them (https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching.html), so the location has to be the
content: below a job's own folder nothing would ever be found again, and under the upload's name new content would be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.jobs import jobs
from functions.jobs.errors import InputNotCopied
from functions.jobs.job import Source
from functions.uploads import copying, keys
from functions.uploads.claims import Outcome
from functions.uploads.copying import Copy, Version
from functions.uploads.ledger import Decision

if TYPE_CHECKING:
    from functions.aws.services import Services

MAX_OBJECTS = 100_000
"""Of a folder. Copying them takes most of the time that a function has."""

_CONTENT_DIGITS = 30
"""120 bits; with them the folder's name is as long as a job's."""


def keep(outcome: Outcome, services: Services, has_time: Callable[[], bool]) -> Outcome:
    """Copies the input of a started job and notes what it runs with; the outcome has `input_uri`, "" for nothing.

    A repeat after a crash copies the same versions to the same keys.

    Raises:
        InputNotCopied: the text says why.
    """
    if outcome.decision is not Decision.STARTED:
        return outcome
    source = outcome.source
    # A run that is run again reads what the first one did.
    uri = outcome.started.get("input_uri") or (_kept(source, outcome, services, has_time) if source else "")
    jobs.remember(services, str(outcome.job_id), {**outcome.run, "input_uri": uri or None})
    return replace(outcome, started={**outcome.started, "input_uri": uri})


def _kept(source: Source, outcome: Outcome, services: Services, has_time: Callable[[], bool]) -> str:
    versions = _versions(source, outcome.etag, services)
    prefix = source.key.removesuffix(source.key.rsplit("/", 1)[-1])
    folder = keys.run_folder(str(outcome.job_id))
    copies = _copies(versions, prefix, folder)
    if outcome.cached:
        folder = f"inputs/{_content(versions, prefix)}/"
        present = _present(folder, services)
        copies += [copy for copy in _copies(versions, prefix, folder) if copy.key not in present]
    copying.copy(copies, services, has_time)
    return keys.input_uri(services.settings.artifacts_bucket, folder, source.key)


def _copies(versions: Sequence[Version], prefix: str, folder: str) -> list[Copy]:
    copies = [Copy(version, folder + version.key.removeprefix(prefix)) for version in versions]
    for copy in copies:
        if not keys.fits(copy.key):
            raise InputNotCopied(
                f"the name of '{copy.version.key[:80]}...' does not fit below {folder}: {keys.TOO_LONG}"
            )
    return copies


def _content(versions: Sequence[Version], prefix: str) -> str:
    """Returns a name for what the files are called and hold.

    By their ETags: bytes that were uploaded another way (in other parts) may have another, and are read anew.
    """
    lines = sorted(f"{version.key.removeprefix(prefix)}\n{version.etag}\n{version.size}" for version in versions)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_CONTENT_DIGITS]


def _versions(source: Source, etag: str | None, services: Services) -> list[Version]:
    """Returns the claimed version, and for a marker the versions its folder holds now."""
    claimed = _claimed(source, services)
    if source.version_id is None and etag and claimed.etag != etag:
        raise copying.overwritten(source.key)
    if not keys.is_marker(source.key):
        return [claimed]
    beside = [version for version in _listed(source, services) if version.key != source.key]
    return [claimed, *beside]


def _claimed(source: Source, services: Services) -> Version:
    version: dict[str, Any] = {"VersionId": source.version_id} if source.version_id else {}
    with copying.explained(source.bucket, source.key):
        head = services.s3.head_object(Bucket=source.bucket, Key=source.key, **version)
    return Version(source.bucket, source.key, source.version_id, head["ETag"].strip('"'), head["ContentLength"])


def _listed(source: Source, services: Services) -> Iterator[Version]:
    """Yields the present version of each file of a marker's folder."""
    prefix = source.key.removesuffix(keys.MARKER)
    pages = services.s3.get_paginator("list_object_versions").paginate(Bucket=source.bucket, Prefix=prefix)
    count = 0
    for page in pages:
        for entry in page.get("Versions", []):
            if not entry["IsLatest"] or entry["Key"].endswith("/") or keys.is_hyperparameters(entry["Key"]):
                continue
            count += 1
            if count > MAX_OBJECTS:
                raise InputNotCopied(
                    f"the folder '{prefix}' has more than {MAX_OBJECTS:,} files: pack them into fewer, larger ones"
                )
            version_id = None if entry["VersionId"] == "null" else entry["VersionId"]
            yield Version(source.bucket, entry["Key"], version_id, entry["ETag"].strip('"'), entry["Size"])


def _present(folder: str, services: Services) -> frozenset[str]:
    """Returns the keys that are in a content's folder already; whatever is there has been copied whole."""
    pages = services.s3.get_paginator("list_objects_v2").paginate(
        Bucket=services.settings.artifacts_bucket, Prefix=folder
    )
    return frozenset(entry["Key"] for page in pages for entry in page.get("Contents", []))
