"""The operations on endpoints. Each writes what should be and leaves the work to `hosting.py`."""

from collections.abc import Mapping

from local.documents import Document, Json
from local.sagemaker.endpoints import description, rollout
from local.sagemaker.endpoints.hosting import Endpoints
from local.sagemaker.endpoints.state import BUSY, ENDPOINT, KIND, EndpointStatus, tell, tell_stage
from local.sagemaker.resources import tags
from local.sagemaker.resources.endpoint_configs import ENDPOINT_CONFIG
from local.sagemaker.wire.errors import ValidationException
from local.store import now


def create(endpoints: Endpoints, request: Document) -> Document:
    machine, name = endpoints.machine, request["EndpointName"]
    config = ENDPOINT_CONFIG.find(machine, request["EndpointConfigName"])
    _check_policy(request.get("DeploymentConfig"), config)
    created = now()
    document: Document = {
        "EndpointConfigName": request["EndpointConfigName"],
        "EndpointStatus": EndpointStatus.CREATING.value,
        "CreationTime": created,
        "LastModifiedTime": created,
        "_Pending": _pending(request),
    }
    arn = ENDPOINT.insert(machine, request, document)
    endpoints.deploy(name)
    return arn


def update(endpoints: Endpoints, request: Document) -> Document:
    machine, name = endpoints.machine, request["EndpointName"]
    document = ENDPOINT.find(machine, name)
    config = ENDPOINT_CONFIG.find(machine, request["EndpointConfigName"])
    _check_kind(document, config)
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
        tell(machine, stored)

    machine.store.change(KIND, name, change)
    endpoints.deploy(name)
    return {"EndpointArn": document["EndpointArn"]}


def update_weights_and_capacities(endpoints: Endpoints, request: Document) -> Document:
    machine, name, wanted = endpoints.machine, request["EndpointName"], request["DesiredWeightsAndCapacities"]
    document = ENDPOINT.find(machine, name)

    def change(stored: Document) -> None:
        _check_free(stored)
        _check_wanted(stored, wanted)
        stored["EndpointStatus"] = EndpointStatus.UPDATING.value
        stored["LastModifiedTime"] = now()
        stored["_Scaling"] = wanted
        _show_wanted(stored, wanted)
        stored.pop("FailureReason", None)
        tell(machine, stored)
        tell_stage(machine, stored)

    machine.store.change(KIND, name, change)
    endpoints.rescale(name)
    return {"EndpointArn": document["EndpointArn"]}


describe, listed = ENDPOINT.describe, ENDPOINT.listed


def delete(endpoints: Endpoints, request: Document) -> Document:
    machine, name = endpoints.machine, request["EndpointName"]
    document = ENDPOINT.find(machine, name)

    def change(stored: Document) -> None:
        if EndpointStatus(stored["EndpointStatus"]) in BUSY:
            raise ValidationException(f'Cannot update in-progress endpoint "{stored["EndpointArn"]}".')
        stored["EndpointStatus"] = EndpointStatus.DELETING.value
        stored["LastModifiedTime"] = now()
        tell(machine, stored)

    machine.store.change(KIND, name, change)
    # Before the name is free: an endpoint that takes it at once has the same ARN, and tags of its own.
    tags.forget(machine, document["EndpointArn"])
    endpoints.remove(name)
    return {}


def _pending(request: Document) -> Document:
    """Returns what a deployment is to do; kept until it is done, so that a restart does it."""
    pending: Document = {"EndpointConfigName": request["EndpointConfigName"]}
    if "DeploymentConfig" in request:
        pending["DeploymentConfig"] = request["DeploymentConfig"]
    if request.get("RetainAllVariantProperties"):
        excluded = request.get("ExcludeRetainedVariantProperties", [])
        pending["Retain"] = [each["VariantPropertyType"] for each in excluded]
    return pending


def _check_free(stored: Mapping[str, Json]) -> None:
    """Raises ValidationException for an endpoint that cannot be changed now."""
    status, arn = EndpointStatus(stored["EndpointStatus"]), stored["EndpointArn"]
    if status in BUSY:
        raise ValidationException(f'Cannot update in-progress endpoint "{arn}".')
    if status is not EndpointStatus.IN_SERVICE:
        # AWS: "DeleteEndpoint is the only operation that can be performed on a failed endpoint."
        raise ValidationException(f'Cannot update failed endpoint "{arn}"; delete it first.')


def _check_kind(document: Document, config: Document) -> None:
    """Raises ValidationException for an asynchronous endpoint that would answer at once, or the other way round.

    AWS: https://github.com/aws/sagemaker-python-sdk/pull/3124
    """
    before, after = "AsyncInferenceConfig" in document, "AsyncInferenceConfig" in config
    # What never served has no kind yet.
    if before != after and "ProductionVariants" in document:
        done = "removed from" if before else "added to"
        raise ValidationException(
            f"The AsyncInferenceConfig parameter cannot be {done} this endpoint {document['EndpointName']}. "
            "To change it, create a new endpoint."
        )


def _check_policy(policy: Document | None, config: Document) -> None:
    """Raises ValidationException."""
    counts = [variant.get("InitialInstanceCount", 1) for variant in config["ProductionVariants"]]
    rollout.plan(policy, counts)


def _check_wanted(stored: Mapping[str, Json], wanted: list[Document]) -> None:
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


def _scaling(summary: Mapping[str, Json]) -> Document:
    current, desired = summary.get("CurrentInstanceCount", 0), summary.get("DesiredInstanceCount", 0)
    direction = "in" if desired < current else "out"
    return description.status("Updating", f"Scaling {direction} desired instance count to {desired}.")
