"""`headrace compile`: write state_machines/, the golden pipeline definitions and what is copied, or check them."""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CommandError, problems_as_errors
from cli.project.catalogue import catalogue_of
from cli.project.checkout import Project, find_project
from cli.project.machines import write_machines
from cli.terminal.options import AsJson
from cli.terminal.output import out, print_json
from pipelines.compile import compile_algorithms
from pipelines.copies import check_copies, write_copies
from pipelines.environment import Environment
from pipelines.goldens import check_goldens, write_goldens
from pipelines.product import CompiledPipeline
from pipelines.spec import json_schema_text


def compile_command(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if anything is out of step.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compile every workflow and every algorithm, and copy what algorithms share."""
    project = find_project()
    with problems_as_errors():
        if check:
            _check(project, as_json)
        else:
            _write(project, as_json)


def _check(project: Project, as_json: bool) -> None:
    # The stepfunctions SDK takes a second to import: only a check pays for it every time.
    from workflows import render

    differences = [
        *render.check(project.state_machines),
        *check_copies(project.algorithms),
        *_definition_differences(project),
        *_schema(project),
    ]
    if as_json:
        print_json({"differences": differences})
    if differences:
        raise CommandError("\n".join(differences) + "\nrun `headrace compile` and commit what it writes")
    if not as_json:
        out.print("state machines, copies, pipeline definitions and the schema are in step with their sources")


def _write(project: Project, as_json: bool) -> None:
    # Definitions name sources by their content, so copies come first.
    copied = write_copies(project.algorithms)
    # All is compiled before anything else is written: a mistake leaves everything as it was.
    compiled = _compile(project, None)
    written = [*copied, *write_machines(project), *write_goldens(project.goldens, compiled)]
    if _schema(project):
        _schema_file(project).write_text(json_schema_text(), "utf-8")
        written.append(_schema_file(project))
    files = [str(file.relative_to(project.root)) for file in written]
    if as_json:
        print_json({"written": files})
    else:
        for file in files:
            out.print(file, markup=False)


def _definition_differences(project: Project) -> tuple[str, ...]:
    """Returns what differs from the committed definitions or between two compiles, and what AWS would refuse."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        once, twice = _compile(project, Path(first)), _compile(project, Path(second))
    unstable = [
        f"{first_time.name}: two compiles gave different bytes"
        for first_time, second_time in zip(once, twice, strict=True)
        if first_time.definition != second_time.definition
    ]
    refused = [problem for pipeline in once for problem in _refused(pipeline)]
    return (*unstable, *refused, *check_goldens(project.goldens, once))


def _compile(project: Project, cache: Path | None) -> tuple[CompiledPipeline, ...]:
    return compile_algorithms(catalogue_of(project), Environment(), cache or project.cache_dir / "pipelines")


def _refused(pipeline: CompiledPipeline) -> list[str]:
    """Returns what the service would refuse in the arguments of each step."""
    if pipeline.definition is None:
        return []
    # Only this check needs botocore's models.
    from pipelines.definition.validation import argument_problems

    return [f"{pipeline.name}: {problem}" for problem in argument_problems(json.loads(pipeline.definition))]


def _schema_file(project: Project) -> Path:
    return project.root / "pipelines" / "algorithm.schema.json"


def _schema(project: Project) -> tuple[str, ...]:
    file = _schema_file(project)
    current = file.read_text("utf-8") if file.is_file() else ""
    return () if current == json_schema_text() else ("pipelines/algorithm.schema.json: not what pipelines/spec/ says",)
