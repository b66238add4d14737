"""Process: the uploaded object or folder -> one folder a channel. Also the parts that Evaluate shares."""

from dataclasses import dataclass, field
from typing import Any

from sagemaker.processing import ProcessingInput, ProcessingOutput, Processor
from sagemaker.workflow.functions import Join
from sagemaker.workflow.properties import PropertyFile
from sagemaker.workflow.steps import ProcessingStep

from pipelines.definition.steps.context import Context
from pipelines.definition.steps.images import processing_image
from pipelines.definition.steps.surroundings import caching, job_retries, keys, processing_network, tags
from pipelines.spec import Processing

CODE_FOLDER = "/opt/ml/processing/input/code"
_UNPACKED = "/opt/ml/processing/code"
_UNPACK = (
    'folder="$1"; script="$2"; shift 2; mkdir -p "$folder" && tar -xzf "$0" -C "$folder" && exec python3 "$script" "$@"'
)


def process_step(context: Context) -> ProcessingStep:
    inputs = [source("data", context.parameters["InputUri"], "/opt/ml/processing/input/data")]
    outputs = [
        output(name, f"/opt/ml/processing/output/{name}", context.run_uri(name)) for name in context.spec.channels
    ]
    script = context.spec.processing.entry_point if context.spec.processing else None
    return container_step(context, Work("Process", "process", script), inputs, outputs)


@dataclass(frozen=True, slots=True)
class Work:
    """What a processing job does."""

    step: str
    command: str
    """Of an own image: `processing process`, `processing evaluate`."""
    script: str | None
    """Of a framework's."""
    property_files: list[PropertyFile] = field(default_factory=list)


def container_step(
    context: Context, work: Work, inputs: list[ProcessingInput], outputs: list[ProcessingOutput]
) -> ProcessingStep:
    """Makes a step that runs a processing job: of a script in a framework's image, of a command in an own one."""
    script = work.script
    if script is not None:
        # One of the two: unpacked files, or the archive of a repository.
        inputs = [*inputs, source("code", context.request.files_uri or context.request.source_uri, CODE_FOLDER)]
    made = processor(
        context,
        processing_image(context.request),
        _entry_point(context, script),
        context.parameters["ProcessingInstanceType"],
        context.spec.processing or Processing(),
    )
    arguments = [*([] if script else [work.command]), *hyperparameter_arguments(context)]
    # An empty list of arguments would be refused by CreateProcessingJob.
    step_args = made.run(inputs=inputs, outputs=outputs, arguments=arguments or None)
    return ProcessingStep(
        name=work.step,
        step_args=step_args,
        property_files=work.property_files or None,
        **caching(context),
        **job_retries(context),
    )


def processor(
    context: Context, image: str, entry_point: list[str], instance_type: Any, machines: Processing
) -> Processor:
    """Makes what runs `entry_point` in `image`, where and under whose keys the algorithm's jobs run."""
    return Processor(
        role=context.role,
        image_uri=image,
        entrypoint=entry_point,
        instance_count=machines.instance_count,
        instance_type=instance_type,
        volume_size_in_gb=machines.volume_gb,
        max_runtime_in_seconds=machines.max_runtime_seconds,
        sagemaker_session=context.session,
        **processing_network(context),
        **keys(context, volume="volume_kms_key"),
        **tags(context),
    )


def _entry_point(context: Context, script: str | None) -> list[str]:
    if script is None:
        return ["processing"]
    if context.request.files_uri is not None:
        return ["python3", f"{CODE_FOLDER}/{script}"]
    # Each path is a word of its own; the job's arguments come after them and are what is left for the script.
    return ["sh", "-c", _UNPACK, f"{CODE_FOLDER}/sourcedir.tar.gz", _UNPACKED, f"{_UNPACKED}/{script}"]


def hyperparameter_arguments(context: Context) -> list[Any]:
    """`--name=value` for each hyperparameter that `processing.arguments` names.

    One argument rather than two, so that a value may begin with dashes itself.
    """
    named = context.spec.processing.arguments if context.spec.processing else ()
    return [Join(on="", values=[f"--{name}=", context.parameters[name]]) for name in named]


def source(name: str, uri: Any, folder: str) -> ProcessingInput:
    """Lets an object or prefix stand in `folder` when the container starts."""
    return ProcessingInput(input_name=name, source=uri, destination=folder)


def output(name: str, folder: str, uri: Any) -> ProcessingOutput:
    """Lets a folder be copied to `uri` when the container ends. Never shared between steps: the SDK changes it."""
    return ProcessingOutput(output_name=name, source=folder, destination=uri)
