"""What a deployment changes: which config the endpoint is to serve, how it gets there, what is asked of it first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws import locations
from functions.aws.services import is_no_object
from functions.catalogue import catalogue
from functions.deployments import packages, serving
from functions.deployments.claims import Action
from functions.deployments.packages import REJECTED, Package
from functions.jobs import jobs
from functions.jobs.errors import DeploymentRejected, NothingToGoBackTo
from functions.jobs.jobs import Progress
from functions.waiting import endpoints, rollouts, served
from functions.waiting.rollouts import Rollout
from functions.waiting.states import EndpointState

if TYPE_CHECKING:
    from functions.aws.services import Services


@dataclass(frozen=True, slots=True)
class Sample:
    """One request, and its type: what a model has to answer."""

    uri: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What the state machine goes on with; what is not there is null."""

    endpoint: str
    endpoint_config: str
    rollout: Mapping[str, Any]
    before: str | None
    """The config that the endpoint serves now."""
    sample: Sample | None = None
    candidate: Mapping[str, str] | None = None
    """{endpoint, endpoint_config}: an endpoint of its own, where the model is asked if anybody could be harmed."""

    def as_output(self) -> dict[str, Any]:
        return {**asdict(self), "rehearse": self.candidate is not None}


def prepare(claimed: Mapping[str, Any], services: Services) -> Plan:
    """Makes what the endpoint is to serve.

    Raises:
        DeploymentRejected: SageMaker refuses the model, or the catalogue does not have its algorithm any more.
        NothingToGoBackTo: of a rollback.
    """
    algorithm = catalogue.of_endpoint(services, claimed["endpoint"])
    if algorithm is None:
        raise DeploymentRejected(f"the catalogue has no algorithm for the endpoint {claimed['endpoint']} any more")
    state = endpoints.describe(services, claimed["endpoint"])
    if claimed["action"] == Action.ROLLBACK:
        plan = _back(claimed, state.config if state else None, services)
    else:
        settings = algorithm.serving
        deployment = serving.Deployment(
            claimed["job_id"], claimed["algorithm"], claimed["model_package"], claimed["endpoint"], settings
        )
        plan = _forth(deployment, state, services)
    links = {"endpoint": plan.endpoint, "model_package": packages.served_by(services, plan.endpoint_config)}
    noted = Progress(links=links, step="Apply", done=frozenset({"Prepare"}), endpoint_config=plan.endpoint_config)
    jobs.note(services, claimed["job_id"], noted)
    return plan


def _forth(deployment: serving.Deployment, state: EndpointState | None, services: Services) -> Plan:
    package = packages.describe(services, deployment.model_package_arn)
    if package is None:
        raise DeploymentRejected(f"the model package {deployment.model_package_arn} is gone")
    serving.prepare(deployment, services)
    sample = _sample(package, services)
    rollout = rollouts.rollout(deployment.settings, deployment.endpoint)
    candidate = None
    if sample is not None and (state is not None or rollout.asynchronous):
        config = serving.prepare_candidate(deployment, services)
        candidate = {"endpoint": config, "endpoint_config": config}
    before = state.config if state else None
    return Plan(deployment.endpoint, deployment.name, rollout.as_dict(), before, sample, candidate)


def _sample(package: Package, services: Services) -> Sample | None:
    """Returns the package's sample; None if it has none, or its run left none."""
    uri = package.metadata.get("sample")
    if uri is None or not package.content_types:
        return None
    bucket, key = locations.split_uri(uri)
    try:
        services.s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if is_no_object(error):
            return None
        raise
    return Sample(uri, package.content_types[0])


def _back(claimed: Mapping[str, Any], now: str | None, services: Services) -> Plan:
    """Plans the way to the last config that served well, is not what serves now and whose package is not rejected."""
    config = last_good(claimed["endpoint"], {now}, claimed.get("model_package"), services)
    if config is None:
        raise NothingToGoBackTo(nothing_to_go_back_to(claimed["endpoint"]))
    return Plan(claimed["endpoint"], config, way_to(config, services).as_dict(), now)


def nothing_to_go_back_to(endpoint: str) -> str:
    """Returns what a person is told then."""
    return f"{endpoint} has served no other model that may serve: `headrace delete-endpoint` takes it down"


def last_good(endpoint: str, without: set[str | None], unwanted: str | None, services: Services) -> str | None:
    """Returns the last config that served well and can serve again; `unwanted` is a package that must not."""
    for config in served.good(services, endpoint):
        if config not in without and _may_serve(config, unwanted, services):
            return config
    return None


def _may_serve(config: str, unwanted: str | None, services: Services) -> bool:
    arn = packages.served_by(services, config)
    package = packages.describe(services, arn) if arn and arn != unwanted else None
    return package is not None and package.approval != REJECTED


def way_to(config: str, services: Services) -> Rollout:
    """Returns the way back to a config: at once, whatever `deploy.canary` says; what it goes away from is bad."""
    described: Mapping[str, Any] = services.sagemaker.describe_endpoint_config(EndpointConfigName=config)
    if "AsyncInferenceConfig" in described:
        return Rollout("async")
    serverless = any("ServerlessConfig" in variant for variant in _variants(described))
    return Rollout("serverless" if serverless else "realtime")


def _variants(described: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from described["ProductionVariants"]
