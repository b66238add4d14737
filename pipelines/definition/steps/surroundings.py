"""What the jobs of an algorithm share: its network, its keys, its tags, what is cached and what is tried again.

Whatever is not asked for is not passed at all, so that a definition says no more than the file.
"""

from typing import Any

from sagemaker.network import NetworkConfig
from sagemaker.workflow.retry import (
    RetryPolicy,
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.workflow.steps import CacheConfig

from pipelines.definition.steps.context import Context

_WAITING_FOR_ROOM: dict[str, Any] = {
    "exception_types": [SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT],
    "max_attempts": 20,
    "interval_seconds": 180,
    "backoff_rate": 1.0,
}
"""Whether asked for or not: where as many instances work as the account may have, a job waits an hour for its turn."""


def caching(context: Context) -> dict[str, Any]:
    """`cache_config` of a step, which is skipped where it ran with the same arguments before."""
    cache = context.spec.cache
    return {"cache_config": CacheConfig(enable_caching=True, expire_after=cache.expire_after)} if cache else {}


def job_retries(context: Context) -> dict[str, Any]:
    """`retry_policies` of a step that runs a job."""
    policies: list[RetryPolicy] = call_retries(context).get("retry_policies", [])
    if policies:
        kinds = [SageMakerJobExceptionTypeEnum.INTERNAL_ERROR, SageMakerJobExceptionTypeEnum.CAPACITY_ERROR]
        policies.append(SageMakerJobStepRetryPolicy(exception_types=kinds, **_pace(context)))
    return {"retry_policies": [*policies, SageMakerJobStepRetryPolicy(**_WAITING_FOR_ROOM)]}


def call_retries(context: Context) -> dict[str, Any]:
    """`retry_policies` of a step that is one call of the service."""
    if context.spec.retry is None:
        return {}
    kinds = [StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING]
    policies: list[RetryPolicy] = [StepRetryPolicy(exception_types=kinds, **_pace(context))]
    return {"retry_policies": policies}


def _pace(context: Context) -> dict[str, Any]:
    retry = context.spec.retry
    if retry is None:
        return {}
    return {
        "max_attempts": retry.max_attempts,
        "interval_seconds": retry.interval_seconds,
        "backoff_rate": float(retry.backoff_rate),
    }


def tags(context: Context) -> dict[str, Any]:
    """`tags` of a job or model."""
    named = [{"Key": key, "Value": value} for key, value in sorted(context.spec.tags.items())]
    return {"tags": named} if named else {}


def processing_network(context: Context) -> dict[str, Any]:
    """`network_config` of a processing job."""
    network = training_network(context)
    return {"network_config": NetworkConfig(**network)} if network else {}


def training_network(context: Context) -> dict[str, Any]:
    """Says where an estimator's job stands, as its constructor takes it."""
    network = context.spec.network
    arguments: dict[str, Any] = {}
    if network.subnets:
        arguments |= {"subnets": list(network.subnets), "security_group_ids": list(network.security_group_ids)}
    if network.isolation:
        arguments["enable_network_isolation"] = True
    if network.encrypt_traffic:
        arguments["encrypt_inter_container_traffic"] = True
    return arguments


def model_network(context: Context) -> dict[str, Any]:
    """Says where a model's container stands."""
    network = context.spec.network
    arguments: dict[str, Any] = {}
    if network.subnets:
        groups = list(network.security_group_ids)
        arguments["vpc_config"] = {"Subnets": list(network.subnets), "SecurityGroupIds": groups}
    if network.isolation:
        arguments["enable_network_isolation"] = True
    return arguments


def keys(context: Context, *, volume: str) -> dict[str, Any]:
    """Returns the KMS keys of a job; `volume` is what its constructor calls the first."""
    named = {volume: context.spec.encryption.volume_key, "output_kms_key": context.spec.encryption.output_key}
    return {name: key for name, key in named.items() if key is not None}
