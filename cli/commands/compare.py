"""`headrace compare`: what differs between runs, what was measured first."""

from typing import Annotated

import typer

from cli.api.client import Api
from cli.errors import UsageError
from cli.terminal.options import ApiUrl, AsJson
from cli.terminal.output import print_json, table


def compare(
    job_ids: Annotated[list[str], typer.Argument(help="Two jobs or more.")],
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show only what differs between jobs: metrics, then hyperparameters, input and code, durations."""
    if len(job_ids) < 2:
        raise UsageError("expected two jobs or more")
    comparison = Api.at(api_url).get("/v1/comparison", {"jobs": ",".join(job_ids)})
    if as_json:
        print_json(comparison)
        return
    rows = ((entry["name"], *(_shown(value) for value in entry["values"])) for entry in comparison["differences"])
    table(("", *comparison["jobs"]), rows)


def _shown(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
