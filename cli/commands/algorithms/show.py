"""`headrace algorithms show`: one algorithm as its file says it, and what it becomes."""

from cli.commands.algorithms.origins import leaves, origins
from cli.commands.algorithms.resolving import Resolved, resolve
from cli.project.catalogue import catalogue_of, named
from cli.project.checkout import find_project
from cli.terminal.options import AsJson
from cli.terminal.output import out, print_json, table
from pipelines.catalogue import FILE_NAME
from pipelines.documents import Document
from pipelines.problems import shown


def show(name: str, as_json: AsJson = False) -> None:
    """Show one algorithm with every default filled in, where each value comes from, and what it becomes here."""
    project = find_project()
    catalogue = catalogue_of(project)
    algorithm = named(catalogue, name)
    chain = algorithm.spec.chain
    members = (chain.detect.algorithm, chain.read.algorithm) if chain else ()
    resolved, *_ = resolve(project, (algorithm, *(named(catalogue, member) for member in members)))
    document = resolved.document()
    places = origins(document, (algorithm.folder / FILE_NAME).read_text("utf-8"), FILE_NAME)
    if as_json:
        print_json({**document, "origins": places, "resolved": _resolved(resolved)})
        return
    table(("KEY", "VALUE", "FROM"), ((path, _cell(value), places[path]) for path, value in leaves(document)))
    out.print()
    table(("RESOLVED", "VALUE"), ((path, _cell(value)) for path, value in leaves(_resolved(resolved))))


def _resolved(resolved: Resolved) -> Document:
    return {**resolved.names(), "local": resolved.local()}


def _cell(value: object) -> str:
    from rich.markup import escape

    return escape(value if isinstance(value, str) else shown(value))
