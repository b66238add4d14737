"""The operations on endpoints. Each writes what should be and leaves the work to `hosting.py`."""

from collections.abc import Mapping
from typing import Any

from local.documents import Document
from local.sagemaker.endpoints import description, rollout
from local.sagemaker.endpoints.state import BUSY, KIND, EndpointStatus, tell, tell_stage
from local.sagemaker.machine.machine import Context
from local.sagemaker.resources import endpoint_configs as configs
from local.sagemaker.resources import tags
from local.sagemaker.wire import listing
from local.sagemaker.wire.errors import ValidationException
from local.store import AlreadyThere, now


def create(context: Context, request: Document) -> Document:
    name = request["EndpointName"]
    arn = context.arns.of(KIND, name)
    config = configs.describe(context, {"EndpointConfigName": request["EndpointConfigName"]})
    _check_policy(request.get("DeploymentConfig"), config)
    created = now()
    document = {
        "EndpointName": name,
        "EndpointArn": arn,
        "EndpointConfigName": request["EndpointConfigName"],
        "EndpointStatus": EndpointStatus.CREATING.value,
        "CreationTime": created,
        "LastModifiedTime": created,
        "_Pending": _pending(request),
    }
    try:
        with context.store.transaction():
            context.store.insert(KIND, name, document)
            tags.add(context, arn, request)
            tell(context, document)
    except AlreadyThere as error:
        raise ValidationException(f'Cannot create already existing endpoint "{arn}".') from error
    context.endpoints.deploy(name)
    return {"EndpointArn": arn}


def update(context: Context, request: Document) -> Document:
    name = request["EndpointName"]
    document = describe(context, request)
    config = configs.describe(context, {"EndpointConfigName": request["EndpointConfigName"]})
    if request.get("ExcludeRetainedVariantProperties") and not request.get("RetainAllVariantProperties"):
        raise ValidationException("ExcludeRetainedVariantProperties is for RetainAllVariantProperties.")
    if request.get("RetainDeploymentConfig"):
        if "DeploymentConfig" in request:
            raise ValidationException("An update has either a DeploymentConfig or RetainDeploymentConfig.")
        if "LastDeploymentConfig" in document:
            request = {**request, "DeploymentConfig": document["LastDeploymentConfig"]}
    _check_policy(request.get("DeploymentConfig"), config)

    def change(stored: Document) -> None:
        _check_free(stored)
        stored["EndpointStatus"] = EndpointStatus.UPDATING.value
        stored["LastModifiedTime"] = now()
        stored["_Pending"] = _pending(request)
        stored.pop("FailureReason", None)
        tell(context, stored)

    context.store.change(KIND, name, change)
    context.endpoints.deploy(name)
    return {"EndpointArn": document["EndpointArn"]}


def update_weights_and_capacities(context: Context, request: Document) -> Document:
    name, wanted = request["EndpointName"], request["DesiredWeightsAndCapacities"]
    document = describe(context, request)

    def change(stored: Document) -> None:
        _check_free(stored)
        _check_wanted(stored, wanted)
        stored["EndpointStatus"] = EndpointStatus.UPDATING.value
        stored["LastModifiedTime"] = now()
        stored["_Scaling"] = wanted
        _show_wanted(stored, wanted)
        stored.pop("FailureReason", None)
        tell(context, stored)
        tell_stage(context, stored)

    context.store.change(KIND, name, change)
    context.endpoints.rescale(name)
    return {"EndpointArn": document["EndpointArn"]}


def describe(context: Context, request: Document) -> Document:
    name = request["EndpointName"]
    document = context.store.get(KIND, name)
    if document is None:
        raise ValidationException(f'Could not find endpoint "{context.arns.of(KIND, name)}".')
    return document


def listed(context: Context, request: Document) -> Document:
    documents = context.store.find(KIND)
    return listing.page("ListEndpoints", documents, request, name="EndpointName", status="EndpointStatus")


def delete(context: Context, request: Document) -> Document:
    document = describe(context, request)
    name = document["EndpointName"]

    def change(stored: Document) -> None:
        if EndpointStatus(stored["EndpointStatus"]) in BUSY:
            raise ValidationException(f'Cannot update in-progress endpoint "{stored["EndpointArn"]}".')
        stored["EndpointStatus"] = EndpointStatus.DELETING.value
        stored["LastModifiedTime"] = now()
        tell(context, stored)

    context.store.change(KIND, name, change)
    # Before the name is free: an endpoint that takes it at once has the same ARN, and tags of its own.
    tags.forget(context, document["EndpointArn"])
    context.endpoints.remove(name)
    return {}


def _pending(request: Document) -> Document:
    """What a deployment is to do; kept until it is done, so that a restart does it."""
    pending: Document = {"EndpointConfigName": request["EndpointConfigName"]}
    if "DeploymentConfig" in request:
        pending["DeploymentConfig"] = request["DeploymentConfig"]
    if request.get("RetainAllVariantProperties"):
        excluded = request.get("ExcludeRetainedVariantProperties", [])
        pending["Retain"] = [each["VariantPropertyType"] for each in excluded]
    return pending


def _check_free(stored: Mapping[str, Any]) -> None:
    """Raises ValidationException for an endpoint that cannot be changed now."""
    status, arn = EndpointStatus(stored["EndpointStatus"]), stored["EndpointArn"]
    if status in BUSY:
        raise ValidationException(f'Cannot update in-progress endpoint "{arn}".')
    if status is not EndpointStatus.IN_SERVICE:
        # AWS: "DeleteEndpoint is the only operation that can be performed on a failed endpoint."
        raise ValidationException(f'Cannot update failed endpoint "{arn}"; delete it first.')


def _check_policy(policy: Document | None, config: Document) -> None:
    """Raises ValidationException."""
    counts = [variant.get("InitialInstanceCount", 1) for variant in config["ProductionVariants"]]
    rollout.plan(policy, counts)


def _check_wanted(stored: Mapping[str, Any], wanted: list[Document]) -> None:
    variants = {variant["VariantName"]: variant for variant in stored.get("ProductionVariants", [])}
    for each in wanted:
        name = each["VariantName"]
        if name not in variants:
            raise ValidationException(f'The variant name(s) "{name}" is/are not present within endpoint configuration')
        serverless = "CurrentServerlessConfig" in variants[name]
        if serverless and "DesiredInstanceCount" in each:
            raise ValidationException(f"Variant {name} is serverless: it has no DesiredInstanceCount.")
        if not serverless and "ServerlessUpdateConfig" in each:
            raise ValidationException(f"Variant {name} is not serverless.")
        if each.get("DesiredInstanceCount") == 0 and "AsyncInferenceConfig" not in stored:
            raise ValidationException(f"Variant {name}: only an asynchronous endpoint can have no instance.")


def _show_wanted(stored: Document, wanted: list[Document]) -> None:
    for each in wanted:
        for summary in stored["ProductionVariants"]:
            if summary["VariantName"] != each["VariantName"]:
                continue
            for member in ("DesiredWeight", "DesiredInstanceCount"):
                if member in each:
                    summary[member] = each[member]
            summary["VariantStatus"] = [_scaling(summary)]


def _scaling(summary: Mapping[str, Any]) -> Document:
    current, desired = summary.get("CurrentInstanceCount", 0), summary.get("DesiredInstanceCount", 0)
    direction = "in" if desired < current else "out"
    return description.status("Updating", f"Scaling {direction} desired instance count to {desired}.")
