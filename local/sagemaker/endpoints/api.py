"""The operations on endpoints. Each writes what should be and leaves the work to `fleet.py`."""

from local.sagemaker import listing, tags
from local.sagemaker.context import Context
from local.sagemaker.endpoints import configs
from local.sagemaker.endpoints.state import BUSY, KIND, EndpointStatus, tell
from local.sagemaker.errors import ValidationException
from local.store import AlreadyThere, Document, now


def create(context: Context, request: Document) -> Document:
    name = request["EndpointName"]
    arn = context.arns.of(KIND, name)
    configs.describe(context, {"EndpointConfigName": request["EndpointConfigName"]})
    created = now()
    document = {
        "EndpointName": name,
        "EndpointArn": arn,
        "EndpointConfigName": request["EndpointConfigName"],
        "EndpointStatus": EndpointStatus.CREATING.value,
        "CreationTime": created,
        "LastModifiedTime": created,
    }
    try:
        with context.store.transaction():
            context.store.insert(KIND, name, document)
            tags.add(context, arn, request)
            tell(context, document)
    except AlreadyThere as error:
        raise ValidationException(f'Cannot create already existing endpoint "{arn}".') from error
    context.endpoints.deploy(name, request["EndpointConfigName"])
    return {"EndpointArn": arn}


def update(context: Context, request: Document) -> Document:
    name, config = request["EndpointName"], request["EndpointConfigName"]
    policy = request.get("DeploymentConfig", {})
    routing = policy.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    if routing.get("Type", "ALL_AT_ONCE") != "ALL_AT_ONCE" or "RollingUpdatePolicy" in policy:
        raise ValidationException("Only blue/green deployment ALL_AT_ONCE is run by this local SageMaker.")
    document = describe(context, request)
    configs.describe(context, {"EndpointConfigName": config})

    def change(stored: Document) -> None:
        status = EndpointStatus(stored["EndpointStatus"])
        if status in BUSY:
            raise ValidationException(f'Cannot update in-progress endpoint "{stored["EndpointArn"]}".')
        if status is EndpointStatus.FAILED:
            # AWS: "DeleteEndpoint is the only operation that can be performed on a failed endpoint."
            raise ValidationException(f'Cannot update failed endpoint "{stored["EndpointArn"]}"; delete it first.')
        stored["EndpointStatus"] = EndpointStatus.UPDATING.value
        stored["LastModifiedTime"] = now()
        stored["_Update"] = config
        stored.pop("FailureReason", None)
        tell(context, stored)

    context.store.change(KIND, name, change)
    context.endpoints.deploy(name, config)
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
