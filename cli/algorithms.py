"""`headrace algorithms`: the catalogue, as the files say it."""

import re
import shutil
from pathlib import Path
from typing import Annotated

import typer

from cli import project as projects
from cli.errors import CommandError, UsageError
from cli.options import Json
from cli.output import out, print_json, say, table
from cli.project import Project
from pipelines.catalogue import Algorithm, load_catalogue
from pipelines.problems import CatalogueError
from pipelines.spec import MAX_NAME, AlgorithmSpec

app = typer.Typer(help="The catalogue of algorithms.", no_args_is_help=True)

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def catalogue_of(project: Project) -> tuple[Algorithm, ...]:
    """The project's catalogue. Raises UsageError with every problem, one a line."""
    try:
        return load_catalogue(project.algorithms).checked()
    except CatalogueError as error:
        raise UsageError(str(error)) from error


@app.command("list")
def list_algorithms(as_json: Json = False) -> None:
    """Every algorithm and what it can do."""
    specs = [algorithm.spec for algorithm in catalogue_of(projects.find())]
    if as_json:
        print_json([spec.model_dump(mode="json", by_alias=True) for spec in specs])
        return
    table(
        ("ALGORITHM", "TITLE", "TRAINS", "SERVES", "RUNS ON", "UPLOADS"),
        (
            (
                spec.name,
                spec.title,
                "yes" if spec.trainable else "no",
                spec.deploy.mode.value,
                _runs_on(spec),
                spec.trigger.pattern if spec.trainable else "",
            )
            for spec in specs
        ),
    )


@app.command()
def show(name: str, as_json: Json = False) -> None:
    """One algorithm with every default filled in."""
    document = _named(catalogue_of(projects.find()), name).spec.model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    if as_json:
        print_json(document)
    else:
        import yaml

        out.print(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), end="", markup=False)


@app.command()
def check(as_json: Json = False) -> None:
    """Read every algorithm.yaml and name every problem."""
    catalogue = load_catalogue(projects.find().algorithms)
    if as_json:
        problems = [{"file": one.file, "path": one.path, "text": one.text} for one in catalogue.problems]
        print_json({"algorithms": [algorithm.name for algorithm in catalogue.algorithms], "problems": problems})
    if catalogue.problems:
        raise UsageError("\n".join(str(problem) for problem in catalogue.problems))
    if not as_json:
        out.print(f"{len(catalogue.algorithms)} algorithms, no problems")


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and underscores.")],
    like: Annotated[str, typer.Option(help="The algorithm to start from.")] = "gradient_boosting",
) -> None:
    """Write a new algorithm's folder, a copy of one that trains and serves already."""
    project = projects.find()
    source = _named(catalogue_of(project), like)
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise UsageError(f"{name}: expected at most {MAX_NAME} lower-case letters, digits and single underscores")
    folder = project.algorithms / name
    if folder.exists():
        raise UsageError(f"{folder}: is there already")
    shutil.copytree(source.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    _rename(folder / "algorithm.yaml", name)
    if problems := load_catalogue(project.algorithms).problems:
        shutil.rmtree(folder)
        raise CommandError("\n".join(str(problem) for problem in problems))
    say(f"{folder}: a copy of {like}; make algorithm.yaml and the scripts your own")
    sample = next(iter(sorted((folder / "samples").glob("*"))), None)
    out.print(f"headrace train {name} {sample or 'FILE'}", markup=False)


def _rename(file: Path, name: str) -> None:
    """Give a copied algorithm.yaml its new names; comments and order stay."""
    text = file.read_text("utf-8")
    text = re.sub(r"(?m)^name:.*$", f"name: {name}", text, count=1)
    text = re.sub(r"(?m)^title:.*$", f"title: {name.replace('_', ' ').capitalize()}", text, count=1)
    text = re.sub(r"(?m)(\bgroup:\s*)[\w-]+", rf"\g<1>{name.replace('_', '-')}", text, count=1)
    file.write_text(text, "utf-8")


def _named(catalogue: tuple[Algorithm, ...], name: str) -> Algorithm:
    by_name = {algorithm.name: algorithm for algorithm in catalogue}
    if name not in by_name:
        raise UsageError(f"{name}: no such algorithm; there are {', '.join(by_name)}")
    return by_name[name]


def _runs_on(spec: AlgorithmSpec) -> str:
    if spec.framework is not None:
        return f"{spec.framework.name.value} {spec.framework.version}"
    return "own image"
