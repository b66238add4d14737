"""The versions of a pipeline: one for its creation, one for each update."""

from local.documents import Document
from local.sagemaker.machine.machine import Machine
from local.sagemaker.wire import listing
from local.sagemaker.wire.arns import resource
from local.sagemaker.wire.errors import ResourceNotFound
from local.store import now

KIND = "pipeline-version"
_MEMBERS = (
    "PipelineArn", "PipelineName", "PipelineDisplayName", "PipelineDescription", "PipelineDefinition", "RoleArn",
    "ParallelismConfiguration",
)  # fmt: skip


def add(machine: Machine, pipeline: Document) -> None:
    """Stores the version; call in the transaction that changes the pipeline, whose `_Version` is the new one."""
    version = pipeline["_Version"]
    document = {name: pipeline[name] for name in _MEMBERS if name in pipeline}
    document |= {"PipelineVersionId": version, "CreationTime": now(), "LastModifiedTime": now()}
    machine.store.insert(KIND, _key(pipeline["PipelineName"], version), document)


def get(machine: Machine, pipeline: Document, version: int) -> Document:
    """Raises ResourceNotFound."""
    document = machine.store.get(KIND, _key(pipeline["PipelineName"], version))
    if document is None:
        raise ResourceNotFound(f"Pipeline '{pipeline['PipelineArn']}' has no version {version}.")
    return document


def executed(machine: Machine, pipeline: str, version: int, execution_arn: str) -> None:
    """Records the version's last execution; call in the transaction that starts it."""
    members = {"LastExecutionPipelineExecutionArn": execution_arn, "LastExecutedPipelineExecutionArn": execution_arn}
    machine.store.change(KIND, _key(pipeline, version), lambda document: document.update(members))


def listed(machine: Machine, pipeline: Document, request: Document) -> Document:
    versions = machine.store.find(KIND, f"{pipeline['PipelineName']}/")
    return listing.page("ListPipelineVersions", versions, request, name="PipelineVersionId")


def update(machine: Machine, request: Document) -> Document:
    """Changes its display name and description; the definition of a version stays as it is."""
    changes: Document = {
        name: request[name] for name in ("PipelineVersionDisplayName", "PipelineVersionDescription") if name in request
    }
    name, version = resource(request["PipelineArn"]), request["PipelineVersionId"]
    changed = machine.store.change(
        KIND, _key(name, version), lambda document: document.update({**changes, "LastModifiedTime": now()})
    )
    if changed is None:
        raise ResourceNotFound(f"Pipeline '{request['PipelineArn']}' has no version {version}.")
    return {"PipelineArn": request["PipelineArn"], "PipelineVersionId": version}


def forget(machine: Machine, pipeline: str) -> None:
    for document in machine.store.find(KIND, f"{pipeline}/"):
        machine.store.delete(KIND, _key(pipeline, document["PipelineVersionId"]))


def _key(pipeline: str, version: int) -> str:
    return f"{pipeline}/{version:09d}"
