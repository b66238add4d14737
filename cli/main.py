"""The command line: which commands there are, and what an error looks like."""

import io
import os
import sys
from typing import Annotated, NoReturn

import typer

from cli.commands import (
    algorithms,
    chain,
    compare,
    demo,
    deploy,
    endpoints,
    faces,
    images,
    jobs,
    lineage,
    logs,
    models,
    publish,
    rerun,
    status,
    stop,
    torchserve,
    train,
    up,
)
from cli.commands.compile import compile_command
from cli.errors import CommandError, Left
from cli.terminal.interrupts import end_as_by_interrupt
from cli.terminal.output import err
from local.errors import LocalCloudError

app = typer.Typer(
    name="headrace",
    help="Uploads flow in; training runs, models, endpoints and results come out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(up.up)
app.command()(demo.demo)
app.command()(train.train)
app.command()(faces.faces)
app.command()(chain.chain)
app.command()(status.status)
app.command()(stop.stop)
app.command()(rerun.rerun)
app.command()(logs.logs)
app.command()(compare.compare)
app.command()(lineage.lineage)
app.command()(jobs.jobs)
app.command()(models.models)
app.command()(models.approve)
app.command()(models.reject)
app.command()(endpoints.endpoints)
app.command()(endpoints.predict)
app.command()(endpoints.rollback)
app.command("delete-endpoint")(endpoints.delete_endpoint)
app.command("compile")(compile_command)
app.command()(deploy.deploy)
app.command()(publish.publish)
app.add_typer(algorithms.app, name="algorithms")
app.add_typer(images.app, name="images")
app.add_typer(torchserve.app, name="torchserve")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"headrace {version('headrace')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Uploads flow in; training runs, models, endpoints and results come out."""


def main() -> NoReturn:
    """Run the command line; ends the process."""
    # What a command started is stopped either way.
    end_as_by_interrupt()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # `headrace up > log` says "ready" when it is, not when a buffer is full.
        sys.stdout.reconfigure(line_buffering=True)
    try:
        app()
        code = 0
    except Left as error:
        err.print(str(error), markup=False)
        code = error.exit_code
    except (CommandError, LocalCloudError) as error:
        err.print("[red]error[/red]", end=": ")
        err.print(str(error), markup=False)
        code = getattr(error, "exit_code", 1)
    except BrokenPipeError:
        # The reader went away (`headrace jobs | head`): nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
