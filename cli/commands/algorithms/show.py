"""`headrace algorithms`: the catalogue, as the files say it and as it is resolved."""

from typing import Any

import typer

from cli.commands.algorithms.new import new
from cli.commands.algorithms.origins import leaves, origins
from cli.commands.algorithms.resolving import Resolved, resolve
from cli.errors import UsageError
from cli.project import checkout as projects
from cli.project.catalogue import catalogue_of, named
from cli.terminal.options import Json
from cli.terminal.output import out, print_json, table
from pipelines.catalogue import FILE_NAME, Algorithm, load_catalogue
from pipelines.problems import shown
from pipelines.spec import AlgorithmSpec, Framework

app = typer.Typer(help="The catalogue of algorithms.", no_args_is_help=True)
app.command()(new)


@app.command("list")
def list_algorithms(as_json: Json = False) -> None:
    """Every algorithm, what it can do, and whether it runs on this machine."""
    project = projects.find()
    found = resolve(project, catalogue_of(project))
    if as_json:
        print_json([{**_document(one.algorithm), "local": one.local()} for one in found])
        return
    table(
        ("ALGORITHM", "TITLE", "TRAINS", "SERVES", "RUNS ON", "UPLOADS", "LOCAL"),
        (
            (
                one.spec.name,
                one.spec.title,
                "yes" if one.spec.trainable else "no",
                "chained" if one.spec.chain else one.spec.deploy.mode.value,
                _runs_on(one.spec),
                one.spec.trigger.pattern if one.spec.trainable else "",
                f"no: {one.obstacle}" if one.obstacle else "yes",
            )
            for one in found
        ),
    )


@app.command()
def show(name: str, as_json: Json = False) -> None:
    """One algorithm with every default filled in, where each value comes from, and what it becomes here."""
    project = projects.find()
    catalogue = catalogue_of(project)
    algorithm = named(catalogue, name)
    document = _document(algorithm)
    chain = algorithm.spec.chain
    members = (chain.detect.algorithm, chain.read.algorithm) if chain else ()
    resolved, *_ = resolve(project, (algorithm, *(named(catalogue, member) for member in members)))
    text = (algorithm.folder / FILE_NAME).read_text("utf-8")
    found = origins(document, text, FILE_NAME)
    if as_json:
        print_json({**document, "origins": found, "resolved": _resolved(resolved)})
        return
    table(("KEY", "VALUE", "FROM"), ((path, _cell(value), found[path]) for path, value in leaves(document)))
    out.print()
    table(("RESOLVED", "VALUE"), ((path, _cell(value)) for path, value in leaves(_resolved(resolved))))


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


def _document(algorithm: Algorithm) -> dict[str, Any]:
    """The specification with every default, without the sections that it does not have."""
    return algorithm.spec.model_dump(mode="json", by_alias=True, exclude_none=True)


def _resolved(resolved: Resolved) -> dict[str, Any]:
    return {**resolved.names(), "local": resolved.local()}


def _cell(value: object) -> str:
    from rich.markup import escape

    return escape(value if isinstance(value, str) else shown(value))


def _runs_on(spec: AlgorithmSpec) -> str:
    if spec.chain is not None:
        return f"{spec.chain.detect.algorithm}, {spec.chain.read.algorithm}"
    if spec.framework is None:
        return "own image"
    serving = spec.framework.serving
    runs = dict.fromkeys(map(_framework, (spec.framework, serving)))
    return ", ".join(runs) if spec.trainable else _framework(serving)


def _framework(framework: Framework) -> str:
    return f"{framework.name.value} {framework.transformers_version or framework.version}"
