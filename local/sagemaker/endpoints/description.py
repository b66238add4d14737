"""How DescribeEndpoint shows a fleet, and the words of a deployment's stages."""

from collections.abc import Sequence
from fractions import Fraction

from local.documents import Document
from local.sagemaker.endpoints.fleet import Fleet
from local.sagemaker.endpoints.rollout import Bake, Launch, Retire, Shift, Step
from local.sagemaker.endpoints.variant import Variant
from local.store import now


def variants(fleet: Fleet, status: Document | None = None) -> list[Document]:
    """Returns the ProductionVariants, each with `status` (a ProductionVariantStatus)."""
    return [_variant(fleet, variant, status) for variant in fleet.variants]


def shadows(fleet: Fleet, status: Document | None = None) -> list[Document]:
    """Returns the ShadowProductionVariants; empty where there are none."""
    return [_variant(fleet, variant, status) for variant in fleet.shadows]


def pending(fleet: Fleet, started: float, status: Document | None) -> Document:
    """Returns the PendingDeploymentSummary."""
    summary: Document = {
        "EndpointConfigName": fleet.config["EndpointConfigName"],
        "ProductionVariants": variants(fleet, status),
        "StartTime": started,
    }
    if fleet.shadows:
        summary["ShadowProductionVariants"] = shadows(fleet, status)
    return summary


def capture(config: Document) -> Document | None:
    """Returns the DataCaptureConfig as DescribeEndpoint shows it."""
    captured = config.get("DataCaptureConfig")
    if captured is None:
        return None
    enabled = captured.get("EnableCapture", True)
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": captured["InitialSamplingPercentage"],
        "DestinationS3Uri": captured["DestinationS3Uri"],
        "KmsKeyId": captured.get("KmsKeyId", ""),
    }


def stage(step: Step, fleet: Fleet, share: Fraction) -> Document:
    """Returns the ProductionVariantStatus while `step` goes on; by then `share` of the requests reach `fleet`."""
    full = sum(variant.desired for variant in fleet.variants)
    active = sum(-(-share.numerator * variant.desired // share.denominator) for variant in fleet.variants)
    what = f"full capacity of {full}" if share == 1 else f"canary capacity of {active}"
    match step:
        case Launch():
            return status("Creating", f"Launching {full} instance(s).")
        case Shift():
            return status("ActivatingTraffic", f"Activating traffic on {what} instance(s).")
        case Bake():
            text = f"Baking for {step.seconds} seconds ({step.member}) with traffic enabled on {what} instance(s)."
            return status("Baking", text)
        case Retire():
            return status("Deleting", "Terminating instance(s) of the old fleet.")


def status(word: str, message: str) -> Document:
    return {"Status": word, "StatusMessage": message, "StartTime": now()}


def _variant(fleet: Fleet, variant: Variant, state: Document | None) -> Document:
    summary: Document = {
        "VariantName": variant.name,
        "DeployedImages": _images(fleet, variant),
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "InstanceType": variant.config.get("InstanceType"),
    }
    if variant.serverless is None:
        summary |= {"CurrentInstanceCount": variant.count, "DesiredInstanceCount": variant.desired}
    else:
        summary |= {
            "CurrentInstanceCount": 0,
            "CurrentServerlessConfig": variant.serverless,
            "DesiredServerlessConfig": variant.serverless,
        }
    for member in ("RoutingConfig",):
        if member in variant.config:
            summary[member] = variant.config[member]
    if state is not None:
        summary["VariantStatus"] = [state]
    return summary


def _images(fleet: Fleet, variant: Variant) -> Sequence[Document]:
    model = fleet.blueprint.models[variant.config["ModelName"]]
    at = fleet.config.get("CreationTime", now())
    return [
        {"SpecifiedImage": served.image, "ResolvedImage": served.image, "ResolutionTime": at}
        for served in model.containers
    ]
