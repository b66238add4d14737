"""Models and endpoints as the HTTP API tells them, and what it starts: approvals, deployments, the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, HTTPClientError

from functions.aws import times
from functions.aws.services import error_code, error_message
from functions.catalogue import catalogue
from functions.catalogue.catalogue import Algorithm
from functions.deployments import approvals, claims, packages, preparing
from functions.deployments.claims import Action
from functions.deployments.packages import APPROVED, Package
from functions.http import problems, requests
from functions.http.problems import Problem
from functions.jobs import ids, jobs
from functions.jobs.job import Job, Kind
from functions.waiting import endpoints, inference

if TYPE_CHECKING:
    from functions.aws.services import Services


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked; without a type, the first that its package takes."""

    body: bytes
    content_type: str | None
    accept: str | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model answered."""

    body: bytes
    content_type: str


def models(algorithm: str | None, limit: int, services: Services) -> Iterator[dict[str, Any]]:
    """Yields registered models, the newest of each group first, with the endpoint that serves each.

    Raises:
        Problem: there is no such algorithm.
    """
    known = [_algorithm(algorithm, services)] if algorithm else list(catalogue.everything(services))
    serving = {_serving(each.endpoint, services): each.endpoint for each in known if each.endpoint}
    for group in sorted({each.group for each in known if each.group}):
        for arn in islice(_arns(group, services), limit):
            package = packages.describe(services, arn)
            if package is not None:
                yield _as_model(package, serving.get(arn))


def _arns(group: str, services: Services) -> Iterator[str]:
    pages = services.sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending", PaginationConfig={"PageSize": 100}
    )
    try:
        for page in pages:
            yield from (summary["ModelPackageArn"] for summary in page["ModelPackageSummaryList"])
    except ClientError as error:
        # A group is made by the first model that is registered into it.
        if error_code(error) != "ValidationException" or "does not exist" not in error_message(error):
            raise


def _serving(endpoint: str, services: Services) -> str | None:
    state = endpoints.describe(services, endpoint)
    return packages.served_by(services, state.config) if state else None


def _as_model(package: Package, endpoint: str | None) -> dict[str, Any]:
    return {
        "id": package.model_id,
        "algorithm": package.metadata.get("algorithm"),
        "version": package.version,
        "approval": package.approval,
        "reason": package.reason,
        "endpoint": endpoint,
        "job_id": package.metadata.get("job_id"),
        "model_package": package.arn,
        "metrics": package.metrics_uri,
        "created_at": package.created_at,
        "updated_at": package.modified_at,
    }


def decide(model_id: str, status: str, reason: str | None, services: Services) -> Job | None:
    """Writes a decision about a model into the registry; returns the job that acts on it, None where nothing is to do.

    The job is there before the registry is told, so that it can be followed at once; the registry's event starts it.
    Said again, a decision makes no event: then the job is started here.

    Raises:
        Problem: there is no such model.
    """
    package, algorithm = _model(model_id, services)
    job = None
    if _acts(package, algorithm, status, services):
        action = Action.DEPLOY if status == APPROVED else Action.ROLLBACK
        job = _pending(algorithm, package.arn if action is Action.DEPLOY else None, services)
        if package.approval != status:
            approvals.announce(services, package.arn, status, job.job_id)
        else:
            _start(job, {"action": action.value, "model_package": package.arn, "reason": reason}, services)
    if package.approval != status or reason is not None:
        described = {"ApprovalDescription": reason} if reason is not None else {}
        services.sagemaker.update_model_package(ModelPackageArn=package.arn, ModelApprovalStatus=status, **described)  # type: ignore[arg-type]
    return job


def _acts(package: Package, algorithm: Algorithm, status: str, services: Services) -> bool:
    if algorithm.endpoint is None:
        return False
    return status == APPROVED or claims.is_in_use(package, algorithm.endpoint, services)


def _model(model_id: str, services: Services) -> tuple[Package, Algorithm]:
    """Returns a model by what the API calls it. Raises Problem."""
    name, _, version = model_id.rpartition("-")
    groups = (each.group for each in catalogue.everything(services) if each.group)
    group = next((each for each in groups if packages.short(each) == name), None)
    is_version = version.isdecimal() and len(version) < 10
    package = packages.describe(services, _arn_of(group, int(version), services)) if group and is_version else None
    algorithm = packages.algorithm_of(services, package) if package else None
    if package is None or algorithm is None:
        raise problems.not_found(f"the model '{problems.shown(model_id)}'")
    return package, algorithm


def _arn_of(group: str, version: int, services: Services) -> str:
    """Returns the ARN of a version, which no group's row holds; one of the group's own names its place."""
    described = services.sagemaker.describe_model_package_group(ModelPackageGroupName=group)
    return f"{described['ModelPackageGroupArn'].replace(':model-package-group/', ':model-package/')}/{version}"


def _pending(algorithm: Algorithm, package: str | None, services: Services) -> Job:
    now = services.now()
    links = {"endpoint": algorithm.endpoint or ""} | ({"model_package": package} if package else {})
    job = replace(requests.pending(ids.ulid(now), Kind.DEPLOYMENT, algorithm.name, None, now), links=links)
    jobs.create(services, job)
    return job


def _start(job: Job, asked: Mapping[str, Any], services: Services) -> None:
    machine = services.settings.deployment_state_machine_arn
    requests.start_machine(machine, job, {"endpoint": job.links["endpoint"], **asked}, "deployment", services)


def all_endpoints(services: Services) -> Iterator[dict[str, Any]]:
    """Yields the endpoints of the catalogue's algorithms that are there, by name."""
    for algorithm in sorted(catalogue.everything(services), key=lambda each: each.name):
        if algorithm.endpoint is None:
            continue
        try:
            described: Mapping[str, Any] = services.sagemaker.describe_endpoint(EndpointName=algorithm.endpoint)
        except ClientError as error:
            if not endpoints.is_missing(error):
                raise
            continue
        yield _as_endpoint(algorithm, described, services)


def _as_endpoint(algorithm: Algorithm, described: Mapping[str, Any], services: Services) -> dict[str, Any]:
    config = described.get("EndpointConfigName")
    arn = packages.served_by(services, config) if config else None
    package = packages.describe(services, arn) if arn else None
    variants = described.get("ProductionVariants") or [{}]
    return {
        "name": algorithm.endpoint,
        "algorithm": algorithm.name,
        "status": described["EndpointStatus"],
        "mode": algorithm.deploy_mode,
        "instances": variants[0].get("CurrentInstanceCount"),
        "model": package.model_id if package else None,
        "model_package": arn,
        "endpoint_config": config,
        "reason": described.get("FailureReason"),
        "created_at": times.iso(described["CreationTime"]),
        "updated_at": times.iso(described["LastModifiedTime"]),
    }


def roll_back(name: str, services: Services) -> Job:
    """Starts the deployment of what an endpoint served before. Raises Problem: nothing is there to go back to."""
    algorithm = _of_endpoint(name, services)
    state = endpoints.describe(services, algorithm.endpoint or "")
    if preparing.last_good(algorithm.endpoint or "", {state.config if state else None}, None, services) is None:
        raise Problem(HTTPStatus.CONFLICT, preparing.nothing_to_go_back_to(algorithm.endpoint or ""))
    job = _pending(algorithm, None, services)
    _start(job, {"action": Action.ROLLBACK.value, "reason": "it was asked for"}, services)
    return job


def delete(name: str, services: Services) -> str:
    """Begins to delete an endpoint; returns its name. Raises Problem: it is not there, or it is changing."""
    endpoint = _of_endpoint(name, services).endpoint or ""
    try:
        services.sagemaker.delete_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if endpoints.is_missing(error):
            raise problems.not_found(f"the endpoint '{endpoint}'") from error
        if endpoints.is_busy(error):
            raise Problem(
                HTTPStatus.CONFLICT, f"the endpoint {endpoint} is changing; try again when it is not"
            ) from error
        raise
    return endpoint


def predict(name: str, question: Question, services: Services) -> Prediction:
    """Returns what the endpoint's model answers. Raises Problem, also with the model's own reason."""
    algorithm = _of_endpoint(name, services)
    taken = (algorithm.spec.get("registration") or {}).get("content_types") or ["text/csv"]
    more = {"Accept": question.accept} if question.accept and question.accept != "*/*" else {}
    endpoint = algorithm.endpoint or ""
    if algorithm.deploy_mode == "async":
        text = f"{endpoint} answers asynchronously, an object in S3 with an object in S3: upload to it instead"
        raise Problem(HTTPStatus.CONFLICT, text)
    try:
        response = services.waiting_runtime.invoke_endpoint(
            EndpointName=endpoint, ContentType=question.content_type or taken[0], Body=question.body, **more
        )
        prediction = response["Body"].read()
    except HTTPClientError as error:
        raise Problem(HTTPStatus.GATEWAY_TIMEOUT, f"the model of {endpoint} gave no answer in time") from error
    except ClientError as error:
        raise _explained(endpoint, error, services) from error
    return Prediction(prediction, response.get("ContentType") or "application/octet-stream")


def _explained(endpoint: str, error: ClientError, services: Services) -> Exception:
    """Returns the error in words: the model's own, or why nobody answers; itself where it says enough."""
    match error_code(error):
        case "ModelError":
            response: Mapping[str, Any] = error.response
            told = str(response.get("OriginalMessage") or error_message(error))
            status = int(response.get("OriginalStatusCode") or 500)
            # What is wrong with the request, the model tells with a 4xx; all else is the model's fault.
            answered = HTTPStatus.UNPROCESSABLE_ENTITY if 400 <= status < 500 else HTTPStatus.BAD_GATEWAY
            return Problem(answered, f"the model answered {status}: {inference.reason(told)}")
        case "ValidationError" | "ValidationException":
            state = endpoints.describe(services, endpoint)
            if state is None:
                return problems.not_found(f"the endpoint '{endpoint}'")
            return Problem(HTTPStatus.CONFLICT, f"the endpoint {endpoint} is {state.status}: {error_message(error)}")
        case _:
            return error


def _algorithm(name: str, services: Services) -> Algorithm:
    algorithm = catalogue.get(services, name) if len(name) <= catalogue.MAX_NAME else None
    if algorithm is None:
        raise problems.invalid("algorithm", f"the catalogue has no algorithm '{problems.shown(name)}'")
    return algorithm


def _of_endpoint(name: str, services: Services) -> Algorithm:
    """Returns the algorithm of an endpoint, which may be called by either's name. Raises Problem."""
    algorithm = catalogue.of_endpoint(services, name)
    if algorithm is None:
        raise problems.not_found(f"the endpoint '{problems.shown(name)}'")
    return algorithm
