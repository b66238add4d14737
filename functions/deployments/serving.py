"""A registered model's model, endpoint config and alarms, and the endpoint that a pipeline puts it behind.

Every name is computed from the job id, so a repeat makes nothing twice. A deployment that somebody approved goes the
same way, but leaves the endpoint to its state machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws.services import error_code, error_message
from functions.jobs import ids, jobs
from functions.jobs.errors import DeploymentRejected
from functions.jobs.jobs import Progress
from functions.waiting import endpoints, rollouts, stopping
from functions.waiting.rollouts import VARIANT

if TYPE_CHECKING:
    from functions.aws.services import Services


@dataclass(frozen=True, slots=True)
class Deployment:
    job_id: str
    algorithm: str
    model_package_arn: str
    endpoint: str
    settings: Mapping[str, Any]
    """The section `deploy` of algorithm.yaml, with `network`, `encryption` and `tags` where it has those."""

    @property
    def name(self) -> str:
        """Of the model and of the endpoint config."""
        return ids.deployment_name(self.endpoint, self.job_id)


def parse(event: Mapping[str, Any]) -> Deployment:
    """Reads the input of a pipeline's Lambda step, which sends every value as text; `deploy` is JSON."""
    deploy = event["deploy"]
    return Deployment(
        job_id=str(event["job_id"]),
        algorithm=str(event["algorithm"]),
        model_package_arn=str(event["model_package_arn"]),
        endpoint=str(event["endpoint"]),
        settings=json.loads(deploy) if isinstance(deploy, str) else deploy,
    )


def deploy(deployment: Deployment, services: Services) -> None:
    """Model, endpoint config, endpoint; returns before the endpoint is in service.

    If the endpoint is being changed for another job, or deleted, this one's config waits: `await_endpoint` applies it
    when the endpoint has come to rest or is gone.

    Raises:
        DeploymentRejected: SageMaker refused; the text says why.
        JobOver: the job was stopped, or failed, meanwhile: nothing is deployed for it.
    """
    _begin(deployment, services)
    prepare(deployment, services)
    try:
        _apply(deployment, services)
    except ClientError as error:
        raise _rejected(deployment, error) from error


def _begin(deployment: Deployment, services: Services) -> None:
    """Writes down what is about to be deployed, so that a stop from here on knows what to take back."""
    job_id = deployment.job_id
    stopping.ensure_open(job_id, services)
    links = {"endpoint": deployment.endpoint, "model_package": deployment.model_package_arn}
    jobs.note(services, job_id, Progress(links=links))
    state = endpoints.describe(services, deployment.endpoint)
    if state is not None and state.config == deployment.name:
        return
    before = state.config if state and state.status != "Failed" else ""
    if not jobs.deploying(services, job_id, deployment.name, before):
        # A row that is not there is nobody's to stop.
        stopping.ensure_open(job_id, services)


def prepare(deployment: Deployment, services: Services) -> None:
    """Model, endpoint config and alarms, as far as they are not there.

    Raises:
        DeploymentRejected: SageMaker refused; the text says why.
    """
    try:
        _create_model(deployment, services)
        _create_config(deployment.name, _config(deployment, services), services)
    except ClientError as error:
        raise _rejected(deployment, error) from error
    rollouts.put_alarms(deployment.settings, deployment.endpoint, services)


def prepare_candidate(deployment: Deployment, services: Services) -> str:
    """Makes a config that serves the prepared model by itself and at once; returns its name.

    One instance that answers at once, whatever the mode: a model that answers one request is what it shows.
    """
    settings = {**deployment.settings, "count": 1}
    settings["mode"] = "realtime" if settings["mode"] == "async" else settings["mode"]
    name = ids.candidate_name(deployment.endpoint, deployment.job_id)
    request = {"ProductionVariants": [_variant(replace(deployment, settings=settings))], **_tags(settings)}
    _create_config(name, request, services)
    return name


def _rejected(deployment: Deployment, error: ClientError) -> Exception:
    """Returns what to raise for an error of SageMaker's."""
    if error_code(error) != "ValidationException":
        return error
    return DeploymentRejected(f"the model cannot be put behind {deployment.endpoint}: {error_message(error)}")


def _create_model(deployment: Deployment, services: Services) -> None:
    try:
        services.sagemaker.create_model(
            ModelName=deployment.name,
            ExecutionRoleArn=services.settings.serving_role_arn,
            Containers=[{"ModelPackageName": deployment.model_package_arn}],
            **_surroundings(deployment.settings),
        )
    except ClientError as error:
        if not endpoints.exists_already(error):
            raise


def _surroundings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns where the model's containers run, and its tags."""
    network = settings.get("network", {})
    surroundings = _tags(settings)
    if network.get("isolation"):
        surroundings["EnableNetworkIsolation"] = True
    if network.get("subnets"):
        surroundings["VpcConfig"] = {
            "Subnets": list(network["subnets"]),
            "SecurityGroupIds": list(network.get("security_group_ids", ())),
        }
    return surroundings


def _tags(settings: Mapping[str, Any]) -> dict[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in settings.get("tags", {}).items()]
    return {"Tags": tags} if tags else {}


def _config(deployment: Deployment, services: Services) -> dict[str, Any]:
    request: dict[str, Any] = {"ProductionVariants": [_variant(deployment)], **_tags(deployment.settings)}
    volume_key = deployment.settings.get("encryption", {}).get("volume_key")
    if volume_key and deployment.settings.get("mode") != "serverless":
        request["KmsKeyId"] = volume_key
    if deployment.settings.get("mode") == "async":
        request["AsyncInferenceConfig"] = _async_config(deployment, services)
    return request


def _create_config(name: str, request: Mapping[str, Any], services: Services) -> None:
    try:
        services.sagemaker.create_endpoint_config(EndpointConfigName=name, **request)
    except ClientError as error:
        if not endpoints.exists_already(error):
            raise


def _variant(deployment: Deployment) -> dict[str, Any]:
    settings = deployment.settings
    variant: dict[str, Any] = {"VariantName": VARIANT, "ModelName": deployment.name}
    match settings.get("mode"):
        case "serverless":
            return variant | {
                "ServerlessConfig": {
                    "MemorySizeInMB": int(settings.get("memory_mb") or 2048),
                    "MaxConcurrency": int(settings.get("max_concurrency") or 5),
                }
            }
        case "realtime" | "async":
            if settings.get("startup_timeout_seconds"):
                variant["ContainerStartupHealthCheckTimeoutInSeconds"] = int(settings["startup_timeout_seconds"])
            return variant | {
                "InstanceType": settings["instance_type"],
                "InitialInstanceCount": int(settings.get("count") or 1),
            }
        case mode:
            raise DeploymentRejected(f"{deployment.algorithm} is not deployed: its deploy mode is {mode}")


def _async_config(deployment: Deployment, services: Services) -> dict[str, Any]:
    folder = f"s3://{services.settings.artifacts_bucket}/async/{deployment.algorithm}"
    output_key = deployment.settings.get("encryption", {}).get("output_key")
    return {
        "OutputConfig": {
            **({"KmsKeyId": output_key} if output_key else {}),
            "S3OutputPath": f"{folder}/output",
            "S3FailurePath": f"{folder}/failure",
            "NotificationConfig": {
                "SuccessTopic": services.settings.inference_success_topic_arn,
                "ErrorTopic": services.settings.inference_error_topic_arn,
            },
        },
        "ClientConfig": {
            "MaxConcurrentInvocationsPerInstance": int(deployment.settings.get("max_concurrent_invocations") or 4)
        },
    }


def _apply(deployment: Deployment, services: Services) -> None:
    """CreateEndpoint or UpdateEndpoint, whichever the endpoint's state asks for; what has to wait, the wait does.

    An endpoint that another job's config made fail takes nothing but DeleteEndpoint, and is gone only later. A shift
    that is watched, and a mode that no update reaches, are the wait's too, which does either once.
    """
    rollout = rollouts.rollout(deployment.settings, deployment.endpoint)
    state = endpoints.describe(services, deployment.endpoint)
    if state is None:
        # False if another job of the same algorithm was faster: its endpoint is Creating, and ours comes after it.
        endpoints.create(services, deployment.endpoint, deployment.name)
    elif state.config == deployment.name:
        return
    elif state.status == "Failed":
        endpoints.delete(services, deployment.endpoint)
    elif state.at_rest and not rollout.policy and not endpoints.is_of_another_mode(state, rollout.mode):
        endpoints.update(services, state, deployment.name, rollout)
