"""Model packages: the versions that are registered in a group, and packages with a name of their own.

Nothing here looks into a package: ValidationSpecification is refused, for it would run jobs that test the model, and
SkipModelValidation is kept and changes nothing, as there is no validation to skip.
"""

from local.documents import Document
from local.sagemaker.machine import events
from local.sagemaker.machine.machine import Machine
from local.sagemaker.resources import model_package_groups, tags
from local.sagemaker.resources.model_package_groups import PACKAGE
from local.sagemaker.wire import listing, shapes
from local.sagemaker.wire.arns import resource
from local.sagemaker.wire.errors import ApiError, ConflictException, ValidationException
from local.store import AlreadyThere, now

_TOKEN = "model-package-token"
_PENDING, _APPROVED = "PendingManualApproval", "Approved"
_REFUSED = ("SourceAlgorithmSpecification", "ValidationSpecification", "ManagedStorageType")


def create(machine: Machine, request: Document) -> Document:
    """Creates a version of a group, or a package of its own name. A ClientToken it has seen answers that package."""
    _check(request)
    token = request.get("ClientToken")
    created = now()
    document = {**request, "CreationTime": created, "LastModifiedTime": created, "CreatedBy": {}}
    document["ModelPackageStatus"] = "Completed"
    document["ModelPackageStatusDetails"] = {"ValidationStatuses": [], "ImageScanStatuses": []}
    document.setdefault("CertifyForMarketplace", False)
    document.setdefault("SkipModelValidation", "None")
    with machine.store.transaction():
        known = machine.store.get(_TOKEN, token) if token is not None else None
        if known is not None:
            return _again(known, request)
        versioned = "ModelPackageGroupName" in request
        key = _versioned(machine, document) if versioned else request["ModelPackageName"]
        arn = document["ModelPackageArn"] = machine.arns.of(PACKAGE, key)
        try:
            machine.store.insert(PACKAGE, key, document)
        except AlreadyThere as error:
            raise ValidationException(f"Model Package already exists: {arn}") from error
        if token is not None:
            machine.store.put(_TOKEN, token, {"ModelPackageArn": arn, "Request": request})
        tags.add(machine, arn, request)
        _tell(machine, document)
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
    names = [specification["Name"] for specification in specifications]
    if len(set(names)) != len(names):
        raise ValidationException("Every additional inference specification needs a Name of its own.")


def _again(known: Document, request: Document) -> Document:
    if known["Request"] != request:
        raise ConflictException(f"The ClientToken has made {known['ModelPackageArn']} with other arguments.")
    return known


def _versioned(machine: Machine, document: Document) -> str:
    """Gives a new package its place in its group."""
    name, version = model_package_groups.take_version(machine, document["ModelPackageGroupName"])
    document["ModelPackageGroupName"] = name
    document["ModelPackageVersion"] = version
    document.setdefault("ModelApprovalStatus", _PENDING)
    document.setdefault("ModelPackageRegistrationType", "Registered")
    return f"{name}/{version}"


def describe(machine: Machine, request: Document) -> Document:
    key = resource(request["ModelPackageName"])
    document = machine.store.get(PACKAGE, key)
    if document is None:
        raise ValidationException(f"ModelPackage {machine.arns.of(PACKAGE, key)} does not exist.")
    package = {"ModelPackageName": key, **document}
    if request.get("IncludedData") == "MetadataOnly":
        package.pop("InferenceSpecification", None)
        package.pop("AdditionalInferenceSpecifications", None)
    return package


def describe_batch(machine: Machine, request: Document) -> Document:
    """Describes several (BatchDescribeModelPackage): an error of one is that one's."""
    summaries: Document = {}
    errors: Document = {}
    for arn in request["ModelPackageArnList"]:
        try:
            summaries[arn] = describe(machine, {"ModelPackageName": arn})
        except ApiError as error:
            errors[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
    return {"ModelPackageSummaries": summaries, "BatchDescribeModelPackageErrorMap": errors}


def update(machine: Machine, request: Document) -> Document:
    """Changes what is given. CustomerMetadataProperties are merged; ...ToRemove, ...ToAdd do as they say."""
    document = describe(machine, {"ModelPackageName": request["ModelPackageArn"]})
    if "ModelApprovalStatus" in request and "ModelPackageVersion" not in document:
        raise ValidationException("ModelApprovalStatus is for the versions of a model package group.")
    machine.store.change(
        PACKAGE, resource(document["ModelPackageArn"]), lambda stored: _update(machine, stored, request)
    )
    return {"ModelPackageArn": document["ModelPackageArn"]}


_MERGED = (
    "ModelPackageArn", "CustomerMetadataProperties", "CustomerMetadataPropertiesToRemove", "ClientToken",
    "AdditionalInferenceSpecificationsToAdd",
)  # fmt: skip


def _update(machine: Machine, stored: Document, request: Document) -> None:
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
    _tell(machine, stored)


def delete(machine: Machine, request: Document) -> Document:
    document = describe(machine, request)
    with machine.store.transaction():
        machine.store.delete(PACKAGE, resource(document["ModelPackageArn"]))
        if "ClientToken" in document:
            machine.store.delete(_TOKEN, document["ClientToken"])
        tags.forget(machine, document["ModelPackageArn"])
    return {}


def listed(machine: Machine, request: Document) -> Document:
    group = request.get("ModelPackageGroupName")
    if group is not None:
        model_package_groups.describe(machine, {"ModelPackageGroupName": group})
    packages = [
        {**document, "ModelPackageName": resource(document["ModelPackageArn"])}
        for document in machine.store.find(PACKAGE, f"{resource(group)}/" if group else "")
        if _listed(document, request)
    ]
    return listing.page("ListModelPackages", packages, request, name="ModelPackageName")


def _listed(document: Document, request: Document) -> bool:
    kind = request.get("ModelPackageType", "Versioned" if "ModelPackageGroupName" in request else "Unversioned")
    if kind != "Both" and (kind == "Versioned") != ("ModelPackageVersion" in document):
        return False
    wanted = request.get("ModelApprovalStatus")
    return wanted is None or document.get("ModelApprovalStatus") == wanted


def deployable(machine: Machine, name_or_arn: str) -> Document:
    """Answers the package's one inference container. Raises ValidationException for a version that is not approved."""
    document = describe(machine, {"ModelPackageName": name_or_arn})
    arn = document["ModelPackageArn"]
    approval = document.get("ModelApprovalStatus", _APPROVED)
    if approval != _APPROVED:
        raise ValidationException(f"Model package {arn} cannot be deployed: its ModelApprovalStatus is {approval}.")
    if "InferenceSpecification" not in document:
        raise ValidationException(f"Model package {arn} has no inference specification.")
    containers: list[Document] = document["InferenceSpecification"]["Containers"]
    if len(containers) != 1:
        raise ValidationException(f"Model package {name_or_arn} has {len(containers)} containers; one is run here.")
    return containers[0]


def _tell(machine: Machine, document: Document) -> None:
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
    machine.outbox.add(events.MODEL_PACKAGE, detail, [document["ModelPackageArn"]])
