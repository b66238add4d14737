"""`headrace train`: datasets become models, and a model that is good enough an endpoint."""

from pathlib import Path
from typing import Annotated

import typer

from cli.api import uploads
from cli.api.client import Api
from cli.api.report import report
from cli.api.settings import hyperparameters
from cli.api.words import JobKind
from cli.terminal.options import ApiUrl, AsJson


def train(
    algorithm: Annotated[str, typer.Argument(help="A name of `headrace algorithms list`.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Datasets; each starts a job of its own. Without any: the newest that was uploaded."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A hyperparameter, as name=value; repeat it for others.")
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Without files: with defaults where --set says nothing, not as the last time."),
    ] = False,
    follow: Annotated[bool, typer.Option(help="Wait until the jobs have finished.")] = True,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Upload datasets; each trains the algorithm, and its model is deployed if it is good enough.

    Without a file, what --set does not name is as in the last successful run. An algorithm whose model comes ready-made
    takes no files: it is deployed.
    """
    api = Api.at(api_url)
    titles = {}
    asked = {"algorithm": algorithm, "hyperparameters": hyperparameters(settings or ())}
    if not files:
        titles[api.post("/v1/trainings", {**asked, "inherit": not fresh})["job_id"]] = algorithm
    for file in map(uploads.checked, files or ()):
        request = {"kind": JobKind.TRAINING, "filename": file.name, **asked}
        titles[uploads.put(api, file, request)] = f"train {algorithm} on {file.name}"
    report(api, titles, follow=follow, as_json=as_json)
