"""The operations on pipelines; those on their executions are in `requests.py`."""

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Document
from local.sagemaker.machine.machine import Machine
from local.sagemaker.pipelines import caching, versions
from local.sagemaker.pipelines.definition import parse
from local.sagemaker.pipelines.journal import DEFINITION, EXECUTION, STEP, ExecutionStatus
from local.sagemaker.resources import tags
from local.sagemaker.wire import listing
from local.sagemaker.wire.arns import resource
from local.sagemaker.wire.errors import ConflictException, ResourceNotFound, ValidationException
from local.store import AlreadyThere, now

KIND, TOKEN = "pipeline", "execution-token"
_MAX_DEFINITION = 1 << 20


def create(machine: Machine, request: Document) -> Document:
    name = request["PipelineName"]
    arn = machine.arns.of(KIND, name)
    created = now()
    document: Document = {
        **{member: value for member, value in request.items() if member != "PipelineDefinitionS3Location"},
        "PipelineArn": arn,
        "PipelineDefinition": _definition(machine, request),
        "PipelineStatus": "Active",
        "CreationTime": created,
        "LastModifiedTime": created,
        "CreatedBy": {},
        "LastModifiedBy": {},
        "_Version": 1,
    }
    document.setdefault("PipelineDisplayName", name)
    try:
        with machine.store.transaction():
            machine.store.insert(KIND, name, document)
            versions.add(machine, document)
            tags.add(machine, arn, request)
    except AlreadyThere as error:
        stored = find(machine, name)
        if stored.get("ClientRequestToken") == request["ClientRequestToken"]:
            return {"PipelineArn": arn}
        raise ValidationException(
            f"Pipeline names must be unique within an AWS account and region. Pipeline with name ({name}) already "
            "exists."
        ) from error
    return {"PipelineArn": arn}


def update(machine: Machine, request: Document) -> Document:
    name = request["PipelineName"]
    find(machine, name)
    changes = {member: value for member, value in request.items() if member != "PipelineDefinitionS3Location"}
    if "PipelineDefinition" in request or "PipelineDefinitionS3Location" in request:
        changes["PipelineDefinition"] = _definition(machine, request)

    def change(document: Document) -> None:
        document.update(changes)
        document["LastModifiedTime"] = now()
        document["_Version"] += 1
        versions.add(machine, document)

    document = machine.store.change(KIND, name, change) or {}
    return {"PipelineArn": machine.arns.of(KIND, name), "PipelineVersionId": document.get("_Version")}


def describe(machine: Machine, request: Document) -> Document:
    document = find(machine, request["PipelineName"])
    if "PipelineVersionId" in request:
        return {**document, **versions.get(machine, document, request["PipelineVersionId"])}
    return document


def find(machine: Machine, name_or_arn: str) -> Document:
    """Raises ResourceNotFound."""
    name = resource(name_or_arn)
    document = machine.store.get(KIND, name)
    if document is None:
        raise ResourceNotFound(f"Pipeline '{machine.arns.of(KIND, name)}' does not exist.")
    return document


def delete(machine: Machine, request: Document) -> Document:
    """Deletes its versions and its executions, too, as a new pipeline of that name has none of them."""
    name = request["PipelineName"]
    with machine.store.transaction():
        document = find(machine, name)
        arn = document["PipelineArn"]
        for key, execution in machine.store.items(EXECUTION, f"{name}/"):
            if not ExecutionStatus(execution["PipelineExecutionStatus"]).final:
                raise ConflictException(f"Pipeline '{arn}' has running executions; stop them first.")
            _forget(machine, key)
        for kind in (TOKEN, caching.KIND):
            for key, _ in machine.store.items(kind, f"{name}/"):
                machine.store.delete(kind, key)
        versions.forget(machine, name)
        machine.store.delete(KIND, name)
        tags.forget(machine, arn)
    return {"PipelineArn": arn}


def _forget(machine: Machine, key: str) -> None:
    for step, _ in machine.store.items(STEP, f"{key.rsplit('/', 1)[1]}/"):
        machine.store.delete(STEP, step)
    machine.store.delete(DEFINITION, key)
    machine.store.delete(EXECUTION, key)


def listed(machine: Machine, request: Document) -> Document:
    prefix = request.get("PipelineNamePrefix", "")
    return listing.page("ListPipelines", machine.store.find(KIND, prefix), request, name="PipelineName")


def list_versions(machine: Machine, request: Document) -> Document:
    return versions.listed(machine, find(machine, request["PipelineName"]), request)


def update_version(machine: Machine, request: Document) -> Document:
    find(machine, request["PipelineArn"])
    return versions.update(machine, request)


def _definition(machine: Machine, request: Document) -> str:
    """Returns the definition's text, validated."""
    location = request.get("PipelineDefinitionS3Location")
    if ("PipelineDefinition" in request) == (location is not None):
        raise ValidationException("Give exactly one of PipelineDefinition and PipelineDefinitionS3Location.")
    text: str = request.get("PipelineDefinition", "")
    if location is not None:
        text = _read(machine, location)
    if len(text) > _MAX_DEFINITION:
        raise ValidationException(
            f"The pipeline definition has {len(text)} characters; at most {_MAX_DEFINITION} are taken."
        )
    parse(text)
    return text


def _read(machine: Machine, location: Document) -> str:
    version = {"VersionId": location["VersionId"]} if "VersionId" in location else {}
    bucket, key = location["Bucket"], location["ObjectKey"]
    try:
        body: bytes = machine.s3.get_object(Bucket=bucket, Key=key, **version)["Body"].read()
        return body.decode()
    except (ClientError, BotoCoreError, UnicodeDecodeError) as error:
        raise ValidationException(f"The pipeline definition s3://{bucket}/{key} cannot be read: {error}") from error
