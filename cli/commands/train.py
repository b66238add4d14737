"""`headrace train`: datasets become models, and a model that is good enough an endpoint."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from cli.api import uploads
from cli.api.client import Api
from cli.api.report import report
from cli.api.words import JobKind
from cli.errors import UsageError
from cli.terminal.options import ApiUrl, AsJson
from pipelines.documents import Document


def train(
    algorithm: Annotated[str, typer.Argument(help="A name of `headrace algorithms list`.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Datasets; each starts a job of its own. Without any: the newest that was uploaded."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A hyperparameter, as name=value; repeat it for others.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Wait until the jobs have finished.")] = True,
    api_url: ApiUrl = None,
    as_json: AsJson = False,
) -> None:
    """Upload datasets; each trains the algorithm, and its model is deployed if it is good enough.

    An algorithm whose model comes ready-made takes no files: it is deployed.
    """
    api = Api.at(api_url)
    titles = {}
    asked = {"algorithm": algorithm, "hyperparameters": hyperparameters(settings or ())}
    if not files:
        titles[api.post("/v1/trainings", asked)["job_id"]] = algorithm
    for file in map(uploads.checked, files or ()):
        request = {"kind": JobKind.TRAINING, "filename": file.name, **asked}
        titles[uploads.put(api, file, request)] = f"train {algorithm} on {file.name}"
    report(api, titles, follow=follow, as_json=as_json)


def hyperparameters(settings: Iterable[str]) -> Document:
    """Reads `name=value` words as the API takes them: a number, a text in double quotes, or all else as it stands.

    Raises UsageError.
    """
    values: Document = {}
    for word in settings:
        name, sign, value = word.partition("=")
        if not name or not sign:
            raise UsageError(f"--set: expected name=value, found {word!r}")
        try:
            read = json.loads(value)
        except ValueError:
            read = None
        values[name] = read if isinstance(read, int | float | str) and not isinstance(read, bool) else value
    return values
