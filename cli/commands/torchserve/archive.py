"""`headrace torchserve`: model archives for TorchServe. What becomes of one stands in docs/torchserve.md."""

from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CommandError
from cli.project import checkout as projects
from cli.project.checkout import Project
from cli.terminal.options import Json
from cli.terminal.output import out, print_json, say

app = typer.Typer(help="Serving with TorchServe.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Serving with TorchServe."""


@app.command()
def archive(
    model: Annotated[Path, typer.Option(help="A TorchScript file (torch.jit.save).")],
    name: Annotated[str, typer.Option(help="The model's name; the archive is NAME.mar.")],
    handler: Annotated[
        str, typer.Option(help="A .py file or a handler of TorchServe's own; left out, the one that batches tensors.")
    ] = "",
    version: Annotated[str, typer.Option(help="The model's version.")] = "1.0",
    config: Annotated[
        Path | None, typer.Option(help="Batch size, delay and workers; left out, cicd/torchserve/model-config.yaml.")
    ] = None,
    requirements: Annotated[Path | None, typer.Option(help="Python packages that the handler needs.")] = None,
    extra: Annotated[list[Path] | None, typer.Option(help="A further file or folder; may be repeated.")] = None,
    output: Annotated[Path, typer.Option(help="The folder to write to.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Write over an archive that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Pack a TorchScript file and its handler as a .mar; the same inputs give the same bytes."""
    from local.sagemaker.machine.environments import Environments
    from local.sagemaker.wire.errors import ImageError
    from local.torchserve import Inputs, make

    project = projects.find()
    served = _served(project)
    inputs = Inputs(
        name=name,
        version=version,
        model=model,
        handler=_handler(handler) if handler else served / "handler.py",
        config=config or served / "model-config.yaml",
        requirements=requirements,
        extra=tuple(extra or ()),
    )
    environments = Environments(project.cache_dir, {"torch-model-archiver": served / "archiver"})
    try:
        made = make(inputs, output, environments, force)
    except ImageError as error:
        raise CommandError(str(error)) from error
    if as_json:
        members = list(made.members)
        print_json(
            {"archive": str(made.file), "name": name, "version": version, "sha256": made.sha256, "files": members}
        )
        return
    say(f"{len(made.members)} files, sha256 {made.sha256}")
    out.print(str(made.file), markup=False)


def _handler(value: str) -> Path | str:
    """What looks like a path is one; else it is a name."""
    path = Path(value)
    return path if path.suffix or len(path.parts) > 1 or path.exists() else value


def _served(project: Project) -> Path:
    return project.root / "cicd" / "torchserve"
