"""The jobs that run now: one thread each, from Create to a final status that is never missing.

A kind of job (`training.py`, `processing.py`, `transform.py`, `tuning.py`) says what is refused and what is done; its
operations, its statuses, its events and what a restart does to it are the same for all, and are here.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from local.documents import Document
from local.sagemaker.machine import events
from local.sagemaker.resources import tags
from local.sagemaker.wire import listing
from local.sagemaker.wire.errors import ResourceInUse, ResourceNotFound, ValidationException, WorkFailed
from local.store import AlreadyThere, StoreClosed, now

if TYPE_CHECKING:
    from local.sagemaker.machine.machine import Context

logger = logging.getLogger(__name__)

MAX_REASON = 1024
INTERRUPTED = "InternalServerError: the local cloud stopped while the job ran"
_ATTEMPTS = "_Attempts"


class Status(StrEnum):
    """Of every kind of job."""

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


def _as_stored(_: "Context", document: Document) -> Document:
    return document


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of job and its operations."""

    kind: str
    """As in the ARN; also the kind of its documents and the name of its folder under jobs/."""
    prefix: str
    """What its members and operations are named after: `TrainingJob` -> TrainingJobStatus, ListTrainingJobs."""
    event: str
    """The detail-type of its events."""
    check: Callable[["Context", Document], None]
    """Raises ValidationException for a request that cannot be honoured."""
    work: Callable[["Context", "Job"], Outcome]
    """Runs in the job's thread. Raises WorkFailed."""
    begun: Callable[[Document], Document] = lambda _: {}
    """The members of a new job's document that its request does not have."""
    settle: Callable[[Document], None] = lambda _: None
    """Finishes what a change of the document implies; in its transaction."""
    described: Callable[["Context", Document], Document] = _as_stored
    """The document with what is only known when it is asked for."""
    resumes: bool = False
    """It goes on at the next start of the local cloud. The others are failed then, or begun again by RetryStrategy."""

    @property
    def name(self) -> str:
        return f"{self.prefix}Name"

    @property
    def arn(self) -> str:
        return f"{self.prefix}Arn"

    @property
    def status(self) -> str:
        return f"{self.prefix}Status"

    @property
    def ended(self) -> str:
        """The member with the time of its end: TrainingEndTime."""
        return f"{self.prefix.removesuffix('Job')}EndTime"

    # The operations.

    def create(self, context: "Context", request: Document) -> Document:
        """Answers its ARN. Raises ValidationException, and ResourceInUse for a name that was given before."""
        self.check(context, request)
        return context.jobs.create(self, request)

    def describe(self, context: "Context", request: Document) -> Document:
        return self.described(context, context.jobs.describe(self, request[self.name]))

    def listed(self, context: "Context", request: Document) -> Document:
        found = [self.described(context, document) for document in context.store.find(self.kind)]
        return listing.page(f"List{self.prefix}s", found, request, name=self.name, status=self.status)

    def stop(self, context: "Context", request: Document) -> Document:
        context.jobs.stop(self, request[self.name])
        return {}

    def delete(self, context: "Context", request: Document) -> Document:
        context.jobs.delete(self, request[self.name])
        return {}


class Job:
    """One job that runs now."""

    def __init__(self, kind: JobKind, name: str, folder: Path, on_end: Callable[[], None]) -> None:
        self.kind = kind
        self.name = name
        self.folder = folder
        self.on_end = on_end
        self.wake = threading.Event()
        """Set whenever there is something to look at: a process has ended, a stop was asked for."""
        self.stop_asked = threading.Event()
        self.finished = threading.Event()

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

    def create(
        self,
        kind: JobKind,
        request: Document,
        members: Mapping[str, object] | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> Document:
        """Store a new job, whose request was checked, and run it. Returns its ARN.

        `members` are further ones of its document; `on_end` is called in its thread when its status is final.
        """
        context, name = self._context, request[kind.name]
        arn, created = context.arns.of(kind.kind, name), now()
        document = {
            **request,
            kind.arn: arn,
            kind.status: Status.IN_PROGRESS.value,
            **kind.begun(request),
            **(members or {}),
            "CreationTime": created,
            "LastModifiedTime": created,
        }
        try:
            with context.store.transaction():
                context.store.insert(kind.kind, name, document)
                tags.add(context, arn, request)
                self._tell(kind, document)
        except AlreadyThere as error:
            raise ResourceInUse(
                f"Job name must be unique within an AWS account and region, and a {kind.kind.replace('-', ' ')} "
                f"with this name already exists ({arn})"
            ) from error
        self.start(kind, name, on_end)
        return {kind.arn: arn}

    def start(self, kind: JobKind, name: str, on_end: Callable[[], None] = lambda: None) -> None:
        """Run the job whose document is stored."""
        job = Job(kind, name, self._context.settings.jobs_dir / kind.kind / name, on_end)
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
        return kind.described(self._context, self.describe(kind, name))

    def describe(self, kind: JobKind, name: str) -> Document:
        document = self._context.store.get(kind.kind, name)
        if document is None:
            arn = self._context.arns.of(kind.kind, name)
            raise ResourceNotFound(f"Could not find requested job with name: {name} ({arn})")
        return document

    def stop(self, kind: JobKind, name: str) -> None:
        """Raises ValidationException when it has ended, as AWS does."""
        document = self.describe(kind, name)
        status = Status(document[kind.status])
        if status.final:
            raise ValidationException(
                f"The request was rejected because the job is in status {status.value} and cannot be stopped."
            )
        self.change(kind, name, lambda d: d.update({kind.status: Status.STOPPING.value}))
        job = self.live(kind, name)
        if job is not None:
            job.stop()

    def delete(self, kind: JobKind, name: str) -> None:
        """Raises ResourceInUse while it runs."""
        document = self.describe(kind, name)
        if not Status(document[kind.status]).final:
            raise ResourceInUse(f"The job {name} is in status {document[kind.status]} and cannot be deleted.")
        with self._context.store.transaction():
            self._context.store.delete(kind.kind, name)
            tags.forget(self._context, document[kind.arn])
        shutil.rmtree(self._context.settings.jobs_dir / kind.kind / name, ignore_errors=True)

    def change(self, kind: JobKind, name: str, change: Callable[[Document], None]) -> None:
        """Change a job that has not ended; a final status stays as it is."""

        def guarded(document: Document) -> bool:
            if Status(document[kind.status]).final:
                return False
            change(document)
            document["LastModifiedTime"] = now()
            self._tell(kind, document)
            return True

        self._context.store.change(kind.kind, name, guarded)

    def recover(self) -> None:
        """At the start: go on with what can go on; whatever else ran when the last local cloud ended never finishes."""
        resumed: list[tuple[JobKind, str]] = []
        for kind in self._kinds:
            for document in self._context.store.find(kind.kind):
                if Status(document[kind.status]).final:
                    continue
                name = document[kind.name]
                if kind.resumes or self._may_try_again(kind, document):
                    resumed.append((kind, name))
                else:
                    self._finish(kind, name, Outcome(Status.FAILED, INTERRUPTED))
        # Only now: one that goes on looks at what has become of the others.
        for kind, name in resumed:
            self.start(kind, name)
            if self.describe(kind, name)[kind.status] == Status.STOPPING.value and (job := self.live(kind, name)):
                job.stop()

    def _may_try_again(self, kind: JobKind, document: Document) -> bool:
        """RetryStrategy is for an InternalServerError, which this interruption is."""
        attempts, most = document.get(_ATTEMPTS, 0), document.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
        if attempts >= most or document[kind.status] != Status.IN_PROGRESS.value:
            return False
        shutil.rmtree(self._context.settings.jobs_dir / kind.kind / document[kind.name], ignore_errors=True)
        self.change(kind, document[kind.name], lambda d: d.update({_ATTEMPTS: attempts + 1}))
        return True

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
            if self.closing.is_set() and job.kind.resumes:
                return
            self._finish(job.kind, job.name, outcome)
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
            document[kind.status] = outcome.status.value
            if outcome.reason is not None:
                document["FailureReason"] = shortened(outcome.reason)
            document.update(outcome.members)
            document.setdefault(kind.ended, now())

        self.change(kind, name, final)

    def _tell(self, kind: JobKind, document: Document) -> None:
        """The event of a change, in its transaction."""
        kind.settle(document)
        detail = {
            name: events.milliseconds(value) if name.endswith("Time") else value
            for name, value in document.items()
            if name not in ("Tags", "FinalMetricDataList") and not name.startswith("_")
        }
        self._context.outbox.add(kind.event, {**detail, "Tags": {}}, [document[kind.arn]])


def _forget_files(folder: Path) -> None:
    """All but the logs, which lie beside the folders of the instances."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def shortened(reason: str, limit: int = MAX_REASON) -> str:
    """At most `limit` characters; the beginning and, above all, the end are kept."""
    if len(reason) <= limit:
        return reason
    head = limit // 4
    return reason[:head] + " ... " + reason[-(limit - head - 5) :]
