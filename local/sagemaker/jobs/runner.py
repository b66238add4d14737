"""The jobs that run now: one thread each, from Create to a final status that is never missing."""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from local.sagemaker import tags
from local.sagemaker.errors import ResourceInUse, ResourceNotFound, ValidationException, WorkFailed
from local.store import AlreadyThere, Document, StoreClosed, now

if TYPE_CHECKING:
    from local.sagemaker.context import Context
    from local.sagemaker.processes.process import ContainerProcess

logger = logging.getLogger(__name__)

MAX_REASON = 1024
INTERRUPTED = "InternalServerError: the local cloud stopped while the job ran"


class Status(StrEnum):
    """Of training and processing jobs alike."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"

    @property
    def final(self) -> bool:
        return self in (Status.COMPLETED, Status.FAILED, Status.STOPPED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended, and what its document gains by it."""

    status: Status
    reason: str | None = None
    members: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of job. `prefix` is what its member names start with: `TrainingJob` -> TrainingJobStatus."""

    kind: str
    """As in the ARN; also the kind of its documents and the name of its folder under jobs/."""
    prefix: str
    work: Callable[["Context", "Job"], Outcome]
    """Runs in the job's thread. Raises WorkFailed."""
    changed: Callable[["Context", Document], None]
    """Called in the transaction of every change of status."""


class Job:
    """One job that runs now."""

    def __init__(self, kind: JobKind, name: str, folder: Path) -> None:
        self.kind = kind
        self.name = name
        self.folder = folder
        self.wake = threading.Event()
        """Set when the process has ended or a stop was asked for."""
        self.stop_asked = threading.Event()
        self.finished = threading.Event()
        self.process: ContainerProcess | None = None

    @property
    def ml(self) -> Path:
        return self.folder / "ml"

    def stop(self) -> None:
        self.stop_asked.set()
        self.wake.set()


class Jobs:
    """Every running job of this cloud."""

    def __init__(self, context: "Context", kinds: tuple[JobKind, ...]) -> None:
        self._context = context
        self._kinds = kinds
        self._live: dict[tuple[str, str], Job] = {}
        self._lock = threading.Lock()
        self.closing = threading.Event()
        """The local cloud is being stopped: what a job's container leaves now is of no use."""

    def create(self, kind: JobKind, request: Document, members: Document) -> Document:
        """Store a new job and run it; `members` are those of its document that only its kind has. Returns its ARN.

        Raises ResourceInUse for a name that was given before.
        """
        context, name = self._context, request[f"{kind.prefix}Name"]
        arn, created = context.arns.of(kind.kind, name), now()
        document = {
            **request,
            f"{kind.prefix}Arn": arn,
            f"{kind.prefix}Status": Status.IN_PROGRESS.value,
            **members,
            "CreationTime": created,
            "LastModifiedTime": created,
        }
        try:
            with context.store.transaction():
                context.store.insert(kind.kind, name, document)
                tags.add(context, arn, request)
                kind.changed(context, document)
        except AlreadyThere as error:
            raise ResourceInUse(
                f"Job name must be unique within an AWS account and region, and a {kind.kind.replace('-', ' ')} "
                f"with this name already exists ({arn})"
            ) from error
        self.start(kind, name)
        return {f"{kind.prefix}Arn": arn}

    def start(self, kind: JobKind, name: str) -> None:
        """Run the job whose document is stored."""
        job = Job(kind, name, self._context.settings.jobs_dir / kind.kind / name)
        with self._lock:
            if self.closing.is_set():
                # The next start says of it what it says of every job that was interrupted.
                return
            self._live[kind.kind, name] = job
        threading.Thread(target=self._run, args=(job,), name=f"{kind.kind}-{name}", daemon=True).start()

    def live(self, kind: JobKind, name: str) -> Job | None:
        with self._lock:
            return self._live.get((kind.kind, name))

    def wait(self, kind: JobKind, name: str) -> Document:
        """The job's document once its status is final."""
        job = self.live(kind, name)
        if job is not None:
            job.finished.wait()
        return self.describe(kind, name)

    def describe(self, kind: JobKind, name: str) -> Document:
        document = self._context.store.get(kind.kind, name)
        if document is None:
            arn = self._context.arns.of(kind.kind, name)
            raise ResourceNotFound(f"Could not find requested job with name: {name} ({arn})")
        return document

    def stop(self, kind: JobKind, name: str) -> None:
        """Raises ValidationException when it has ended, as AWS does."""
        document = self.describe(kind, name)
        status = Status(document[f"{kind.prefix}Status"])
        if status.final:
            raise ValidationException(
                f"The request was rejected because the job is in status {status.value} and cannot be stopped."
            )
        self.change(kind, name, lambda d: d.update({f"{kind.prefix}Status": Status.STOPPING.value}))
        job = self.live(kind, name)
        if job is not None:
            job.stop()

    def change(self, kind: JobKind, name: str, change: Callable[[Document], None]) -> None:
        """Change a job that has not ended; a final status stays as it is."""

        def guarded(document: Document) -> bool:
            if Status(document[f"{kind.prefix}Status"]).final:
                return False
            change(document)
            document["LastModifiedTime"] = now()
            kind.changed(self._context, document)
            return True

        self._context.store.change(kind.kind, name, guarded)

    def fail_interrupted(self) -> None:
        """At the start: whatever was running when the last local cloud ended can never finish."""
        for kind in self._kinds:
            for document in self._context.store.find(kind.kind):
                self._finish(kind, document[f"{kind.prefix}Name"], Outcome(Status.FAILED, INTERRUPTED))

    def stop_all(self) -> None:
        """Begin to stop every job; `join` waits for them."""
        with self._lock:
            self.closing.set()
            jobs = list(self._live.values())
        for job in jobs:
            job.stop()

    def join(self, deadline: float) -> None:
        """Until every process tree is gone, or it is `deadline` (time.monotonic)."""
        with self._lock:
            jobs = list(self._live.values())
        for job in jobs:
            job.finished.wait(max(0.0, deadline - time.monotonic()))

    def _run(self, job: Job) -> None:
        try:
            outcome = self._outcome(job)
            self._finish(job.kind, job.name, outcome)
            if outcome.status is not Status.FAILED:
                # What is worth keeping is in S3; after a failure the folder is there to be looked at.
                shutil.rmtree(job.ml, ignore_errors=True)
        except StoreClosed:
            # It took longer than the stop waits for; the next start says that it was interrupted.
            return
        finally:
            with self._lock:
                self._live.pop((job.kind.kind, job.name), None)
            job.finished.set()

    def _outcome(self, job: Job) -> Outcome:
        try:
            outcome = job.kind.work(self._context, job)
        except Exception as error:
            if self.closing.is_set():
                # A build that was ended, a bucket that is gone, an interpreter that starts no more threads.
                return Outcome(Status.FAILED, INTERRUPTED)
            if isinstance(error, WorkFailed):
                return Outcome(Status.FAILED, f"ClientError: {error}")
            logger.exception("%s %s", job.kind.kind, job.name)
            return Outcome(Status.FAILED, f"InternalServerError: {type(error).__name__}: {error}")
        if self.closing.is_set() and outcome.status is Status.STOPPED:
            return Outcome(Status.FAILED, INTERRUPTED, outcome.members)
        return outcome

    def _finish(self, kind: JobKind, name: str, outcome: Outcome) -> None:
        def final(document: Document) -> None:
            document[f"{kind.prefix}Status"] = outcome.status.value
            if outcome.reason is not None:
                document["FailureReason"] = shortened(outcome.reason)
            document.update(outcome.members)

        self.change(kind, name, final)


def shortened(reason: str, limit: int = MAX_REASON) -> str:
    """At most `limit` characters; the beginning and, above all, the end are kept."""
    if len(reason) <= limit:
        return reason
    head = limit // 4
    return reason[:head] + " ... " + reason[-(limit - head - 5) :]
