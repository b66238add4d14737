"""`headrace algorithms`: the catalogue, as the files say it and as it is resolved."""

import typer

from cli.commands.algorithms import check, new, show
from cli.commands.algorithms.list import list_algorithms

app = typer.Typer(help="The catalogue of algorithms.", no_args_is_help=True)
app.command()(new.new)
app.command("list")(list_algorithms)
app.command()(show.show)
app.command()(check.check)
