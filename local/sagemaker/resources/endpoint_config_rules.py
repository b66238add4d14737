"""What an endpoint configuration may not say: AWS's rules, and what this local SageMaker does not run."""

from collections.abc import Mapping

from local.documents import Json
from local.sagemaker.wire.errors import ValidationException

_MEMBERS = {
    "ExplainerConfig": "explanations",
    "EnableNetworkIsolation": "network isolation of an endpoint",
    "ExecutionRoleArn": "inference components (a role for the whole configuration)",
}
_OF_VARIANT = {
    "InstancePools": "several instance types of one variant",
    "CoreDumpConfig": "core dumps",
    "CapacityReservationConfig": "capacity reservations",
    "AcceleratorType": "Elastic Inference",
}


def check(request: Mapping[str, Json]) -> None:
    """Raises ValidationException."""
    for member, what in _MEMBERS.items():
        if request.get(member):
            raise _refused(member, what)
    variants, shadows = request["ProductionVariants"], request.get("ShadowProductionVariants", [])
    names = [variant["VariantName"] for variant in (*variants, *shadows)]
    if len(set(names)) != len(names):
        raise ValidationException("Every production variant needs a name of its own.")
    if shadows and (len(variants) > 1 or len(shadows) > 1):
        raise ValidationException(
            "With ShadowProductionVariants there is one variant for ProductionVariants and one for "
            "ShadowProductionVariants."
        )
    for variant in (*variants, *shadows):
        _check_variant(variant)
    _check_kinds(request, variants, shadows)


def _check_variant(variant: Mapping[str, Json]) -> None:
    name = variant["VariantName"]
    if "ModelName" not in variant:
        raise ValidationException(
            f"Production variant {name} names no model: inference components are not run by this local SageMaker."
        )
    if variant.get("ManagedInstanceScaling", {}).get("Status", "DISABLED") == "ENABLED":
        raise ValidationException("ManagedInstanceScaling is only supported for inference component endpoints.")
    if variant.get("RoutingConfig", {}).get("RoutingStrategy") == "PREFIX_AWARE":
        raise _refused("RoutingStrategy PREFIX_AWARE", "prefix-aware routing")
    for member, what in _OF_VARIANT.items():
        if member in variant:
            raise _refused(member, what)
    if "ServerlessConfig" in variant:
        if "InstanceType" in variant or "InitialInstanceCount" in variant:
            raise ValidationException(
                f"Production variant {name} has a ServerlessConfig: InstanceType and InitialInstanceCount are not "
                "for it."
            )
        _check_serverless(variant["ServerlessConfig"])
    elif "InstanceType" not in variant or "InitialInstanceCount" not in variant:
        raise ValidationException(
            f"Production variant {name} needs an InstanceType and an InitialInstanceCount, or a ServerlessConfig."
        )


def _check_serverless(config: Mapping[str, int]) -> None:
    memory = config["MemorySizeInMB"]
    if memory % 1024:
        raise ValidationException(f"MemorySizeInMB is a multiple of 1024; found {memory}.")
    if config.get("ProvisionedConcurrency", 0) > config["MaxConcurrency"]:
        raise ValidationException("ProvisionedConcurrency must be less than or equal to MaxConcurrency.")


def _check_kinds(request: Mapping[str, Json], variants: list[Json], shadows: list[Json]) -> None:
    serverless = any("ServerlessConfig" in variant for variant in (*variants, *shadows))
    asynchronous = "AsyncInferenceConfig" in request
    if asynchronous and (len(variants) > 1 or shadows):
        raise ValidationException("An asynchronous endpoint has one production variant.")
    if asynchronous and serverless:
        raise ValidationException("AsyncInferenceConfig is not supported for a variant with a ServerlessConfig.")
    if serverless and (len(variants) > 1 or shadows):
        raise ValidationException("A serverless endpoint has one production variant.")
    if request.get("DataCaptureConfig", {}).get("EnableCapture", "DataCaptureConfig" in request):
        if serverless or asynchronous:
            raise ValidationException("DataCaptureConfig is for real-time endpoints.")
        destination = request["DataCaptureConfig"]["DestinationS3Uri"]
        if not destination.startswith("s3://"):
            raise ValidationException(f"DestinationS3Uri must be an S3 location (s3://bucket/prefix): {destination}")
    _check_output(request.get("AsyncInferenceConfig", {}))


def _check_output(config: Mapping[str, Json]) -> None:
    if not config:
        return
    output = config["OutputConfig"]
    told = output.get("NotificationConfig", {}).get("IncludeInferenceResponseIn", [])
    if "S3OutputPath" not in output and "SUCCESS_NOTIFICATION_TOPIC" not in told:
        raise ValidationException(
            "OutputConfig needs an S3OutputPath, or IncludeInferenceResponseIn with SUCCESS_NOTIFICATION_TOPIC."
        )


def _refused(member: str, what: str) -> ValidationException:
    return ValidationException(f"{member}: {what} is not run by this local SageMaker.")
