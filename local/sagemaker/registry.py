"""Model package groups, and the versions registered in them."""

from local.sagemaker import events, listing, tags
from local.sagemaker.arns import resource
from local.sagemaker.context import Context
from local.sagemaker.errors import ValidationException
from local.store import AlreadyThere, Document, now

GROUP, PACKAGE = "model-package-group", "model-package"
_PENDING, _APPROVED = "PendingManualApproval", "Approved"


# Groups.


def create_group(context: Context, request: Document) -> Document:
    name = request["ModelPackageGroupName"]
    arn = context.arns.of(GROUP, name)
    document = {
        **request,
        "ModelPackageGroupArn": arn,
        "ModelPackageGroupStatus": "Completed",
        "CreationTime": now(),
        "CreatedBy": {},
        "_LastVersion": 0,
    }
    try:
        with context.store.transaction():
            context.store.insert(GROUP, name, document)
            tags.add(context, arn, request)
    except AlreadyThere as error:
        raise ValidationException(f"Model Package Group already exists: {arn}") from error
    return {"ModelPackageGroupArn": arn}


def describe_group(context: Context, request: Document) -> Document:
    name = resource(request["ModelPackageGroupName"])
    document = context.store.get(GROUP, name)
    if document is None:
        raise ValidationException(f"ModelPackageGroup {context.arns.of(GROUP, name)} does not exist.")
    return document


def list_groups(context: Context, request: Document) -> Document:
    documents = context.store.find(GROUP)
    return listing.page("ListModelPackageGroups", documents, request, name="ModelPackageGroupName", ascending=True)


def delete_group(context: Context, request: Document) -> Document:
    document = describe_group(context, request)
    name = document["ModelPackageGroupName"]
    if context.store.find(PACKAGE, f"{name}/"):
        raise ValidationException(f"Model Package Group {name} still has model packages; delete them first.")
    context.store.delete(GROUP, name)
    tags.forget(context, document["ModelPackageGroupArn"])
    return {}


# Packages.


def create_package(context: Context, request: Document) -> Document:
    """Of a group (versioned), or by a name of its own."""
    if "SourceAlgorithmSpecification" in request:
        raise ValidationException("SourceAlgorithmSpecification is not run by this local SageMaker.")
    if ("ModelPackageName" in request) == ("ModelPackageGroupName" in request):
        raise ValidationException("Give exactly one of ModelPackageName and ModelPackageGroupName.")
    created = now()
    document = {**request, "CreationTime": created, "LastModifiedTime": created, "CreatedBy": {}}
    document["ModelPackageStatus"] = "Completed"
    document["ModelPackageStatusDetails"] = {"ValidationStatuses": [], "ImageScanStatuses": []}
    document.setdefault("CertifyForMarketplace", False)
    with context.store.transaction():
        versioned = "ModelPackageGroupName" in request
        key = _take_version(context, document) if versioned else request["ModelPackageName"]
        arn = document["ModelPackageArn"] = context.arns.of(PACKAGE, key)
        try:
            context.store.insert(PACKAGE, key, document)
        except AlreadyThere as error:
            raise ValidationException(f"Model Package already exists: {arn}") from error
        tags.add(context, arn, request)
        _tell(context, document)
    return {"ModelPackageArn": arn}


def _take_version(context: Context, document: Document) -> str:
    group = describe_group(context, {"ModelPackageGroupName": document["ModelPackageGroupName"]})
    version = group["_LastVersion"] + 1
    name = group["ModelPackageGroupName"]
    context.store.put(GROUP, name, {**group, "_LastVersion": version})
    document["ModelPackageGroupName"] = name
    document["ModelPackageVersion"] = version
    document.setdefault("ModelApprovalStatus", _PENDING)
    return f"{name}/{version}"


def describe_package(context: Context, request: Document) -> Document:
    key = resource(request["ModelPackageName"])
    document = context.store.get(PACKAGE, key)
    if document is None:
        raise ValidationException(f"ModelPackage {context.arns.of(PACKAGE, key)} does not exist.")
    return {"ModelPackageName": key, **document}


def update_package(context: Context, request: Document) -> Document:
    document = describe_package(context, {"ModelPackageName": request["ModelPackageArn"]})
    changes = {k: v for k, v in request.items() if k not in ("ModelPackageArn", "CustomerMetadataPropertiesToRemove")}
    gone = set(request.get("CustomerMetadataPropertiesToRemove", []))

    def change(stored: Document) -> None:
        stored.update(changes)
        properties = stored.get("CustomerMetadataProperties", {})
        stored["CustomerMetadataProperties"] = {k: v for k, v in properties.items() if k not in gone}
        stored["LastModifiedTime"] = now()
        stored["LastModifiedBy"] = {}
        _tell(context, stored)

    context.store.change(PACKAGE, resource(document["ModelPackageArn"]), change)
    return {"ModelPackageArn": document["ModelPackageArn"]}


def delete_package(context: Context, request: Document) -> Document:
    document = describe_package(context, request)
    context.store.delete(PACKAGE, resource(document["ModelPackageArn"]))
    tags.forget(context, document["ModelPackageArn"])
    return {}


def list_packages(context: Context, request: Document) -> Document:
    group = request.get("ModelPackageGroupName")
    found = [
        {**document, "ModelPackageName": resource(document["ModelPackageArn"])}
        for document in context.store.find(PACKAGE, f"{resource(group)}/" if group else "")
        if _listed(document, request)
    ]
    return listing.page("ListModelPackages", found, request, name="ModelPackageName")


def _listed(document: Document, request: Document) -> bool:
    kind = request.get("ModelPackageType", "Versioned" if "ModelPackageGroupName" in request else "Unversioned")
    if kind != "Both" and (kind == "Versioned") != ("ModelPackageVersion" in document):
        return False
    wanted = request.get("ModelApprovalStatus")
    return wanted is None or document.get("ModelApprovalStatus") == wanted


def deployable(context: Context, name_or_arn: str) -> Document:
    """The package's inference container. Raises ValidationException for a version that is not approved."""
    document = describe_package(context, {"ModelPackageName": name_or_arn})
    approval = document.get("ModelApprovalStatus", _APPROVED)
    if approval != _APPROVED:
        raise ValidationException(
            f"Model package {document['ModelPackageArn']} cannot be deployed: its ModelApprovalStatus is {approval}."
        )
    containers = document.get("InferenceSpecification", {}).get("Containers", [])
    if len(containers) != 1:
        raise ValidationException(
            f"Model package {document['ModelPackageArn']} has {len(containers)} containers; one is run here."
        )
    container: Document = containers[0]
    return container


def group_exists(context: Context, name: str) -> bool:
    return context.store.get(GROUP, resource(name)) is not None


def _tell(context: Context, document: Document) -> None:
    kept = (
        "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "InferenceSpecification",
        "ModelPackageStatus", "ModelPackageStatusDetails", "CertifyForMarketplace", "ModelApprovalStatus",
        "MetadataProperties", "ModelMetrics", "ApprovalDescription", "CustomerMetadataProperties",
    )  # fmt: skip
    detail = {name: document[name] for name in kept if name in document}
    detail["CreationTime"] = events.iso(document["CreationTime"])
    detail["LastModifiedTime"] = events.iso(document["LastModifiedTime"])
    context.outbox.add(events.MODEL_PACKAGE, detail, [document["ModelPackageArn"]])
