"""The jobs that run now: one thread each, from Create to a final status that is never missing.

What a restart does to a job is the same for all kinds, and is here.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from local.documents import Document
from local.sagemaker.jobs.job import INTERRUPTED, Job, JobKind, Outcome, Status
from local.sagemaker.machine.machine import Machine
from local.sagemaker.resources import tags
from local.sagemaker.wire.errors import ResourceInUse, WorkFailed
from local.store import StoreClosed

logger = logging.getLogger(__name__)

_ATTEMPTS = "_Attempts"


class Jobs:
    """Every running job of this cloud."""

    def __init__(self, machine: Machine, kinds: tuple[JobKind, ...]) -> None:
        self.machine = machine
        self._kinds = kinds
        self._live: dict[tuple[str, str], Job] = {}
        self._lock = threading.Lock()

    def create(
        self,
        kind: JobKind,
        request: Document,
        members: Mapping[str, object] | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> Document:
        """Stores a new job, whose request was checked, and runs it. Answers its ARN.

        `members` are further ones of its document; `on_end` is called in its thread when its status is final.
        """
        arn = kind.insert(self.machine, request, members or {})
        self.start(kind, request[kind.name], on_end)
        return {kind.arn: arn}

    def start(self, kind: JobKind, name: str, on_end: Callable[[], None] = lambda: None) -> None:
        """Runs the job whose document is stored."""
        job = Job(self, kind, name, on_end)
        with self._lock:
            if self.machine.closing.is_set():
                # The next start says of it what it says of every job that was interrupted.
                return
            self._live[kind.kind, name] = job
        threading.Thread(target=self._run, args=(job,), name=f"{kind.kind}-{name}", daemon=True).start()

    def live(self, kind: JobKind, name: str) -> Job | None:
        with self._lock:
            return self._live.get((kind.kind, name))

    def wait(self, kind: JobKind, name: str) -> Document:
        """Answers the job's document once its status is final."""
        job = self.live(kind, name)
        if job is not None:
            job.finished.wait()
        return kind.described(self.machine, kind.find(self.machine, name))

    def stop(self, kind: JobKind, name: str) -> None:
        """Raises ValidationException when it has ended, as AWS does."""
        Job(self, kind, name).stopping()
        # Looked for only now: one that has begun meanwhile is stopped, too.
        job = self.live(kind, name)
        if job is not None:
            job.stop()

    def delete(self, kind: JobKind, name: str) -> None:
        """Raises ResourceInUse while it runs."""
        job = Job(self, kind, name)
        document = job.document()
        if not Status(document[kind.status]).final:
            raise ResourceInUse(f"The job {name} is in status {document[kind.status]} and cannot be deleted.")
        with self.machine.store.transaction():
            self.machine.store.delete(kind.kind, name)
            tags.forget(self.machine, document[kind.arn])
        shutil.rmtree(job.folder, ignore_errors=True)

    def recover(self) -> None:
        """Goes on at the start with what can go on; what else ran when the last local cloud ended never finishes."""
        resumed: list[tuple[JobKind, str]] = []
        for kind in self._kinds:
            for document in self.machine.store.find(kind.kind):
                if Status(document[kind.status]).final:
                    continue
                job = Job(self, kind, document[kind.name])
                if kind.resumes or _may_try_again(job, document):
                    resumed.append((kind, job.name))
                else:
                    job.finish(Outcome(Status.FAILED, INTERRUPTED))
        # Only now: one that goes on looks at what has become of the others.
        for kind, name in resumed:
            self.start(kind, name)
            stopping = kind.find(self.machine, name)[kind.status] == Status.STOPPING.value
            if stopping and (running := self.live(kind, name)):
                running.stop()

    def stop_all(self) -> None:
        """Begins to stop every job; `join` waits for them."""
        with self._lock:
            self.machine.closing.set()
            jobs = list(self._live.values())
        for job in jobs:
            job.stop()

    def join(self, deadline: float) -> None:
        """Waits until every process tree is gone, or it is `deadline` (time.monotonic)."""
        with self._lock:
            jobs = list(self._live.values())
        for job in jobs:
            job.finished.wait(max(0.0, deadline - time.monotonic()))

    def _run(self, job: Job) -> None:
        try:
            outcome = self._outcome(job)
            if self.machine.closing.is_set() and job.kind.resumes:
                return
            job.finish(outcome)
            # Whoever waits for the job goes on while its files are being removed.
            job.finished.set()
            if outcome.status is not Status.FAILED:
                # What is worth keeping is in S3; after a failure the folder is there to be looked at.
                _forget_files(job.folder)
        except StoreClosed:
            # It took longer than the stop waits for; the next start says that it was interrupted.
            return
        finally:
            with self._lock:
                self._live.pop((job.kind.kind, job.name), None)
            job.finished.set()
            job.on_end()

    def _outcome(self, job: Job) -> Outcome:
        closing = self.machine.closing
        try:
            outcome = job.kind.work(job)
        except Exception as error:
            if closing.is_set():
                # A build that was ended, a bucket that is gone, an interpreter that starts no more threads.
                return Outcome(Status.FAILED, INTERRUPTED)
            if isinstance(error, WorkFailed):
                return Outcome(Status.FAILED, f"ClientError: {error}")
            logger.exception("%s %s", job.kind.kind, job.name)
            return Outcome(Status.FAILED, f"InternalServerError: {type(error).__name__}: {error}")
        if closing.is_set() and outcome.status is Status.STOPPED:
            return Outcome(Status.FAILED, INTERRUPTED, outcome.members)
        return outcome


def _may_try_again(job: Job, document: Document) -> bool:
    """Says whether its RetryStrategy allows it, which is for an InternalServerError: this interruption is one."""
    attempts, most = document.get(_ATTEMPTS, 0), document.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
    if attempts >= most or document[job.kind.status] != Status.IN_PROGRESS.value:
        return False
    shutil.rmtree(job.folder, ignore_errors=True)
    job.update({_ATTEMPTS: attempts + 1})
    return True


def _forget_files(folder: Path) -> None:
    """Removes all but the logs, which lie beside the folders of the instances."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
