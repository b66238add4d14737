"""A job and its kind: what its document says, and how that changes. `runner.py` runs it.

A kind of job (`training/`, `processing.py`, `transform/`, `tuning/`) says what is refused and what is done; its
operations, its statuses and its events are the same for all, and are here.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from local.documents import Document
from local.sagemaker.machine import events
from local.sagemaker.machine.machine import Machine
from local.sagemaker.resources import tags
from local.sagemaker.wire import listing
from local.sagemaker.wire.errors import ResourceInUse, ResourceNotFound, ValidationException
from local.sagemaker.wire.reasons import shortened
from local.store import AlreadyThere, now

INTERRUPTED = "InternalServerError: the local cloud stopped while the job ran"
"""The FailureReason of a job that a stop of the local cloud ended."""


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


class Runner(Protocol):
    """Who runs jobs, as their operations know it, and a job that is made of others."""

    @property
    def machine(self) -> Machine: ...

    def create(
        self,
        kind: "JobKind",
        request: Document,
        members: Mapping[str, object] | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> Document: ...

    def stop(self, kind: "JobKind", name: str) -> None: ...

    def delete(self, kind: "JobKind", name: str) -> None: ...


def _as_stored(_: Machine, document: Document) -> Document:
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
    check: Callable[[Machine, Document], None]
    """Raises ValidationException for a request that cannot be honoured."""
    work: Callable[["Job"], Outcome]
    """Runs in the job's thread. Raises WorkFailed."""
    begun: Callable[[Document], Document] = lambda _: {}
    """The members of a new job's document that its request does not have."""
    settle: Callable[[Document], None] = lambda _: None
    """Finishes what a change of the document implies; in its transaction."""
    described: Callable[[Machine, Document], Document] = _as_stored
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

    def create(self, jobs: Runner, request: Document) -> Document:
        """Answers its ARN. Raises ValidationException, and ResourceInUse for a name that was given before."""
        self.check(jobs.machine, request)
        return jobs.create(self, request)

    def describe(self, machine: Machine, request: Document) -> Document:
        return self.described(machine, self.find(machine, request[self.name]))

    def listed(self, machine: Machine, request: Document) -> Document:
        documents = [self.described(machine, document) for document in machine.store.find(self.kind)]
        return listing.page(f"List{self.prefix}s", documents, request, name=self.name, status=self.status)

    def stop(self, jobs: Runner, request: Document) -> Document:
        jobs.stop(self, request[self.name])
        return {}

    def delete(self, jobs: Runner, request: Document) -> Document:
        jobs.delete(self, request[self.name])
        return {}

    # The documents.

    def find(self, machine: Machine, name: str) -> Document:
        """Reads a job's document. Raises ResourceNotFound."""
        document = machine.store.get(self.kind, name)
        if document is None:
            arn = machine.arns.of(self.kind, name)
            raise ResourceNotFound(f"Could not find requested job with name: {name} ({arn})")
        return document

    def insert(self, machine: Machine, request: Document, members: Mapping[str, object]) -> str:
        """Stores a new job, with further `members`; answers its ARN. Raises ResourceInUse."""
        name, created = request[self.name], now()
        arn = machine.arns.of(self.kind, name)
        document = {
            **request,
            self.arn: arn,
            self.status: Status.IN_PROGRESS.value,
            **self.begun(request),
            **members,
            "CreationTime": created,
            "LastModifiedTime": created,
        }
        try:
            with machine.store.transaction():
                machine.store.insert(self.kind, name, document)
                tags.add(machine, arn, request)
                self.tell(machine, document)
        except AlreadyThere as error:
            raise ResourceInUse(
                f"Job name must be unique within an AWS account and region, and a {self.kind.replace('-', ' ')} "
                f"with this name already exists ({arn})"
            ) from error
        return arn

    def tell(self, machine: Machine, document: Document) -> None:
        """Settles a change and adds its event, in its transaction."""
        self.settle(document)
        detail = {
            name: events.milliseconds(value) if name.endswith("Time") else value
            for name, value in document.items()
            if name not in ("Tags", "FinalMetricDataList") and not name.startswith("_")
        }
        machine.outbox.add(self.event, {**detail, "Tags": {}}, [document[self.arn]])


class Job:
    """One job whose document is stored; the one that `runner.py` has runs."""

    def __init__(self, runner: Runner, kind: JobKind, name: str, on_end: Callable[[], None] = lambda: None) -> None:
        self.runner = runner
        self.machine = runner.machine
        self.kind = kind
        self.name = name
        self.folder: Path = runner.machine.settings.jobs_dir / kind.kind / name
        self.on_end = on_end
        self.wake = threading.Event()
        """Set whenever there is something to look at: a process has ended, a stop was asked for."""
        self.stop_asked = threading.Event()
        self.finished = threading.Event()

    def document(self) -> Document:
        """Raises ResourceNotFound."""
        return self.kind.find(self.machine, self.name)

    def change(self, change: Callable[[Document], None]) -> None:
        """Changes the document, unless the job has ended: a final status stays as it is."""

        def guarded(document: Document) -> bool:
            if Status(document[self.kind.status]).final:
                return False
            change(document)
            document["LastModifiedTime"] = now()
            self.kind.tell(self.machine, document)
            return True

        self.machine.store.change(self.kind.kind, self.name, guarded)

    def update(self, members: Document) -> None:
        """Changes these members of the document."""
        self.change(lambda document: document.update(members))

    def stopping(self) -> None:
        """Says so in the document. Raises ValidationException when the job has ended, as AWS does."""
        status = Status(self.document()[self.kind.status])
        if status.final:
            raise ValidationException(
                f"The request was rejected because the job is in status {status.value} and cannot be stopped."
            )
        self.update({self.kind.status: Status.STOPPING.value})

    def finish(self, outcome: Outcome) -> None:
        """Gives the document its final status."""

        def final(document: Document) -> None:
            document[self.kind.status] = outcome.status.value
            if outcome.reason is not None:
                document["FailureReason"] = shortened(outcome.reason)
            document.update(outcome.members)
            document.setdefault(self.kind.ended, now())

        self.change(final)

    def stop(self) -> None:
        """Asks the work to end."""
        self.stop_asked.set()
        self.wake.set()
