"""Lists of jobs, newest first, page by page. A cursor is the place in time where the next page begins."""

from __future__ import annotations

import base64
import binascii
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from functions.jobs import jobs
from functions.jobs.job import Job, Kind, Status

if TYPE_CHECKING:
    from functions.aws.services import Services


class CursorInvalid(ValueError):
    """The cursor is not one that a list gave."""


@dataclass(frozen=True, slots=True)
class Query:
    kind: Kind | None = None
    status: Status | None = None
    key: str | None = None
    """Of one object in the uploads bucket."""
    limit: int = 20
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    jobs: list[Job]
    cursor: str | None


def find(query: Query, services: Services) -> Page:
    """Returns one page; raises CursorInvalid.

    Jobs are ordered by when they were created, which never changes, so a page boundary holds while jobs come and go.
    """
    before = _decode(query.cursor) if query.cursor else None
    fitting = (job for job in _candidates(query, before, services) if _fits(job, query))
    # One more than asked for tells whether there is a next page.
    rows = list(islice(fitting, query.limit + 1))
    page = rows[: query.limit]
    return Page(page, _encode(page[-1].created) if len(rows) > query.limit else None)


def _candidates(query: Query, before: str | None, services: Services) -> Iterator[Job]:
    if query.key is not None:
        return jobs.of_object(services, services.settings.uploads_bucket, query.key, before)
    kinds = [query.kind] if query.kind else list(Kind)
    streams = [jobs.of_kind(services, kind, before) for kind in kinds]
    return heapq.merge(*streams, key=lambda job: job.created, reverse=True)


def _fits(job: Job, query: Query) -> bool:
    return (query.kind is None or job.kind is query.kind) and (query.status is None or job.status is query.status)


def _encode(created: str) -> str:
    return base64.urlsafe_b64encode(created.encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    try:
        created = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise CursorInvalid("expected the cursor of an earlier list") from error
    if "#" not in created:
        raise CursorInvalid("expected the cursor of an earlier list")
    return created
