"""`headrace algorithms new`: a folder that trains on this machine at once."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from cli import starters
from cli.errors import CommandError, UsageError
from cli.project.catalogue import catalogue_of, named
from cli.project.checkout import Project, find_project
from cli.terminal.output import out, say
from pipelines.catalogue import load_algorithm
from pipelines.spec import MAX_NAME

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_IMAGE: Final = "decision_trees"
"""The algorithm with an own image that a new one starts from."""


def new(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and underscores.")],
    framework: Annotated[
        str | None, typer.Option(help=f"Script mode in a framework's image: {', '.join(starters.STARTERS)}.")
    ] = None,
    image: Annotated[bool, typer.Option("--image", help="An own container, with its Dockerfile.")] = False,
    like: Annotated[str | None, typer.Option(help="A copy of this algorithm of the catalogue.")] = None,
) -> None:
    """Write a new algorithm's folder, which trains and serves as it stands (scikit-learn, when nothing is said)."""
    if (framework is not None) + image + (like is not None) > 1:
        raise UsageError("expected one of --framework, --image and --like, found several")
    project = find_project()
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise UsageError(f"{name}: expected at most {MAX_NAME} lower-case letters, digits and single underscores")
    folder = project.algorithms / name
    if folder.exists():
        raise UsageError(f"{folder}: is there already")
    if image or like is not None:
        what = _copy(project, like or _IMAGE, folder)
    else:
        what = _start(framework or "sklearn", name, folder)
    say(f"{folder}: {what}; make algorithm.yaml and the scripts your own")
    sample = next((file for file in sorted((folder / "samples").glob("*")) if file.suffix != ".md"), None)
    out.print(f"headrace train {name} {sample or 'FILE'}", markup=False)


def _start(framework: str, name: str, folder: Path) -> str:
    if framework not in starters.STARTERS:
        raise UsageError(f"--framework: expected one of {', '.join(starters.STARTERS)}, found {framework}")
    with _made(folder) as made:
        starters.write(starters.STARTERS[framework], name, made)
    return f"a classifier of tables with {framework}"


def _copy(project: Project, like: str, folder: Path) -> str:
    source = named(catalogue_of(project), like)
    with _made(folder) as made:
        shutil.copytree(source.folder, made, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        _rename(made / "algorithm.yaml", folder.name)
    return f"a copy of {like}"


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """Yields a folder to fill. It is checked and renamed at the end, so that nothing half done is ever found."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as aside:
        # A specification has to carry its folder's name, so this one has it already.
        made = Path(aside) / folder.name
        made.mkdir()
        yield made
        if problems := load_algorithm(made)[1]:
            raise CommandError("\n".join(f"{problem.path}: {problem.text}" for problem in problems))
        made.rename(folder)


def _rename(file: Path, name: str) -> None:
    """Gives a copied algorithm.yaml its new names; comments and order stay."""
    text = file.read_text("utf-8")
    text = re.sub(r"(?m)^name:.*$", f"name: {name}", text, count=1)
    text = re.sub(r"(?m)^title:.*$", f"title: {name.replace('_', ' ').capitalize()}", text, count=1)
    text = re.sub(r"(?m)(\bgroup:\s*)[\w-]+", rf"\g<1>{name.replace('_', '-')}", text, count=1)
    file.write_text(text, "utf-8")
