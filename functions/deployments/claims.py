"""Claiming a deployment: which job an approval, a rejection or a request is, and whether this execution does it.

The order of writes makes races and crashes harmless: the decision's row first (one execution gets it), then the job's,
then the endpoint's target, each conditional. Lambda's repeat of the same execution finds its own name and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from functions.aws import times
from functions.catalogue import catalogue
from functions.catalogue.catalogue import Algorithm
from functions.deployments import approvals, packages
from functions.deployments.approvals import BY_PIPELINE, Approval
from functions.deployments.packages import APPROVED, REJECTED, Package
from functions.jobs import ids, jobs
from functions.jobs.errors import EventNotUnderstood
from functions.jobs.job import Job, Kind, Status
from functions.waiting import endpoints, served
from functions.waiting.served import Target

if TYPE_CHECKING:
    from functions.aws.services import Services

STEPS = ["Prepare", "Apply", "Check"]


class Action(StrEnum):
    DEPLOY = "deploy"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A deployment that is to be, of a job that may not have a row yet."""

    job_id: str
    action: Action
    algorithm: Algorithm
    package: str | None
    """ARN: of what is deployed, or of what is not to be served any more."""
    since: str
    """When it was asked for."""
    reason: str

    @property
    def endpoint(self) -> str:
        return self.algorithm.endpoint or ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What claiming came to; `as_output` is what the state machine goes on with."""

    decision: str
    """started, ignored, duplicate or stale: the words of every claim."""
    reason: str | None = None
    started: Mapping[str, Any] = field(default_factory=dict)

    def as_output(self) -> dict[str, Any]:
        return {"decision": self.decision, **({"reason": self.reason} if self.reason else {}), **self.started}


def claim(event: Any, execution: str, services: Services) -> Outcome:
    """Claims the input of `execution` (its ARN): a change of the registry, or a request of the API.

    Raises:
        EventNotUnderstood: it is neither.
    """
    if isinstance(event, Mapping) and isinstance(event.get("detail"), Mapping):
        wanted = _of_registry(event["detail"], execution, services)
    elif isinstance(event, Mapping) and "job_id" in event:
        wanted = _of_request(event, services)
    else:
        raise EventNotUnderstood("the execution's input is neither a change of a model package nor a deployment")
    return wanted if isinstance(wanted, Outcome) else _begin(wanted, execution, services)


def job_of(event: Any, execution: str, services: Services) -> str | None:
    """Returns the job that `claim` gave an execution whose input names none; None if it gave none."""
    detail = event.get("detail") if isinstance(event, Mapping) else None
    package = detail.get("ModelPackageArn") if isinstance(detail, Mapping) else None
    approval = approvals.read(services, str(package)) if package else None
    return approval.job_id if approval and approval.execution == execution else None


def _of_request(event: Mapping[str, Any], services: Services) -> Wanted | Outcome:
    """Reads `{"job_id", "action", "endpoint" | "model_package", "reason"}`."""
    try:
        job_id, action = str(event["job_id"]), Action(event.get("action", ""))
        algorithm = catalogue.of_endpoint(services, str(event["endpoint"]))
    except (KeyError, ValueError) as error:
        raise EventNotUnderstood(f"the execution's input is no deployment: {error}") from error
    package = event.get("model_package")
    if not ids.is_job_id(job_id) or algorithm is None or (action is Action.DEPLOY and package is None):
        raise EventNotUnderstood("the execution's input is no deployment of an algorithm of the catalogue")
    job = jobs.get(services, job_id)
    since = job.created_at if job else times.iso(services.now())
    return Wanted(job_id, action, algorithm, package, since, str(event.get("reason") or "it was asked for"))


def _of_registry(detail: Mapping[str, Any], execution: str, services: Services) -> Wanted | Outcome:
    """Reads the detail of a `SageMaker Model Package State Change`; what counts is the package as it is now."""
    arn = str(detail.get("ModelPackageArn", ""))
    package = packages.describe(services, arn)
    if package is None or package.approval not in {APPROVED, REJECTED}:
        return Outcome("ignored", f"the model package {arn} is neither approved nor rejected any more")
    algorithm = packages.algorithm_of(services, package)
    if algorithm is None or algorithm.endpoint is None:
        return Outcome("ignored", f"no algorithm of the catalogue deploys {arn}")
    taken = _take(package, algorithm, execution, services)
    if isinstance(taken, Outcome):
        return taken
    action = Action.DEPLOY if package.approval == APPROVED else Action.ROLLBACK
    if action is Action.ROLLBACK and not is_in_use(package, algorithm.endpoint, services):
        return _close(taken.job_id, execution, f"{package.model_id} is not in service", services)
    reason = package.reason or f"{package.model_id} was {package.approval.lower()}"
    return Wanted(taken.job_id, action, algorithm, package.arn, package.modified_at, reason)


def _take(package: Package, algorithm: Algorithm, execution: str, services: Services) -> Approval | Outcome:
    """Makes this decision about the package the execution's own."""
    before = approvals.read(services, package.arn)
    if before is not None and before.status == package.approval:
        if before.execution == execution:
            return before
        if before.execution:
            return Outcome("duplicate", f"job {before.job_id} acts on it: {package.model_id} is {package.approval}")
        mine = Approval(package.approval, before.job_id, execution)
    elif before is None and package.approval == APPROVED and algorithm.deploys_itself and package.as_registered:
        # Registered approved: no person decided. Written down, so that the next decision is one.
        job_id = package.metadata.get("job_id", "")
        approvals.take(services, package.arn, Approval(APPROVED, job_id, BY_PIPELINE), None)
        return Outcome("ignored", f"the pipeline of job {job_id} deploys {package.model_id} itself")
    else:
        mine = Approval(package.approval, ids.derived("deployment", execution, ""), execution)
    if approvals.take(services, package.arn, mine, before):
        return mine
    return Outcome("duplicate", f"another execution acts on it: {package.model_id} is {package.approval}")


def is_in_use(package: Package, endpoint: str, services: Services) -> bool:
    """Tells whether the endpoint serves the package, or is about to."""
    target = served.newest(services, endpoint)
    job = jobs.get(services, target.job_id) if target and target.model_package == package.arn else None
    if job is not None and not job.status.final:
        return True
    state = endpoints.describe(services, endpoint)
    return state is not None and packages.served_by(services, state.config) == package.arn


def _close(job_id: str, execution: str, reason: str, services: Services) -> Outcome:
    """Ends a job that the API announced, and that has nothing to do any more."""
    jobs.fail(services, job_id, execution, {"code": "Superseded", "message": reason})
    return Outcome("ignored", reason)


def _begin(wanted: Wanted, execution: str, services: Services) -> Outcome:
    """Makes the job INPROGRESS under this execution, and the deployment the endpoint's newest."""
    now = times.iso(services.now())
    links = {"execution": execution, "endpoint": wanted.endpoint}
    if wanted.action is Action.DEPLOY and wanted.package:
        links["model_package"] = wanted.package
    job = Job(
        wanted.job_id,
        Kind.DEPLOYMENT,
        Status.INPROGRESS,
        wanted.algorithm.name,
        None,
        now,
        now,
        steps=STEPS,
        links=links,
    )
    there = jobs.create(services, job)
    ours = there is None or (there.links.get("execution") == execution and there.status is Status.INPROGRESS)
    if not ours and not jobs.begin(services, wanted.job_id, execution, STEPS, None, ""):
        return Outcome("duplicate", f"job {wanted.job_id} was already started")
    deployed = wanted.package if wanted.action is Action.DEPLOY else None
    newest = served.aim(services, wanted.endpoint, Target(wanted.job_id, wanted.since, deployed))
    if newest.job_id != wanted.job_id:
        reason = endpoints.superseded(newest)
        jobs.fail(services, wanted.job_id, execution, {"code": "Superseded", "message": reason})
        return Outcome("stale", reason)
    started = {
        "job_id": wanted.job_id,
        "action": wanted.action.value,
        "algorithm": wanted.algorithm.name,
        "endpoint": wanted.endpoint,
        "model_package": wanted.package,
        "asked": wanted.reason,
    }
    return Outcome("started", started=started)
