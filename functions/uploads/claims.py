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
from functions.chains import chains, crops
from functions.chains.chains import Chain, ChainIncomplete
from functions.jobs import ids, jobs
from functions.jobs.jobs import Job, Kind, Status
from functions.uploads import events, keys, ledger
from functions.uploads.events import Run, Source, Upload
from functions.uploads.ledger import Claim, Decision

if TYPE_CHECKING:
    from functions.aws.services import Services

MAX_PARAMETER = 1024
"""Characters of a pipeline parameter's value, which is what the dataset's URI becomes."""

FACE_STEPS = ["StartInference", "SplitResult"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an upload asks for, before anybody knows whether it is the first to ask."""

    kind: Kind
    algorithm: Algorithm | None
    algorithm_name: str | None
    made_id: str | None = None
    """The job id in the key, if it has the form of one."""
    ignored: str | None = None
    rejected: str | None = None
    chain: Chain | None = None
    """Of an image for a chain, if it can run."""


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
    """What claiming came to; `as_output` is what the state machine goes on with."""

    decision: Decision
    job_id: str | None = None
    reason: str | None = None
    started: Mapping[str, Any] = field(default_factory=dict)

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
    """The job that `claim` would give this input, or has given it; for recording a failure of claiming itself."""
    match events.parse(event):
        case Upload() as upload:
            upload = with_version(upload, services)
            plan = _plan(upload, services)
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
    """The upload with its version id, if the event told none although the bucket keeps versions.

    The object is asked, and believed only while it still is what the event told of (same ETag). If the same bytes
    were put twice meanwhile, two events may get the later version's id: the ledger lets the later one through, and
    that finds the id taken by its twin (`duplicate`), which is the truth about its content.
    """
    if upload.version_id:
        return upload
    try:
        found = services.s3.head_object(Bucket=upload.bucket, Key=upload.key)
    except ClientError as error:
        if error_code(error) in {"404", "NoSuchKey", "NoSuchBucket", "403", "AccessDenied"}:
            return upload
        raise
    version_id, etag = found.get("VersionId"), found.get("ETag", "").strip('"')
    if version_id and version_id != "null" and etag == upload.etag:
        return replace(upload, version_id=version_id)
    return upload


def _source(upload: Upload) -> Source:
    return Source(upload.bucket, upload.key, upload.version_id)


def _plan(upload: Upload, services: Services) -> Plan:
    match keys.read(upload.key):
        case keys.Folder():
            return Plan(Kind.TRAINING, None, None, ignored=f"'{upload.key}' is a folder marker, not an upload")
        case keys.DatasetKey() as key:
            return _plan_training(upload, key, services)
        case keys.ImageKey() as key:
            return _plan_image(upload, key, services)
        case keys.BatchKey() as key:
            return _plan_batch(upload, key, services)
        case keys.UnfitKey(kind, reason):
            return Plan(Kind(kind), None, None, rejected=reason)
        case never:
            assert_never(never)


def _plan_training(upload: Upload, key: keys.DatasetKey, services: Services) -> Plan:
    algorithm = catalogue.get(services, key.algorithm)
    plan = Plan(Kind.TRAINING, algorithm, key.algorithm, made_id=key.job_id)
    if algorithm is None:
        return replace(plan, rejected=unknown_algorithm(key.algorithm))
    if not algorithm.trainable:
        return replace(plan, rejected=f"{algorithm.name} cannot be trained: its model comes ready-made")
    if not algorithm.starts_on_upload:
        return replace(plan, ignored=f"{algorithm.name} is trained on its schedule, not when a file arrives")
    if not keys.matches(algorithm.pattern, key.filename):
        reason = f"'{key.filename}' does not match '{algorithm.pattern}', which starts {algorithm.name}"
        return replace(plan, ignored=reason)
    if keys.is_marker(upload.key) and not key.in_dataset:
        return replace(plan, rejected=f"the key '{upload.key}' does not fit {keys.DATASET_SHAPE}")
    return replace(plan, rejected=_unusable(upload))


def _plan_batch(upload: Upload, key: keys.BatchKey, services: Services) -> Plan:
    algorithm = catalogue.get(services, key.algorithm)
    plan = Plan(Kind.BATCH, algorithm, key.algorithm)
    if algorithm is None:
        return replace(plan, rejected=unknown_algorithm(key.algorithm))
    if not algorithm.transforms_uploads:
        return replace(plan, rejected=f"{algorithm.name} answers no batches: it has no transform without a training")
    if key.in_folder != keys.is_marker(upload.key):
        return replace(plan, ignored=f"'{upload.key}' starts nothing: a folder does, when its {keys.MARKER} is there")
    return replace(plan, rejected=_unusable(upload))


def _unusable(upload: Upload) -> str | None:
    """Why no pipeline can read this dataset, if so."""
    uri = keys.dataset_uri(upload.bucket, upload.key)
    if len(uri) > MAX_PARAMETER:
        return (
            f"the key is too long: '{uri[:80]}...' has {len(uri)} characters and a pipeline parameter holds"
            f" {MAX_PARAMETER}"
        )
    if upload.size == 0 and not keys.is_marker(upload.key):
        return f"the file '{upload.key}' is empty (0 bytes)"
    return None


def unknown_algorithm(name: str) -> str:
    return f"the catalogue has no algorithm '{name}'"


def _plan_image(upload: Upload, key: keys.ImageKey, services: Services) -> Plan:
    """A face, unless it was announced for a chain: an image's key tells its job, and the job its algorithm."""
    announced = jobs.get(services, key.job_id) if key.job_id else None
    if announced and announced.kind is Kind.CHAIN and announced.object == upload.object:
        return _plan_chain(key, str(announced.algorithm), services)
    return _plan_face(key, services)


def _plan_chain(key: keys.ImageKey, name: str, services: Services) -> Plan:
    algorithm = catalogue.get(services, name)
    plan = Plan(Kind.CHAIN, algorithm, name, made_id=key.job_id)
    if algorithm is None:
        return replace(plan, rejected=unknown_algorithm(name))
    try:
        return replace(plan, chain=chains.resolve(algorithm, services))
    except ChainIncomplete as error:
        return replace(plan, rejected=str(error))


def _plan_face(key: keys.ImageKey, services: Services) -> Plan:
    name = services.settings.face_algorithm
    algorithm = catalogue.get(services, name)
    plan = Plan(Kind.FACE, algorithm, name, made_id=key.job_id)
    if algorithm is None:
        return replace(plan, rejected=unknown_algorithm(name))
    if not algorithm.inferable or algorithm.endpoint is None:
        return replace(plan, rejected=f"{name} has no endpoint to send an image to")
    return plan


def _job_id(upload: Upload, plan: Plan, execution: str, services: Services) -> str:
    """The id the API gave this object, while unclaimed or claimed by us; else the one derived from its content."""
    if plan.made_id:
        job = jobs.get(services, plan.made_id)
        ours = job is not None and job.links.get("execution") == execution
        if job and job.object == upload.object and (job.status is Status.PENDING or ours):
            return plan.made_id
    return ids.derived(upload.bucket, upload.key, upload.version)


def _claim_upload(upload: Upload, execution: str, only: Kind | None, services: Services) -> Outcome:
    plan = _plan(upload, services)
    if plan.kind is Kind.CHAIN and only is not Kind.CHAIN:
        # Nothing is written: the state machine of chains gets the same event, and claims it.
        return Outcome(Decision.HANDED_OVER, reason=f"'{upload.key}' is for {plan.algorithm_name}, a chain")
    if only not in {None, plan.kind}:
        plan = replace(plan, rejected=f"'{upload.key}' was not announced for a {only}")
    outcome = _decide_upload(upload, plan, execution, services)
    ledger.record(
        services, upload.object, upload.sequencer, execution, outcome.decision, outcome.job_id, outcome.reason
    )
    return outcome


def _decide_upload(upload: Upload, plan: Plan, execution: str, services: Services) -> Outcome:
    if plan.ignored:
        return Outcome(Decision.IGNORED, reason=plan.ignored)
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
    steps = _steps(plan)
    if job_id == plan.made_id:
        if jobs.begin(services, job_id, execution, steps, _source(upload), upload.etag):
            announced = jobs.get(services, job_id)
            return _outcome(upload, plan, job_id, announced.hyperparameters if announced else {})
        # Another version of the object was faster and has the API's id. This version is a job of its own.
        job_id = ids.derived(upload.bucket, upload.key, upload.version)
        ledger.rename(services, upload.object, upload.sequencer, execution, job_id)
    job = jobs.new(
        job_id,
        plan.kind,
        Status.INPROGRESS,
        times.iso(services.now()),
        algorithm=plan.algorithm_name,
        source=_source(upload),
        steps=steps,
        execution=execution,
        etag=upload.etag,
    )
    there = jobs.create(services, job)
    if there is None or _is_ours(there, execution):
        return _outcome(upload, plan, job_id, {})
    state = "was already processed as" if there.status.final else "is already being processed as"
    return Outcome(Decision.DUPLICATE, job_id, f"the same content {state} job {job_id}")


def _is_ours(job: Job, execution: str) -> bool:
    return job.links.get("execution") == execution and job.status is Status.INPROGRESS


def _steps(plan: Plan) -> list[str]:
    if plan.algorithm is None:
        return []
    own = {Kind.FACE: FACE_STEPS, Kind.CHAIN: list(crops.STEPS)}
    return list(own.get(plan.kind, plan.algorithm.steps))


def _outcome(upload: Upload, plan: Plan, job_id: str, hyperparameters: Mapping[str, Any]) -> Outcome:
    if plan.rejected or plan.algorithm is None:
        # The row is INPROGRESS like any other, so that RecordFailure has a job to give the reason to.
        return Outcome(Decision.REJECTED, job_id, plan.rejected)
    started = _started(plan.kind, plan.algorithm, _source(upload), hyperparameters)
    return Outcome(Decision.STARTED, job_id, started=started | ({"chain": plan.chain.as_dict()} if plan.chain else {}))


def _started(kind: Kind, algorithm: Algorithm, source: Source | None, given: Mapping[str, Any]) -> dict[str, Any]:
    output: dict[str, Any] = {
        "kind": kind.value,
        "algorithm": algorithm.name,
        "source": source.as_dict() if source else None,
        "input_uri": keys.dataset_uri(source.bucket, source.key) if source else "",
        "hyperparameters": dict(given),
    }
    if kind is Kind.FACE:
        return output | {"endpoint": algorithm.endpoint, "labels": algorithm.labels}
    return output if kind is Kind.CHAIN else output | {"pipeline_name": algorithm.pipeline}


def _claim_run(run: Run, execution: str, only: Kind | None, services: Services) -> Outcome:
    algorithm = catalogue.get(services, run.algorithm)
    kind = Kind.TRAINING if algorithm is None or algorithm.trainable else Kind.DEPLOYMENT
    steps = algorithm.steps if algorithm else []
    job = jobs.new(
        run.job_id,
        kind,
        Status.INPROGRESS,
        times.iso(services.now()),
        algorithm=run.algorithm,
        source=run.source,
        steps=steps,
        execution=execution,
    )
    # The API wrote a PENDING row before it started this execution; the schedule and publishing wrote none.
    there = jobs.create(services, job)
    if there is not None and not _is_ours(there, execution) and not _takes_over(there, execution, steps, services):
        return Outcome(Decision.DUPLICATE, run.job_id, f"job {run.job_id} was already started")
    rejected = _run_problem(run, algorithm) if only is None else f"a {only} starts at an uploaded image, not by name"
    if rejected or algorithm is None:
        return Outcome(Decision.REJECTED, run.job_id, rejected)
    return Outcome(Decision.STARTED, run.job_id, started=_started(kind, algorithm, run.source, run.hyperparameters))


def _takes_over(job: Job, execution: str, steps: list[str], services: Services) -> bool:
    return job.status is Status.PENDING and jobs.begin(services, job.job_id, execution, steps, None, "")


def _run_problem(run: Run, algorithm: Algorithm | None) -> str | None:
    if algorithm is None:
        return unknown_algorithm(run.algorithm)
    if algorithm.chain is not None:
        return f"{run.algorithm} is a chain of two endpoints, which starts at an uploaded image"
    if algorithm.trainable and run.source is None:
        return f"a training of {algorithm.name} needs a dataset, and 'source' is missing"
    if run.source and len(keys.dataset_uri(run.source.bucket, run.source.key)) > MAX_PARAMETER:
        return f"the key of the dataset is too long for a pipeline parameter ({MAX_PARAMETER} characters)"
    problems = catalogue.check(algorithm, run.hyperparameters)
    if problems:
        return "; ".join(f"hyperparameters.{name}: {problem}" for name, problem in problems.items())
    return None
