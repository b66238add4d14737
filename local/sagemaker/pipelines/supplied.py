"""Step types that nothing here runs, and the commands a user may supply to stand in for them.

The commands are in `steps.yaml` beside template.yaml, read again for every step:

    steps:
      - type: EMR                        # a step type, or
        command: [python, local/emr.py]
      - name: CheckDrift                 # the name of one step
        command: [true]

The first entry that fits is taken. A command runs in that file's folder as an ordinary process. Its standard input is
the step as one JSON object: StepName, StepType, PipelineExecutionArn, Arguments with every expression replaced, and
what else stands in the definition. An object on its standard output is what later steps may refer to. Exit code 0 is
success; otherwise the end of its standard error is the step's FailureReason.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from local.documents import Document, Json
from local.sagemaker.pipelines.definition import Step
from local.sagemaker.pipelines.kinds import StepType
from local.sagemaker.pipelines.run import Hold, Result, Run, StepFailed
from local.walls.command import Command
from local.walls.running import Running

_TAIL = 900


def run(run: Run) -> Result:
    """Raises StepFailed."""
    file = run.reach.machine.settings.steps_file
    command = _command(file, run.step)
    if command is None or file is None:
        where = f" A command may stand in for it: see `steps` in {file}." if file is not None else ""
        raise StepFailed(f"Step type {run.step.type} is not run by this local SageMaker.{where}")
    metadata = _metadata(run)
    document = {
        "StepName": run.step.name,
        "StepType": run.step.type,
        "PipelineExecutionArn": run.execution_arn,
        "Arguments": run.arguments(),
        **run.beside(),
    }
    return Result(_run(run, command, file.parent, document, metadata), metadata)


def _command(file: Path | None, step: Step) -> Sequence[str] | None:
    if file is None or not file.is_file():
        return None
    try:
        document = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise StepFailed(f"{file} cannot be read: {error}") from error
    entries = document.get("steps") if isinstance(document, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and (entry.get("name") == step.name or entry.get("type") == step.type):
            command = entry.get("command")
            if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
                raise StepFailed(f"{file}: the command for {step.name} must be a list of words")
            return command
    return None


def _metadata(run: Run) -> Document:
    if run.step.type in (StepType.QUALITY_CHECK, StepType.CLARIFY_CHECK):
        members = ("CheckType", "ModelPackageGroupName", "SkipCheck", "RegisterNewBaseline")
        beside = run.beside()
        return {run.step.kind.metadata: {name: beside[name] for name in members if beside.get(name) is not None}}
    if run.step.type == StepType.EMR:
        return {"EMR": {"StepName": run.step.name, "ClusterId": str(run.arguments().get("ClusterId", "local"))}}
    return {}


def _run(run: Run, command: Sequence[str], folder: Path, document: Document, metadata: Document) -> Document:
    if shutil.which(command[0]) is None and not (folder / command[0]).is_file():
        raise StepFailed(f"ClientError: the command {command[0]} cannot be run: it is not there", metadata)
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(document).encode())
        file.seek(0)
        program = Command(tuple(command), dict(os.environ), folder, walls=False)
        with Running(program, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                run.watch.executing(metadata, Hold(stop=process.kill, leave=process.kill))
                output, errors = process.communicate()
            finally:
                process.kill()
    if process.returncode != 0:
        said = errors.decode("utf-8", "replace").strip()[-_TAIL:]
        raise StepFailed(f"AlgorithmError: {said}, exit code: {process.returncode}", metadata)
    return _object(output)


def _object(output: bytes) -> Document:
    """Returns the properties that a command printed; one that prints anything else has none."""
    try:
        properties: Json = json.loads(output)
    except ValueError:
        return {}
    return properties if isinstance(properties, dict) else {}
