"""The operations on pipelines; those on their executions are in `requests.py`."""

from botocore.exceptions import BotoCoreError, ClientError

from local.documents import Document
from local.sagemaker.machine.machine import Context
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


def create(context: Context, request: Document) -> Document:
    name = request["PipelineName"]
    arn = context.arns.of(KIND, name)
    created = now()
    document: Document = {
        **{member: value for member, value in request.items() if member != "PipelineDefinitionS3Location"},
        "PipelineArn": arn,
        "PipelineDefinition": _definition(context, request),
        "PipelineStatus": "Active",
        "CreationTime": created,
        "LastModifiedTime": created,
        "CreatedBy": {},
        "LastModifiedBy": {},
        "_Version": 1,
    }
    document.setdefault("PipelineDisplayName", name)
    try:
        with context.store.transaction():
            context.store.insert(KIND, name, document)
            versions.add(context, document)
            tags.add(context, arn, request)
    except AlreadyThere as error:
        stored = found(context, name)
        if stored.get("ClientRequestToken") == request["ClientRequestToken"]:
            return {"PipelineArn": arn}
        raise ValidationException(
            f"Pipeline names must be unique within an AWS account and region. Pipeline with name ({name}) already "
            "exists."
        ) from error
    return {"PipelineArn": arn}


def update(context: Context, request: Document) -> Document:
    name = request["PipelineName"]
    found(context, name)
    changes = {member: value for member, value in request.items() if member != "PipelineDefinitionS3Location"}
    if "PipelineDefinition" in request or "PipelineDefinitionS3Location" in request:
        changes["PipelineDefinition"] = _definition(context, request)

    def change(document: Document) -> None:
        document.update(changes)
        document["LastModifiedTime"] = now()
        document["_Version"] += 1
        versions.add(context, document)

    document = context.store.change(KIND, name, change) or {}
    return {"PipelineArn": context.arns.of(KIND, name), "PipelineVersionId": document.get("_Version")}


def describe(context: Context, request: Document) -> Document:
    document = found(context, request["PipelineName"])
    if "PipelineVersionId" in request:
        return {**document, **versions.get(context, document, request["PipelineVersionId"])}
    return document


def found(context: Context, name_or_arn: str) -> Document:
    """Raises ResourceNotFound."""
    name = resource(name_or_arn)
    document = context.store.get(KIND, name)
    if document is None:
        raise ResourceNotFound(f"Pipeline '{context.arns.of(KIND, name)}' does not exist.")
    return document


def delete(context: Context, request: Document) -> Document:
    """With its versions and its executions, as a new pipeline of that name has none of them."""
    name = request["PipelineName"]
    with context.store.transaction():
        document = found(context, name)
        arn = document["PipelineArn"]
        for key, execution in context.store.items(EXECUTION, f"{name}/"):
            if not ExecutionStatus(execution["PipelineExecutionStatus"]).final:
                raise ConflictException(f"Pipeline '{arn}' has running executions; stop them first.")
            _forget(context, key)
        for kind in (TOKEN, caching.KIND):
            for key, _ in context.store.items(kind, f"{name}/"):
                context.store.delete(kind, key)
        versions.forget(context, name)
        context.store.delete(KIND, name)
        tags.forget(context, arn)
    return {"PipelineArn": arn}


def _forget(context: Context, key: str) -> None:
    for step, _ in context.store.items(STEP, f"{key.rsplit('/', 1)[1]}/"):
        context.store.delete(STEP, step)
    context.store.delete(DEFINITION, key)
    context.store.delete(EXECUTION, key)


def listed(context: Context, request: Document) -> Document:
    prefix = request.get("PipelineNamePrefix", "")
    return listing.page("ListPipelines", context.store.find(KIND, prefix), request, name="PipelineName")


def list_versions(context: Context, request: Document) -> Document:
    return versions.listed(context, found(context, request["PipelineName"]), request)


def update_version(context: Context, request: Document) -> Document:
    found(context, request["PipelineArn"])
    return versions.update(context, request)


def _definition(context: Context, request: Document) -> str:
    """The definition's text, validated."""
    location = request.get("PipelineDefinitionS3Location")
    if ("PipelineDefinition" in request) == (location is not None):
        raise ValidationException("Give exactly one of PipelineDefinition and PipelineDefinitionS3Location.")
    text: str = request.get("PipelineDefinition", "")
    if location is not None:
        text = _read(context, location)
    if len(text) > _MAX_DEFINITION:
        raise ValidationException(
            f"The pipeline definition has {len(text)} characters; at most {_MAX_DEFINITION} are taken."
        )
    parse(text)
    return text


def _read(context: Context, location: Document) -> str:
    version = {"VersionId": location["VersionId"]} if "VersionId" in location else {}
    bucket, key = location["Bucket"], location["ObjectKey"]
    try:
        body: bytes = context.s3.get_object(Bucket=bucket, Key=key, **version)["Body"].read()
        return body.decode()
    except (ClientError, BotoCoreError, UnicodeDecodeError) as error:
        raise ValidationException(f"The pipeline definition s3://{bucket}/{key} cannot be read: {error}") from error
