"""`headrace torchserve`: model archives for TorchServe. What becomes of one stands in docs/torchserve.md."""

import typer

from cli.commands.torchserve import archive

app = typer.Typer(help="Serving with TorchServe.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Serving with TorchServe."""


app.command()(archive.archive)
