"""Jobs followed to their end, side by side, with a progress bar each on a terminal."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from cli.api.client import LOCAL_API, Api, Job
from cli.api.words import FINISHED, JobStatus
from cli.errors import CommandError, Left
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
    """Follows jobs (id -> title) side by side, with a progress bar each; returns the finished jobs in that order.

    Raises Left at a KeyboardInterrupt, and whatever ended the following of a job early.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[step]}"),
        TimeElapsedColumn(),
    )
    ends: queue.Queue[tuple[str, Job | Exception]] = queue.Queue()
    with Progress(*columns, console=err) as progress:
        for job_id, title in titles.items():
            bar = progress.add_task(title, total=None, step="waiting for the event")
            show = partial(_show, progress, bar)
            # Daemons, and no pool: a person who leaves does not wait for a thread that waits for an answer.
            threading.Thread(target=_follow_one, args=(api, job_id, timeout, show, ends), daemon=True).start()
        try:
            ended = dict(_told(*ends.get(), titles) for _ in titles)
        except KeyboardInterrupt as error:
            raise Left(_farewell(api, list(titles))) from error
    return [_job(ended[job_id]) for job_id in titles]


def _follow_one(
    api: Api, job_id: str, timeout: float, show: Callable[[Job], None], ends: "queue.Queue[tuple[str, Job | Exception]]"
) -> None:
    try:
        for job in follow(api, lambda: api.job(job_id), timeout):
            show(job)
        ends.put((job_id, job))
    except Exception as error:  # noqa: BLE001 - the edge of a thread: the one that can tell the person gets it
        ends.put((job_id, error))


def _show(progress: Progress, bar: TaskID, job: Job) -> None:
    step = job["step"] or job["status"]
    progress.update(bar, total=job["steps_total"] or None, completed=job["steps_done"], step=step)


def _told(job_id: str, end: Job | Exception, titles: Mapping[str, str]) -> tuple[str, Job | Exception]:
    if not err.is_terminal and not isinstance(end, Exception):
        err.print(f"· {titles[job_id]}: {end['status']}")
    return job_id, end


def _job(end: Job | Exception) -> Job:
    if isinstance(end, Exception):
        raise end
    return end


def _farewell(api: Api, job_ids: Sequence[str]) -> str:
    """Says that jobs go on, which, and how to come back to them or end them."""
    where = "" if api.base_url == LOCAL_API else f" --api-url {api.base_url}"
    begin = "it goes on" if len(job_ids) == 1 else "they go on"
    lines = [f"  headrace {command} {job_id}{where}" for job_id in job_ids for command in ("status", "stop")]
    return "\n".join([f"{begin} without you: {', '.join(job_ids)}", *lines])


def failures(jobs: Sequence[Job]) -> list[Job]:
    """Returns the jobs that did not succeed."""
    return [job for job in jobs if job["status"] != JobStatus.SUCCESS]
