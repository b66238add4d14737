"""Model package groups, and the versions registered in them; packages with a name of their own.

Nothing here looks into a package: ValidationSpecification is refused, for it would run jobs that test the model, and
SkipModelValidation is kept and changes nothing, as there is no validation to skip.
"""

from typing import Any

from local.documents import Document
from local.sagemaker.machine import events
from local.sagemaker.machine.machine import Context
from local.sagemaker.resources import tags
from local.sagemaker.wire import listing, shapes
from local.sagemaker.wire.arns import resource
from local.sagemaker.wire.errors import ApiError, ConflictException, ValidationException
from local.store import AlreadyThere, now

GROUP, PACKAGE = "model-package-group", "model-package"
_POLICY, _TOKEN = "model-package-group-policy", "model-package-token"
_PENDING, _APPROVED = "PendingManualApproval", "Approved"
_REFUSED = ("SourceAlgorithmSpecification", "ValidationSpecification", "ManagedStorageType")


# Groups.


def create_group(context: Context, request: Document) -> Document:
    if "ManagedConfiguration" in request:
        raise ValidationException("ManagedConfiguration is not run by this local SageMaker.")
    name = request["ModelPackageGroupName"]
    arn = context.arns.of(GROUP, name)
    created = now()
    document = {
        **request,
        "ModelPackageGroupArn": arn,
        "ModelPackageGroupStatus": "Completed",
        "CreationTime": created,
        "LastModifiedTime": created,
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
    """There is one account: none of its groups is shared by another."""
    others = request.get("CrossAccountFilterOption") == "CrossAccount"
    documents = [] if others else context.store.find(GROUP)
    return listing.page("ListModelPackageGroups", documents, request, name="ModelPackageGroupName", ascending=True)


def delete_group(context: Context, request: Document) -> Document:
    with context.store.transaction():
        document = describe_group(context, request)
        name = document["ModelPackageGroupName"]
        if context.store.items(PACKAGE, f"{name}/", limit=1):
            raise ValidationException(f"Model Package Group {name} still has model packages; delete them first.")
        context.store.delete(GROUP, name)
        context.store.delete(_POLICY, name)
        tags.forget(context, document["ModelPackageGroupArn"])
    return {}


def put_policy(context: Context, request: Document) -> Document:
    """Kept and answered: whoever reaches the local endpoint may do everything."""
    group = describe_group(context, request)
    context.store.put(_POLICY, group["ModelPackageGroupName"], {"ResourcePolicy": request["ResourcePolicy"]})
    return {"ModelPackageGroupArn": group["ModelPackageGroupArn"]}


def get_policy(context: Context, request: Document) -> Document:
    group = describe_group(context, request)
    policy = context.store.get(_POLICY, group["ModelPackageGroupName"])
    if policy is None:
        raise ValidationException(f"Cannot find resource policy for: {group['ModelPackageGroupArn']}")
    return policy


def delete_policy(context: Context, request: Document) -> Document:
    get_policy(context, request)
    context.store.delete(_POLICY, resource(request["ModelPackageGroupName"]))
    return {}


# Packages.


def create_package(context: Context, request: Document) -> Document:
    """Of a group (versioned), or by a name of its own. With a ClientToken it has seen, answers that package."""
    _check(request)
    token = request.get("ClientToken")
    created = now()
    document = {**request, "CreationTime": created, "LastModifiedTime": created, "CreatedBy": {}}
    document["ModelPackageStatus"] = "Completed"
    document["ModelPackageStatusDetails"] = {"ValidationStatuses": [], "ImageScanStatuses": []}
    document.setdefault("CertifyForMarketplace", False)
    document.setdefault("SkipModelValidation", "None")
    with context.store.transaction():
        known = context.store.get(_TOKEN, token) if token is not None else None
        if known is not None:
            return _again(known, request)
        versioned = "ModelPackageGroupName" in request
        key = _take_version(context, document) if versioned else request["ModelPackageName"]
        arn = document["ModelPackageArn"] = context.arns.of(PACKAGE, key)
        try:
            context.store.insert(PACKAGE, key, document)
        except AlreadyThere as error:
            raise ValidationException(f"Model Package already exists: {arn}") from error
        if token is not None:
            context.store.put(_TOKEN, token, {"ModelPackageArn": arn, "Request": request})
        tags.add(context, arn, request)
        _tell(context, document)
    return {"ModelPackageArn": arn}


def _check(request: Document) -> None:
    for refused in _REFUSED:
        if refused in request:
            raise ValidationException(f"{refused} is not run by this local SageMaker.")
    if ("ModelPackageName" in request) == ("ModelPackageGroupName" in request):
        raise ValidationException("Give exactly one of ModelPackageName and ModelPackageGroupName.")
    if "InferenceSpecification" not in request and "SourceUri" not in request:
        raise ValidationException("A model package needs an InferenceSpecification or a SourceUri.")
    if "ModelPackageName" in request and "ModelApprovalStatus" in request:
        raise ValidationException("ModelApprovalStatus is for the versions of a model package group.")
    _check_additional(request.get("AdditionalInferenceSpecifications", []))


def _check_additional(specifications: list[Document]) -> None:
    names = [one["Name"] for one in specifications]
    if len(set(names)) != len(names):
        raise ValidationException("Every additional inference specification needs a Name of its own.")


def _again(known: Document, request: Document) -> Document:
    if known["Request"] != request:
        raise ConflictException(f"The ClientToken has made {known['ModelPackageArn']} with other arguments.")
    return known


def _take_version(context: Context, document: Document) -> str:
    group = describe_group(context, {"ModelPackageGroupName": document["ModelPackageGroupName"]})
    version = group["_LastVersion"] + 1
    name = group["ModelPackageGroupName"]
    context.store.put(GROUP, name, {**group, "_LastVersion": version})
    document["ModelPackageGroupName"] = name
    document["ModelPackageVersion"] = version
    document.setdefault("ModelApprovalStatus", _PENDING)
    document.setdefault("ModelPackageRegistrationType", "Registered")
    return f"{name}/{version}"


def describe_package(context: Context, request: Document) -> Document:
    key = resource(request["ModelPackageName"])
    document = context.store.get(PACKAGE, key)
    if document is None:
        raise ValidationException(f"ModelPackage {context.arns.of(PACKAGE, key)} does not exist.")
    found = {"ModelPackageName": key, **document}
    if request.get("IncludedData") == "MetadataOnly":
        found.pop("InferenceSpecification", None)
        found.pop("AdditionalInferenceSpecifications", None)
    return found


def describe_packages(context: Context, request: Document) -> Document:
    """BatchDescribeModelPackage: an error of one is that one's."""
    summaries: Document = {}
    errors: Document = {}
    for arn in request["ModelPackageArnList"]:
        try:
            summaries[arn] = describe_package(context, {"ModelPackageName": arn})
        except ApiError as error:
            errors[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
    return {"ModelPackageSummaries": summaries, "BatchDescribeModelPackageErrorMap": errors}


def update_package(context: Context, request: Document) -> Document:
    """What is given is changed. CustomerMetadataProperties are merged; ...ToRemove, ...ToAdd do as they say."""
    document = describe_package(context, {"ModelPackageName": request["ModelPackageArn"]})
    if "ModelApprovalStatus" in request and "ModelPackageVersion" not in document:
        raise ValidationException("ModelApprovalStatus is for the versions of a model package group.")
    context.store.change(
        PACKAGE, resource(document["ModelPackageArn"]), lambda stored: _update(context, stored, request)
    )
    return {"ModelPackageArn": document["ModelPackageArn"]}


_MERGED = (
    "ModelPackageArn", "CustomerMetadataProperties", "CustomerMetadataPropertiesToRemove", "ClientToken",
    "AdditionalInferenceSpecificationsToAdd",
)  # fmt: skip


def _update(context: Context, stored: Document, request: Document) -> None:
    stored.update({name: value for name, value in request.items() if name not in _MERGED})
    gone = request.get("CustomerMetadataPropertiesToRemove", [])
    properties = {**stored.get("CustomerMetadataProperties", {}), **request.get("CustomerMetadataProperties", {})}
    stored["CustomerMetadataProperties"] = {name: value for name, value in properties.items() if name not in gone}
    added = request.get("AdditionalInferenceSpecificationsToAdd", [])
    if added:
        together = [*stored.get("AdditionalInferenceSpecifications", []), *added]
        _check_additional(together)
        stored["AdditionalInferenceSpecifications"] = together
    stored["LastModifiedTime"] = now()
    stored["LastModifiedBy"] = {}
    _tell(context, stored)


def delete_package(context: Context, request: Document) -> Document:
    document = describe_package(context, request)
    with context.store.transaction():
        context.store.delete(PACKAGE, resource(document["ModelPackageArn"]))
        if "ClientToken" in document:
            context.store.delete(_TOKEN, document["ClientToken"])
        tags.forget(context, document["ModelPackageArn"])
    return {}


def list_packages(context: Context, request: Document) -> Document:
    group = request.get("ModelPackageGroupName")
    if group is not None:
        describe_group(context, {"ModelPackageGroupName": group})
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
    """The package's one inference container. Raises ValidationException for a version that is not approved."""
    containers = containers_of(context, name_or_arn)
    if len(containers) != 1:
        raise ValidationException(f"Model package {name_or_arn} has {len(containers)} containers; one is run here.")
    return containers[0]


def containers_of(context: Context, name_or_arn: str, specification: str | None = None) -> list[Document]:
    """The containers that a model of this package is made of; `specification` names an additional one of its.

    Raises ValidationException for a version that is not approved.
    """
    document = describe_package(context, {"ModelPackageName": name_or_arn})
    arn = document["ModelPackageArn"]
    approval = document.get("ModelApprovalStatus", _APPROVED)
    if approval != _APPROVED:
        raise ValidationException(f"Model package {arn} cannot be deployed: its ModelApprovalStatus is {approval}.")
    found: Any = document.get("InferenceSpecification")
    if specification is not None:
        additional = document.get("AdditionalInferenceSpecifications", [])
        found = next((one for one in additional if one["Name"] == specification), None)
    if found is None:
        raise ValidationException(f"Model package {arn} has no such inference specification: {specification or ''}")
    containers: list[Document] = found["Containers"]
    return containers


def group_exists(context: Context, name: str) -> bool:
    return context.store.get(GROUP, resource(name)) is not None


def _tell(context: Context, document: Document) -> None:
    kept = (
        "ModelPackageName", "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn",
        "ModelPackageDescription", "InferenceSpecification", "ModelPackageStatus", "ModelPackageStatusDetails",
        "CertifyForMarketplace", "ModelApprovalStatus", "MetadataProperties", "ModelMetrics", "ApprovalDescription",
        "CustomerMetadataProperties", "DriftCheckBaselines", "ModelLifeCycle",
    )  # fmt: skip
    # What a class of the shape does not know, its listeners do not either.
    detail = shapes.member("ModelPackage", {name: document[name] for name in kept if name in document})
    detail["CreationTime"] = events.iso(document["CreationTime"])
    detail["LastModifiedTime"] = events.iso(document["LastModifiedTime"])
    context.outbox.add(events.MODEL_PACKAGE, detail, [document["ModelPackageArn"]])
