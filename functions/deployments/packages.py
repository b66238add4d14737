"""Model packages: what one is of, and which one an endpoint serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.aws import times
from functions.catalogue import catalogue
from functions.catalogue.catalogue import Algorithm
from functions.waiting import endpoints

if TYPE_CHECKING:
    from functions.aws.services import Services

APPROVED, REJECTED = "Approved", "Rejected"


@dataclass(frozen=True, slots=True)
class Package:
    """One version in a model package group."""

    arn: str
    group: str
    version: int
    approval: str
    """Approved, Rejected or PendingManualApproval."""
    created_at: str
    modified_at: str
    """Equal to the former where nobody changed it."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What its pipeline wrote: algorithm, job_id, sample."""
    containers: tuple[Mapping[str, Any], ...] = ()
    content_types: tuple[str, ...] = ()
    metrics_uri: str | None = None
    reason: str | None = None
    """ApprovalDescription."""

    @property
    def as_registered(self) -> bool:
        """Whether nobody has changed it since its pipeline registered it, which takes a moment itself."""
        return times.parse(self.modified_at) - times.parse(self.created_at) < timedelta(seconds=60)

    @property
    def model_id(self) -> str:
        """What people and the API call it: `decision-trees-3`, its group without the stage and its version."""
        return f"{short(self.group)}-{self.version}"


def short(group: str) -> str:
    """Returns a group's name without `headrace-<stage>-`; a stage has no dashes."""
    return group.split("-", 2)[-1]


def describe(services: Services, arn: str) -> Package | None:
    """Returns the package as it is now; None if there is none."""
    try:
        response: Mapping[str, Any] = services.sagemaker.describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        if endpoints.is_missing(error) or "does not exist" in str(error):
            return None
        raise
    specification = response.get("InferenceSpecification", {})
    statistics = response.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {})
    created = times.iso(response["CreationTime"])
    modified = response.get("LastModifiedTime")
    return Package(
        arn=response["ModelPackageArn"],
        group=response.get("ModelPackageGroupName", ""),
        version=int(response.get("ModelPackageVersion", 0)),
        approval=response.get("ModelApprovalStatus", ""),
        created_at=created,
        modified_at=times.iso(modified) if modified else created,
        metadata=response.get("CustomerMetadataProperties", {}),
        containers=tuple(specification.get("Containers", ())),
        content_types=tuple(specification.get("SupportedContentTypes", ())),
        metrics_uri=statistics.get("S3Uri"),
        reason=response.get("ApprovalDescription"),
    )


def algorithm_of(services: Services, package: Package) -> Algorithm | None:
    """Returns the algorithm whose pipeline registered it, as far as it is in the catalogue still.

    A package that no pipeline of ours made is the algorithm's that has its group to itself.
    """
    name = package.metadata.get("algorithm")
    if name is not None:
        return catalogue.get(services, name)
    sharing = catalogue.of_group(services, package.group)
    return sharing[0] if len(sharing) == 1 else None


def served_by(services: Services, config: str) -> str | None:
    """Returns the ARN of the package behind an endpoint config; None where there is none, or the config is gone."""
    try:
        described = services.sagemaker.describe_endpoint_config(EndpointConfigName=config)
        model = services.sagemaker.describe_model(ModelName=described["ProductionVariants"][0]["ModelName"])
    except ClientError as error:
        if endpoints.is_missing(error):
            return None
        raise
    containers = [*model.get("Containers", ()), model.get("PrimaryContainer", {})]
    return next((each["ModelPackageName"] for each in containers if each.get("ModelPackageName")), None)
