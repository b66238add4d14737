"""What definitions refer to in the artifacts bucket. Keys carry their content's hash, so an object is there or is not.

Whatever is missing is fetched and packed into files while the plan is made: a repository that is gone or a file that
cannot be read ends publishing before anything was changed.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pipelines.problems import CompileError, PublishError
from pipelines.publishing.changes import Action, Change, Kind, Plan, Step, unchanged
from pipelines.publishing.publication import Publication
from pipelines.staging.uploads import Upload

_ADDRESS_PARTS: Final = 3
"""`sources/<algorithm>/<address>/...`: what one listing covers."""


def prefixes(uploads: Iterable[Upload]) -> tuple[str, ...]:
    """Returns the prefixes whose listings tell which of the uploads are there: one for each content address."""
    return tuple(dict.fromkeys("/".join(upload.key.split("/")[:_ADDRESS_PARTS]) for upload in uploads))


def listed(publication: Publication, prefix: str) -> frozenset[str]:
    """Returns the keys under a prefix."""
    paginator = publication.clients.s3.get_paginator("list_objects_v2")
    pages = paginator.paginate(Bucket=publication.environment.artifacts_bucket, Prefix=prefix)
    return frozenset(item["Key"] for page in pages for item in page.get("Contents", []))


def planned(
    publication: Publication, uploads: Iterable[Upload], there: frozenset[str], folder: Path, *, lenient: bool
) -> Plan:
    """Plans what is there and what is uploaded; the bodies of the latter are written into `folder`.

    Raises PublishError and, of a repository, CatalogueError or, unless `lenient`, CompileError when it does not answer.
    """
    steps: list[Step] = []
    notes: list[str] = []
    for number, upload in enumerate({upload.key: upload for upload in uploads}.values()):
        if upload.key in there:
            steps.append(unchanged(Kind.SOURCE, upload.key))
            continue
        try:
            steps.append(_upload(publication, upload, folder / str(number)))
        except CompileError as error:
            if not lenient:
                raise
            notes.append(f"{error}; not uploaded, so jobs that need it fail")
    return Plan.of(steps, notes)


def missing(uploads: Iterable[Upload], there: frozenset[str]) -> tuple[str, ...]:
    """Returns the keys that are not there."""
    return tuple(dict.fromkeys(upload.key for upload in uploads if upload.key not in there))


def _upload(publication: Publication, upload: Upload, file: Path) -> Step:
    try:
        # One body at a time is in memory; the file holds it until it is sent.
        size = file.write_bytes(upload.body())
    except OSError as error:
        raise PublishError(
            f"{error.filename or upload.path}: expected a readable file, found {error.strerror}"
        ) from error

    def put() -> None:
        with file.open("rb") as body:
            publication.clients.s3.put_object(
                Bucket=publication.environment.artifacts_bucket, Key=upload.key, Body=body
            )
        file.unlink()

    return Step(Change(Kind.SOURCE, upload.key, Action.CREATE, size=size), put)
