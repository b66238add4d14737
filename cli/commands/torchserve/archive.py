"""`headrace torchserve archive`: a TorchScript file and its handler as a .mar."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError
from cli.project.checkout import Project, find_project
from cli.terminal.options import AsJson
from cli.terminal.output import out, print_json, say

if TYPE_CHECKING:
    from local.torchserve import Archive, Inputs


# Ten parameters, because each is an option that a person types.
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
    as_json: AsJson = False,
) -> None:
    """Pack a TorchScript file and its handler as a .mar; the same inputs give the same bytes."""
    from local.sagemaker.machine.environments import Environments
    from local.sagemaker.wire.errors import ImageError
    from local.torchserve import Inputs, make

    project = find_project()
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
    _tell(made, inputs, as_json)


def _tell(made: "Archive", inputs: "Inputs", as_json: bool) -> None:
    if as_json:
        names = {"archive": str(made.file), "name": inputs.name, "version": inputs.version}
        print_json({**names, "sha256": made.sha256, "files": list(made.members)})
        return
    say(f"{len(made.members)} files, sha256 {made.sha256}")
    out.print(str(made.file), markup=False)


def _handler(value: str) -> Path | str:
    """Takes what looks like a path for one; else it is a name."""
    path = Path(value)
    return path if path.suffix or len(path.parts) > 1 or path.exists() else value


def _served(project: Project) -> Path:
    return project.root / "cicd" / "torchserve"
