"""Claiming an execution's input: exactly one execution gets to run each uploaded version, and every refusal says why.

The order of writes is what makes races and crashes harmless:

1. HEAD of the object in the ledger, one conditional write: of all deliveries exactly one execution goes on.
2. The job row, conditional too. A crash between 1 and 2 leaves a HEAD that carries this execution's name; Lambda's
   retry of the same execution finds it (REPEATED) and does step 2. If the retries run out, `record_failure` finds the
   same id by the same rules and writes the FAILURE.
3. The delivery row, which only informs. A crash before it repeats 1 and 2 as no-ops.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, assert_never

from botocore.exceptions import ClientError

from functions.aws import times
from functions.aws.services import error_code
from functions.catalogue import catalogue
from functions.catalogue.catalogue import Algorithm
from functions.jobs import ids, jobs
from functions.jobs.job import Job, Kind, Source, Status, told
from functions.uploads import events, ledger, plans, settings
from functions.uploads.events import Again, Run, Upload
from functions.uploads.ledger import Claim, Decision, Delivery
from functions.uploads.plans import Accepted, Chained, Ignored, Plan, Rejected
from functions.uploads.settings import SettingsRejected

if TYPE_CHECKING:
    from functions.aws.services import Services


@dataclass(frozen=True, slots=True)
class Identity:
    """Which job an execution's input is about."""

    job_id: str
    kind: Kind
    algorithm: str | None
    source: Source | None
    etag: str | None = None
    anothers: bool = False
    """The ledger has given this very delivery to another execution, and the job with it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What claiming came to; `as_output` is what the state machine goes on with, once `inputs.keep` has seen it."""

    decision: Decision
    job_id: str | None = None
    reason: str | None = None
    started: Mapping[str, Any] = field(default_factory=dict)
    source: Source | None = None
    """Of a job that is started: what it reads."""
    etag: str | None = None
    """Of the source, where the event told it."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """What the job is run with, to be remembered (`RUN` of functions/jobs/job.py)."""
    cached: bool = False
    """Whether equal steps of its pipeline are run once."""

    def as_output(self) -> dict[str, Any]:
        output: dict[str, Any] = {"decision": self.decision.value}
        output |= {"job_id": self.job_id} if self.job_id else {}
        output |= {"reason": self.reason} if self.reason else {}
        return output | dict(self.started)


def claim(event: Any, execution: str, services: Services, *, only: Kind | None = None) -> Outcome:
    """Claims the input of `execution` (its ARN), whose state machine may do jobs of one kind `only`.

    Raises:
        EventNotUnderstood: the input has none of the known shapes.
    """
    match events.parse(event):
        case Upload() as upload:
            return _claim_upload(with_version(upload, services), execution, only, services)
        case Run() as run:
            return _claim_run(run, execution, only, services)
        case never:
            assert_never(never)


def identify(event: Any, execution: str, services: Services) -> Identity:
    """Returns the job that `claim` would give this input, or has given it, where claiming itself failed."""
    match events.parse(event):
        case Upload() as upload:
            upload = with_version(upload, services)
            plan = plans.plan(upload, services)
            head = ledger.head(services, upload.object)
            if head is None or head.execution == execution:
                job_id = head.job_id if head else _job_id(upload, plan, execution, services)
                return Identity(job_id, plan.kind, plan.algorithm_name, _source(upload), upload.etag)
            anothers = head.sequencer == ledger.normalise(upload.sequencer)
            job_id = head.job_id if anothers else _job_id(upload, plan, execution, services)
            return Identity(job_id, plan.kind, plan.algorithm_name, _source(upload), upload.etag, anothers)
        case Run() as run:
            return Identity(run.job_id, Kind.TRAINING, run.algorithm, run.source)
        case never:
            assert_never(never)


def with_version(upload: Upload, services: Services) -> Upload:
    """Returns the upload with its version id, if the event told none although the bucket keeps versions.

    The object is asked, and believed only while it still is what the event told of (same ETag). If the same bytes
    were put twice meanwhile, two events may get the later version's id: the ledger lets the later one through, and
    that finds the id taken by its twin (`duplicate`), which is the truth about its content.
    """
    if upload.version_id:
        return upload
    try:
        head = services.s3.head_object(Bucket=upload.bucket, Key=upload.key)
    except ClientError as error:
        if error_code(error) in {"404", "NoSuchKey", "NoSuchBucket", "403", "AccessDenied"}:
            return upload
        raise
    version_id, etag = head.get("VersionId"), head.get("ETag", "").strip('"')
    if version_id and version_id != "null" and etag == upload.etag:
        return replace(upload, version_id=version_id)
    return upload


def _source(upload: Upload) -> Source:
    return Source(upload.bucket, upload.key, upload.version_id)


def _job_id(upload: Upload, plan: Plan, execution: str, services: Services) -> str:
    """Returns the id the API gave this object, while nobody else claimed it; else the one derived from its content."""
    if plan.made_id:
        job = jobs.get(services, plan.made_id)
        ours = job is not None and job.links.get("execution") == execution
        if job and job.object == upload.object and (job.status is Status.PENDING or ours):
            return plan.made_id
    return ids.derived(upload.bucket, upload.key, upload.version)


def _claim_upload(upload: Upload, execution: str, only: Kind | None, services: Services) -> Outcome:
    plan = plans.plan(upload, services)
    if plan.kind is Kind.CHAIN and only is not Kind.CHAIN:
        # Nothing is written: the state machine of chains gets the same event, and claims it.
        return Outcome(Decision.HANDED_OVER, reason=f"'{upload.key}' is for {plan.algorithm_name}, a chain")
    if only not in {None, plan.kind} and not isinstance(plan.verdict, Ignored):
        plan = replace(plan, verdict=Rejected(f"'{upload.key}' was not announced for a {only}"))
    plan = _unless_stopped(plan, upload, services)
    outcome = _decide_upload(upload, plan, execution, services)
    received_at = times.iso(services.now())
    delivery = Delivery(outcome.decision, outcome.job_id, execution, received_at, upload.sequencer, outcome.reason)
    ledger.record(services, upload.object, delivery)
    return outcome


def _unless_stopped(plan: Plan, upload: Upload, services: Services) -> Plan:
    """Returns a plan that ignores a file whose job was stopped while it was announced and not there yet."""
    job = jobs.get(services, plan.made_id) if plan.made_id else None
    if job is None or job.status is not Status.STOPPED or job.object != upload.object or "execution" in job.links:
        return plan
    return replace(plan, verdict=Ignored(f"job {job.job_id}, of which '{upload.key}' was announced, was stopped"))


def _decide_upload(upload: Upload, plan: Plan, execution: str, services: Services) -> Outcome:
    if isinstance(plan.verdict, Ignored):
        return Outcome(Decision.IGNORED, reason=plan.verdict.reason)
    job_id = _job_id(upload, plan, execution, services)
    claimed, head = ledger.claim(services, upload.object, upload.sequencer, job_id, execution)
    match claimed:
        case Claim.DUPLICATE:
            return Outcome(Decision.DUPLICATE, head.job_id, f"this upload was already delivered to job {head.job_id}")
        case Claim.STALE:
            return Outcome(Decision.STALE, head.job_id, f"a newer upload of this object is job {head.job_id}")
        case Claim.REPEATED:
            # The id this execution chose the first time: what has happened since may choose another.
            return _take_job(upload, plan, head.job_id, execution, services)
        case Claim.WON:
            return _take_job(upload, plan, job_id, execution, services)
        case never:
            assert_never(never)


def _take_job(upload: Upload, plan: Plan, job_id: str, execution: str, services: Services) -> Outcome:
    """Makes the job INPROGRESS under this execution, in whichever of three ways its id asks for."""
    if job_id == plan.made_id:
        if jobs.begin(services, job_id, execution, plan.steps, _source(upload), upload.etag):
            announced = jobs.get(services, job_id)
            return _outcome(upload, plan, job_id, announced.hyperparameters if announced else {}, services)
        # Another version of the object was faster and has the API's id. This version is a job of its own.
        job_id = ids.derived(upload.bucket, upload.key, upload.version)
        ledger.rename(services, upload.object, upload.sequencer, execution, job_id)
    now = times.iso(services.now())
    job = Job(
        job_id=job_id,
        kind=plan.kind,
        status=Status.INPROGRESS,
        algorithm=plan.algorithm_name,
        source=_source(upload),
        created_at=now,
        updated_at=now,
        steps=plan.steps,
        links={"execution": execution},
        etag=upload.etag,
    )
    there = jobs.create(services, job)
    if there is None or _is_ours(there, execution):
        return _outcome(upload, plan, job_id, {}, services)
    state = "was already processed as" if there.status.final else "is already being processed as"
    return Outcome(Decision.DUPLICATE, job_id, f"the same content {state} job {job_id}")


def _is_ours(job: Job, execution: str) -> bool:
    return job.links.get("execution") == execution and job.status is Status.INPROGRESS


def _outcome(
    upload: Upload, plan: Plan, job_id: str, hyperparameters: Mapping[str, Any], services: Services
) -> Outcome:
    match plan.verdict:
        case Rejected(reason):
            # The row is INPROGRESS like any other, so that RecordFailure has a job to give the reason to.
            return Outcome(Decision.REJECTED, job_id, reason)
        case Accepted(algorithm):
            return _begun(upload, plan.kind, algorithm, job_id, hyperparameters, services)
        case Chained(algorithm, chain):
            outcome = _begun(upload, plan.kind, algorithm, job_id, hyperparameters, services)
            return replace(outcome, started={**outcome.started, "chain": chain.as_dict()})
        case Ignored(reason):
            return Outcome(Decision.IGNORED, job_id, reason)
        case never:
            assert_never(never)


def _begun(
    upload: Upload,
    kind: Kind,
    algorithm: Algorithm,
    job_id: str,
    hyperparameters: Mapping[str, Any],
    services: Services,
) -> Outcome:
    source = _source(upload)
    try:
        layers = [("dataset", _beside(kind, source, algorithm, services)), ("upload", hyperparameters)]
    except SettingsRejected as error:
        return Outcome(Decision.REJECTED, job_id, str(error))
    resolved = settings.resolve(algorithm, layers) if kind is Kind.TRAINING else {}
    started = _started(kind, algorithm, source, told(resolved))
    run = _remembered(algorithm, "upload", resolved)
    return Outcome(
        Decision.STARTED,
        job_id,
        started=started,
        source=source,
        etag=upload.etag,
        cached=algorithm.cached,
        run=run,
    )


def _beside(kind: Kind, source: Source | None, algorithm: Algorithm, services: Services) -> Mapping[str, Any]:
    return settings.beside(source, algorithm, services) if source and kind is Kind.TRAINING else {}


def _remembered(algorithm: Algorithm, trigger: str, resolved: Mapping[str, Any]) -> dict[str, Any]:
    sha256 = algorithm.spec.get("definition_sha256")
    return {"trigger": trigger, "definition_sha256": sha256, "hyperparameters": dict(resolved)}


def _started(
    kind: Kind, algorithm: Algorithm, source: Source | None, hyperparameters: Mapping[str, Any]
) -> dict[str, Any]:
    output: dict[str, Any] = {
        "kind": kind.value,
        "algorithm": algorithm.name,
        "source": source.as_dict() if source else None,
        "hyperparameters": dict(hyperparameters),
    }
    if kind is Kind.FACE:
        return output | {"endpoint": algorithm.endpoint, "labels": algorithm.labels}
    if kind is Kind.CHAIN:
        return output
    return output | {"pipeline_name": algorithm.pipeline, "pipeline_seconds": algorithm.pipeline_seconds}


def _claim_run(run: Run, execution: str, only: Kind | None, services: Services) -> Outcome:
    algorithm = catalogue.get(services, run.algorithm)
    kind = kind_of(algorithm)
    steps = algorithm.steps if algorithm else []
    now = times.iso(services.now())
    job = Job(
        job_id=run.job_id,
        kind=kind,
        status=Status.INPROGRESS,
        algorithm=run.algorithm,
        source=run.source,
        created_at=now,
        updated_at=now,
        steps=steps,
        links={"execution": execution},
    )
    # The API wrote a PENDING row before it started this execution; the schedule and publishing wrote none.
    there = jobs.create(services, job)
    if there is not None and not _is_ours(there, execution) and not _takes_over(there, execution, steps, services):
        already = "was stopped" if there.status is Status.STOPPED else "was already started"
        return Outcome(Decision.DUPLICATE, run.job_id, f"job {run.job_id} {already}")
    rejected = (
        _run_problem(run, algorithm, services) if only is None else f"a {only} starts at an uploaded image, not by name"
    )
    if rejected or algorithm is None:
        return Outcome(Decision.REJECTED, run.job_id, rejected)
    return _run_begun(run, kind, algorithm, services)


def kind_of(algorithm: Algorithm | None) -> Kind:
    """Returns the kind of the jobs that an algorithm is started by name for."""
    if algorithm is None or algorithm.trainable:
        return Kind.TRAINING
    return Kind.BATCH if algorithm.transforms_uploads else Kind.DEPLOYMENT


def _run_begun(run: Run, kind: Kind, algorithm: Algorithm, services: Services) -> Outcome:
    try:
        dataset = {} if run.again else _beside(kind, run.source, algorithm, services)
    except SettingsRejected as error:
        return Outcome(Decision.REJECTED, run.job_id, str(error))
    layer = ("rerun" if run.again else "inherited", run.inherited.get("hyperparameters") or {})
    resolved = settings.resolve(algorithm, [layer, ("dataset", dataset), ("request", run.hyperparameters)])
    started = _started(kind, algorithm, run.source, told(resolved))
    remembered = _remembered(algorithm, run.reason, resolved)
    if run.again:
        started |= {name: value for name, value in _as_before(run.again).items() if value}
        remembered |= {"rerun_of": run.again.job_id}
        remembered["definition_sha256"] = run.again.definition_sha256 or remembered["definition_sha256"]
    elif run.inherited:
        remembered["inherited_from"] = run.inherited.get("job_id")
    return Outcome(
        Decision.STARTED,
        run.job_id,
        started=started,
        source=run.source,
        cached=algorithm.cached,
        run=remembered,
    )


def _as_before(again: Again) -> dict[str, Any]:
    return {
        "input_uri": again.input_uri,
        "pipeline_version": again.pipeline_version,
        "selected_steps": list(again.steps),
        "source_execution": again.source_execution,
    }


def _takes_over(job: Job, execution: str, steps: list[str], services: Services) -> bool:
    return job.status is Status.PENDING and jobs.begin(services, job.job_id, execution, steps, None, "")


def _run_problem(run: Run, algorithm: Algorithm | None, services: Services) -> str | None:
    if algorithm is None:
        return plans.unknown_algorithm(run.algorithm)
    if algorithm.chain is not None:
        return f"{run.algorithm} is a chain of two endpoints, which starts at an uploaded image"
    if algorithm.trainable and run.source is None:
        return f"a training of {algorithm.name} needs a dataset, and 'source' is missing"
    if run.source and (too_long := plans.too_long(run.source.key, services)):
        return too_long
    problems = catalogue.check(algorithm, run.hyperparameters)
    if problems:
        return "; ".join(f"hyperparameters.{name}: {problem}" for name, problem in problems.items())
    return None
