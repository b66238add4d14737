"""Jobs followed to their end, side by side, with a progress bar each on a terminal."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from cli.api.client import Api, Job
from cli.api.words import FINISHED, JobStatus
from cli.errors import CommandError
from cli.terminal.output import err

_LONGEST_PAUSE = 5.0
# How long a job may take before a command stops following it; the job itself goes on.
FOLLOW_SECONDS = 3600.0


def follow(api: Api, fetch: Callable[[], Job | None], timeout: float) -> Iterator[Job]:
    """Yields a job again and again, each time it may have moved, until it has finished.

    Raises CommandError when it has not finished after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    pause = 0.1
    while True:
        job = fetch()
        if job is not None:
            yield job
            if job["status"] in FINISHED:
                return
        if time.monotonic() > deadline:
            raise CommandError(f"not finished after {timeout:.0f} s; see `headrace jobs`")
        time.sleep(pause)
        pause = min(pause * 1.3, 1.0 if api.base_url.startswith("http://127.0.0.1") else _LONGEST_PAUSE)


def follow_all(api: Api, titles: Mapping[str, str], timeout: float = FOLLOW_SECONDS) -> list[Job]:
    """Follows jobs (id -> title) side by side, with a progress bar each; returns the finished jobs in that order."""
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
    """Returns the jobs that did not succeed."""
    return [job for job in jobs if job["status"] != JobStatus.SUCCESS]
