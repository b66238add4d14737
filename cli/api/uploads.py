"""Putting files into the uploads bucket, and following the jobs they start: what `train`, `faces` and `demo` share."""

import mimetypes
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from cli.api.client import Api, Job, follow
from cli.errors import CommandError, UsageError
from cli.terminal.output import err

# How long a job may take before a command stops following it; the job itself goes on.
FOLLOW_SECONDS = 3600.0


def checked(file: Path) -> Path:
    """A file that is there and holds something. Raises UsageError otherwise."""
    if not file.is_file():
        raise UsageError(f"{file}: no such file")
    if file.stat().st_size == 0:
        raise UsageError(f"{file}: the file is empty")
    return file


def put(api: Api, file: Path, request: Mapping[str, Any]) -> str:
    """Ask the API for a presigned upload, send the file there, and return the job id."""
    size = file.stat().st_size
    grant = api.post("/v1/uploads", dict(request))
    target = grant["upload"]
    with file.open("rb") as body:
        answer = api.pool.request(
            target["method"],
            target["url"],
            body=body,
            headers={**target["headers"], "Content-Length": str(size)},
            retries=False,
        )
    if answer.status >= 300:
        raise CommandError(f"{file}: the upload was answered with {answer.status}")
    job_id: str = grant["job_id"]
    return job_id


def content_type(file: Path) -> str:
    """The media type by the file's name."""
    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def follow_all(api: Api, titles: Mapping[str, str], timeout: float = FOLLOW_SECONDS) -> list[Job]:
    """Follow jobs (id -> title) side by side, with a progress bar each; the finished jobs in that order."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[step]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err) as progress, ThreadPoolExecutor(max(len(titles), 1)) as pool:
        bars = {
            job_id: progress.add_task(title, total=None, step="waiting for the event")
            for job_id, title in titles.items()
        }

        def follow_one(job_id: str) -> Job:
            last: Job | None = None
            for job in follow(api, lambda: api.job(job_id), timeout):
                last = job
                progress.update(
                    bars[job_id],
                    total=job["steps_total"] or None,
                    completed=job["steps_done"],
                    step=job["step"] or job["status"],
                )
            assert last is not None
            if not err.is_terminal:
                err.print(f"· {titles[job_id]}: {last['status']}")
            return last

        return list(pool.map(follow_one, titles))


def failures(jobs: Sequence[Job]) -> list[Job]:
    """The jobs that did not succeed."""
    return [job for job in jobs if job["status"] != "SUCCESS"]
