"""What the expressions of an execution can refer to: its parameters, itself, its steps and their property files."""

from collections.abc import Mapping
from datetime import UTC, datetime

from local.documents import Document
from local.sagemaker.machine import storage
from local.sagemaker.machine.machine import Machine
from local.sagemaker.pipelines.definition import Definition, Step
from local.sagemaker.pipelines.expressions import Scope
from local.sagemaker.pipelines.journal import Journal
from local.sagemaker.wire.errors import WorkFailed
from local.store import now


def scope_of(
    machine: Machine, journal: Journal, document: Document, definition: Definition, properties: dict[str, Document]
) -> Scope:
    """Makes the scope of a step that starts now; `properties` are those of the steps that have ended."""

    def read(uri: str) -> str:
        return storage.read_text(machine.s3, uri)

    return Scope(
        parameters=document["_Values"],
        execution=_variables(journal, document),
        steps=properties,
        read_property_file=lambda step, name: read(_property_file(definition.steps[step], name, properties)),
        read_object=read,
    )


def _property_file(step: Step, name: str, properties: Mapping[str, Document]) -> str:
    """Answers where in S3 a property file lies."""
    declared = {file["PropertyFileName"]: file for file in step.body.get("PropertyFiles") or []}
    if name not in declared:
        raise WorkFailed(f"step {step.name} declares no property file {name!r}")
    file = declared[name]
    outputs = properties.get(step.name, {}).get("ProcessingOutputConfig", {}).get("Outputs", [])
    for output in outputs:
        if output["OutputName"] == file["OutputName"]:
            return storage.joined(output["S3Output"]["S3Uri"], file["FilePath"])
    raise WorkFailed(f"step {step.name} has no output {file['OutputName']!r} for property file {name!r}")


def _variables(journal: Journal, document: Document) -> dict[str, str]:
    """Returns what Execution.<name> stands for; the names of jobs are each step's own."""
    return {
        "PipelineExecutionId": journal.execution_id,
        "PipelineExecutionArn": journal.execution_arn,
        "PipelineName": journal.pipeline,
        "PipelineArn": journal.pipeline_arn,
        "StartDateTime": _iso(document["CreationTime"]),
        "CurrentDateTime": _iso(now()),
        "TrainingJobName": "",
        "ProcessingJobName": "",
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
